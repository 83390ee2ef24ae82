//! Recalls that arrive after or before their message.

use test_support::{
    copies::{T0, message, recall, shown_message, shown_recall, with},
    scenarios,
    test::Test,
};

scenarios![
    a_recall_replaces_its_message_with_a_notice,
    a_recall_that_arrives_first_hides_the_message,
    the_later_of_two_recalls_stays,
    the_recall_of_an_older_message_changes_nothing,
    a_newer_message_wins_over_the_notice,
    the_recall_of_a_newer_message_wins,
];

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
    t.deliver([&recall(&alice, &bob, 1, 9), &message(&alice, &bob, 2)]).await;
    let session = bob.get(&alice).await;
    assert_eq!(session["updateTime"], T0 + 2, "it moves back, behind the time of the recall");
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 2));
}

async fn the_recall_of_a_newer_message_wins(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let same_time = with(recall(&alice, &bob, 2, 9), "msgId", "z");
    t.deliver([&message(&alice, &bob, 2), &same_time]).await;
    assert_eq!(bob.last_msg(&alice).await["deleteMsgIdServer"], "z");
}
