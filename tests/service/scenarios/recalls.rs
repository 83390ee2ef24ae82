//! Recalls that arrive after, before or without their message.

use serde_json::{Value, json};

use test_support::{
    copies::{
        T0, edit, group_message, group_recall, message, on_time, recall, shown_message, shown_recall, with,
        without,
    },
    scenarios,
    test::{Test, super_team},
};

scenarios![
    a_recall_replaces_its_message_with_a_notice,
    a_recall_that_arrives_first_hides_the_message,
    the_later_of_two_recalls_stays,
    the_recall_of_an_older_message_changes_nothing,
    a_newer_message_wins_over_the_notice,
    a_recall_without_its_message_shows_nothing,
    the_recall_of_a_message_that_was_not_received_shows_nothing,
    a_recall_names_its_message_by_its_id,
    early_recalls_of_8_messages_are_pending,
    a_recall_drops_the_edits_that_wait_for_its_message,
];
scenarios![LOCAL_ONLY: the_cost_of_recalls];

async fn a_recall_replaces_its_message_with_a_notice(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &recall(&alice, &bob, 1, 9)]).await;
    for (user, other) in [(&alice, &bob), (&bob, &alice)] {
        let session = user.get(other).await;
        assert_eq!(session["lastMsgType"], 1);
        assert_eq!(session["updateTime"], T0 + 9);
        assert_eq!(user.last_msg(other).await, shown_recall(&alice, 1, 9));
    }
}

async fn a_recall_that_arrives_first_hides_the_message(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&recall(&alice, &bob, 1, 9), &message(&alice, &bob, 1)]).await;
    for (user, other) in [(&alice, &bob), (&bob, &alice)] {
        assert_eq!(user.last_msg(other).await, shown_recall(&alice, 1, 9));
        assert_eq!(user.get(other).await["updateTime"], T0 + 9);
    }
}

async fn the_later_of_two_recalls_stays(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let (early, late) = (recall(&alice, &bob, 1, 8), recall(&alice, &bob, 1, 9));
    t.deliver([&message(&alice, &bob, 1), &early, &late, &early, &late]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_recall(&alice, 1, 9));
}

async fn the_recall_of_an_older_message_changes_nothing(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &message(&alice, &bob, 2), &recall(&alice, &bob, 1, 9)]).await;
    let session = bob.get(&alice).await;
    assert_eq!((&session["lastMsgType"], &session["updateTime"]), (&0.into(), &(T0 + 2).into()));
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 2));
}

async fn a_newer_message_wins_over_the_notice(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &recall(&alice, &bob, 1, 9), &message(&alice, &bob, 2)]).await;
    let session = bob.get(&alice).await;
    assert_eq!(session["updateTime"], T0 + 2, "it moves back, behind the time of the recall");
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 2));
}

async fn a_recall_without_its_message_shows_nothing(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&recall(&alice, &bob, 2, 9)]).await;
    assert!(!bob.has(&alice).await);
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert!(item["expiresAt"].is_object(), "what waits for ever expires");
    t.deliver([&message(&alice, &bob, 1)]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 1), "nor in place of another message");
    t.deliver([&message(&alice, &bob, 2)]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_recall(&alice, 2, 9));
}

/// The recall carries the sender's own words, which the receiver must not see either.
async fn the_recall_of_a_message_that_was_not_received_shows_nothing(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    for (number, hidden) in [(2, "blacklist"), (3, "antispam")] {
        let said = with(recall(&alice, &bob, number, 9 + number), "selfMsg", "an insult");
        t.deliver([&with(message(&alice, &bob, number), hidden, "true"), &said]).await;
        assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 1), "{hidden}");
        assert_eq!(alice.last_msg(&bob).await["postscript"], "an insult", "she sees what she recalled");
    }
    let group = super_team();
    t.patch_members(&group, 0, &[&alice, &bob], &[]).await;
    let said = with(group_recall(&alice, &group, 2, 9), "selfMsg", "an insult");
    t.deliver([
        &group_message(&bob, &group, 1),
        &with(group_message(&alice, &group, 2), "antispam", "true"),
        &said,
    ])
    .await;
    for user in [&alice, &bob] {
        assert_eq!(user.last_msg_of(&group).await, shown_message(&bob, 1));
    }
}

