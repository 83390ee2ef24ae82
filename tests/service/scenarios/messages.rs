//! Messages, as the feed delivers them.

use serde_json::{Value, json};

use test_support::{
    copies::{T0, message, on_time, shown_message, with},
    scenarios,
    test::Test,
};

scenarios![
    a_message_is_shown_in_both_lists,
    the_newest_message_stays_whatever_the_order,
    at_one_time_the_newer_id_stays,
    a_blocked_message_is_shown_to_its_sender_only,
    the_console_check_gets_a_response_signed_or_not,
];
scenarios![LOCAL_ONLY: a_message_to_oneself_is_shown_once];

async fn a_message_is_shown_in_both_lists(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    for (user, other) in [(&alice, &bob), (&bob, &alice)] {
        let list = user.list("").await;
        assert_eq!(list["hasMore"], false);
        assert_eq!(list["nextCursor"], Value::Null);
        let session = &list["sessionList"][0];
        assert_eq!(*session, user.get(other).await);
        assert_eq!(session["sessionId"], other.session_id());
        assert_eq!(session["updateTime"], T0 + 1);
        assert_eq!(session["lastMsgType"], 0);
        assert_eq!(session["ext"], Value::Null);
        assert_eq!(user.last_msg(other).await, shown_message(&alice, 1));
    }
}

async fn the_newest_message_stays_whatever_the_order(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let copies = [3, 1, 2, 3, 1].map(|at| message(&alice, &bob, at));
    for (delivered, copy) in copies.iter().enumerate() {
        t.deliver([copy]).await;
        assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 3), "after {delivered} more");
        assert_eq!(bob.get(&alice).await["updateTime"], T0 + 3);
    }
    t.deliver([&message(&bob, &alice, 4)]).await;
    assert_eq!(alice.last_msg(&bob).await, shown_message(&bob, 4));
    assert_eq!(bob.listed().await, [alice.session_id()], "still one session");
}

/// Compares ids of every kind, in the engine as in the model.
async fn at_one_time_the_newer_id_stays(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let message_at = |at: u64, id: &str, client_id: &str| {
        with(with(message(&alice, &bob, at), "msgidServer", id), "msgidClient", client_id)
    };
    let long = "1".repeat(21);
    let ascending = [
        ("0", "c-a"),
        ("0", "c-b"),
        ("9", "c"),
        ("010", "c"),
        ("999999999", "c"),
        ("1000000000", "c"),
        ("18446744073709551615", "c"),
        (&*long, "c"),
        ("B", "c"),
        ("b", "c"),
    ];
    let mut at = 0;
    for (older, newer) in ascending.iter().zip(&ascending[1..]) {
        for order in [[older, newer], [newer, older]] {
            at += 1;
            let before = order.map(|(id, client_id)| message_at(at, id, client_id));
            t.deliver(&before).await;
            let last_msg = bob.last_msg(&alice).await;
            assert_eq!(
                (&last_msg["msgIdServer"], &last_msg["msgIdClient"]),
                (&json!(newer.0), &json!(newer.1))
            );
        }
    }
}

async fn a_blocked_message_is_shown_to_its_sender_only(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&with(message(&alice, &bob, 1), "blacklist", "1")]).await;
    assert!(alice.has(&bob).await);
    assert!(!bob.has(&alice).await);
}

async fn a_message_to_oneself_is_shown_once(t: Test) {
    let alice = t.user("alice");
    let response = t.post(&on_time(message(&alice, &alice, 1))).await;
    assert_eq!(alice.listed().await, [alice.session_id()]);
    assert_eq!(t.app.logs.of(&response.request_id).await["writeUnits"], 2.0, "one write");
}

async fn the_console_check_gets_a_response_signed_or_not(t: Test) {
    assert_eq!(t.post(&json!({})).await.ok(), json!({}));
    for body in ["", "{}"] {
        let request = t.feed_request(reqwest::Method::POST).body(body);
        assert_eq!(t.send(request).await.ok(), json!({}));
    }
}
