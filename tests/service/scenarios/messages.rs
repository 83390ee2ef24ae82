//! Messages, delivered as they come.

use serde_json::{Value, json};

use crate::{
    copies::{T0, message, shown_message, with},
    scenarios,
    test::Test,
};

scenarios![
    a_message_shows_in_both_lists,
    the_newest_message_stays_whatever_the_order,
    at_one_time_the_greater_id_stays,
    a_blocked_message_shows_on_the_sender_s_side_alone,
    what_is_not_ours_is_taken_and_changes_nothing,
    the_console_s_check_is_answered_signed_or_not,
];
scenarios![ON_ONE_MACHINE: a_message_to_oneself_shows_once];

async fn a_message_shows_in_both_lists(t: Test) {
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

async fn at_one_time_the_greater_id_stays(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let same_time = |id: &str| with(message(&alice, &bob, 5), "msgidServer", id);
    t.deliver([&same_time("b"), &same_time("a"), &same_time("B")]).await;
    assert_eq!(bob.last_msg(&alice).await["msgIdServer"], "b", "bytewise");
    t.deliver([&same_time("c")]).await;
    assert_eq!(bob.last_msg(&alice).await["msgIdServer"], "c");
}

async fn a_blocked_message_shows_on_the_sender_s_side_alone(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&with(message(&alice, &bob, 1), "blacklist", "1")]).await;
    assert!(alice.has(&bob).await);
    assert!(!bob.has(&alice).await);
}

async fn a_message_to_oneself_shows_once(t: Test) {
    let alice = t.user("alice");
    let answer = t.post(&message(&alice, &alice, 1)).await;
    assert_eq!(alice.listed().await, [alice.session_id()]);
    assert_eq!(t.app.logs.of(&answer.request_id).await["writeUnits"], 2.0, "one write");
}

async fn what_is_not_ours_is_taken_and_changes_nothing(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for conv_type in ["CUSTOM_PERSON", "CUSTOM_TEAM"] {
        t.deliver([&with(message(&alice, &bob, 1), "convType", conv_type)]).await;
    }
    for event_type in ["2", "3", "4", "5", "6", "9", "14"] {
        t.deliver([&with(message(&alice, &bob, 1), "eventType", event_type)]).await;
    }
    assert!(alice.listed().await.is_empty() && bob.listed().await.is_empty());
}

async fn the_console_s_check_is_answered_signed_or_not(t: Test) {
    t.deliver([&json!({})]).await;
    for body in ["", "{}"] {
        let request = t.request(reqwest::Method::POST, "/v1/messages").body(body);
        assert_eq!(t.send(request).await.ok(), json!({}));
    }
}