async fn a_recall_names_its_message_by_its_id(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    // The time is rounded to seconds, wrong, or absent.
    let of = |number: u64| recall(&alice, &bob, number, 9);
    for (number, recall) in [
        (1, with(of(1), "sendTime", T0 / 1_000 * 1_000)),
        (2, with(of(2), "sendTime", T0 + 1)),
        (3, without(of(3), "sendTime")),
    ] {
        t.deliver([&message(&alice, &bob, number), &recall]).await;
        assert_eq!(bob.last_msg(&alice).await["deleteMsgIdServer"], format!("m{number}"));
    }
    let rounded = with(recall(&alice, &bob, 8, 9), "sendTime", T0 / 1_000 * 1_000);
    t.deliver([&message(&alice, &bob, 4), &rounded, &message(&alice, &bob, 8)]).await;
    assert_eq!(
        bob.last_msg(&alice).await["deleteMsgIdServer"],
        "m8",
        "it waited until the end of its second"
    );
    let same_time = with(recall(&alice, &bob, 10, 12), "msgId", "z");
    t.deliver([&message(&alice, &bob, 10), &same_time]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 10), "another message of the same time");
}

async fn early_recalls_of_8_messages_are_pending(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for at in 1..=9 {
        t.deliver([&recall(&alice, &bob, at, 100)]).await;
    }
    for at in 1..=9 {
        t.deliver([&message(&alice, &bob, at)]).await;
        assert_eq!(bob.get(&alice).await["lastMsgType"], u8::from(at != 1), "message {at}");
    }
}

async fn a_recall_drops_the_edits_that_wait_for_its_message(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let secret = edit(&alice, &bob, 5, 9, "secret");
    t.deliver([&message(&alice, &bob, 3), &secret, &recall(&alice, &bob, 5, 12), &secret]).await;
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert!(item["amendments"].is_object() && !item.to_string().contains("secret"), "{item}");
    t.deliver([&edit(&alice, &bob, 2, 9, "secret"), &recall(&alice, &bob, 2, 12)]).await;
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert!(!item.to_string().contains("secret"), "of a message that is older than the held one: {item}");
}

async fn the_cost_of_recalls(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let units = async |copy: Value| {
        let response = t.post(&on_time(copy)).await;
        assert_eq!(response.body, json!({"result": "applied"}));
        super::capacity::units(&t, &response).await
    };
    // Each event writes the sender's and the receiver's item.
    let both = |write: f64| (0.0, 2.0 * write);
    assert_eq!(units(recall(&alice, &bob, 2, 9)).await, both(1.0 + 1.0), "it waits, on a new item");
    assert_eq!(units(recall(&alice, &bob, 2, 9)).await, both(1.0), "again");
    assert_eq!(units(message(&alice, &bob, 2)).await, both(1.0 + 2.0), "rejected, and the merged write");
    assert_eq!(units(message(&alice, &bob, 3)).await, both(3.0));
    assert_eq!(units(recall(&alice, &bob, 3, 10)).await, both(3.0), "of the held message");
    assert_eq!(units(recall(&alice, &bob, 3, 10)).await, both(1.0), "again");
    assert_eq!(units(recall(&alice, &bob, 1, 10)).await, both(1.0), "of an older message");
    assert_eq!(
        units(recall(&alice, &bob, 4, 10)).await,
        both(1.0 + 2.0),
        "it waits, on an item that shows something"
    );
    let group = super_team();
    let of_group = |at: u64| group_recall(&alice, &group, at, 10);
    t.deliver([&on_time(group_message(&alice, &group, 3))]).await;
    assert_eq!(units(of_group(3)).await, (0.0, 1.0), "of the held message");
    assert_eq!(units(of_group(2)).await, (0.0, 1.0), "of an older message");
    assert_eq!(units(of_group(4)).await, (0.0, 1.0 + 1.0), "it waits");
}
