//! Deletes: a deleted session is hidden until something newer arrives.

use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, listing, message, recall, shown_message, shown_recall},
    scenarios,
    test::{Test, User, team},
};

scenarios![
    a_deleted_session_is_hidden_from_its_user_only,
    late_copies_do_not_revive_a_deleted_session,
    a_newer_message_revives_it,
    the_recall_of_a_newer_message_revives_it,
    deleting_is_idempotent,
    a_deleted_session_expires_in_31_days,
    a_batch_deletes_up_to_a_hundred,
    an_unseen_newer_message_survives_a_delete,
    up_to_is_compared_with_what_the_member_sees,
];

async fn deleted_at(t: &Test, at: u64) -> (User, User) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, at)]).await;
    bob.delete(&alice).await;
    (alice, bob)
}

async fn a_deleted_session_is_hidden_from_its_user_only(t: Test) {
    let (alice, bob) = deleted_at(&t, 5).await;
    assert!(!bob.has(&alice).await);
    assert!(alice.has(&bob).await);
}

async fn late_copies_do_not_revive_a_deleted_session(t: Test) {
    let (alice, bob) = deleted_at(&t, 5).await;
    for copy in [
        message(&alice, &bob, 4),
        message(&alice, &bob, 5),
        recall(&alice, &bob, 4, 90),
        recall(&alice, &bob, 5, 90),
        recall(&alice, &bob, 5, 91),
    ] {
        t.deliver([&copy]).await;
        assert!(!bob.has(&alice).await, "{copy}");
    }
}

async fn a_newer_message_revives_it(t: Test) {
    let (alice, bob) = deleted_at(&t, 5).await;
    t.deliver([&message(&alice, &bob, 6)]).await;
    assert!(bob.has(&alice).await);
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 6));
    assert_eq!(t.item(&bob, &alice.session_id()).await.unwrap()["expiresAt"], Value::Null);
}

async fn the_recall_of_a_newer_message_revives_it(t: Test) {
    let (alice, bob) = deleted_at(&t, 5).await;
    t.deliver([&recall(&alice, &bob, 6, 9)]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_recall(&alice, 6, 9));
}

async fn deleting_is_idempotent(t: Test) {
    let (alice, bob) = deleted_at(&t, 5).await;
    let before = t.item(&bob, &alice.session_id()).await;
    bob.delete(&alice).await;
    assert_eq!(t.item(&bob, &alice.session_id()).await, before, "the second one writes nothing");
    let stranger = t.user("stranger");
    bob.delete(&stranger).await;
    assert_eq!(t.item(&bob, &stranger.session_id()).await, None, "nor one of what never was");
}

async fn a_deleted_session_expires_in_31_days(t: Test) {
    let (alice, bob) = deleted_at(&t, 5).await;
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    let expires_at: u64 = item["expiresAt"]["N"].as_str().unwrap().parse().unwrap();
    let in_31_days = session_local::emulator::clock::since_epoch().as_secs() + 31 * 24 * 60 * 60;
    assert!((in_31_days - 60..=in_31_days).contains(&expires_at), "{expires_at}");
    let names: Vec<_> = item.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["changeTime", "expiresAt", "msgId", "msgTime", "sessionId", "userId"],
        "nothing else is stored"
    );
}

async fn a_batch_deletes_up_to_a_hundred(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    t.deliver([&message(&alice, &bob, 1), &message(&carol, &bob, 2)]).await;
    let mut session_ids = vec![alice.session_id()];
    session_ids.extend((0..99).map(|never| format!("p2p|never-{never}")));
    let outcome = bob.batch_delete(&json!({ "sessionIds": session_ids })).await.ok();
    assert_eq!(
        outcome,
        json!({"deleted": session_ids, "newer": [], "failed": []}),
        "in the order of the request"
    );
    assert_eq!(bob.listed().await, [carol.session_id()]);
}

/// Deletes up to a time, with a single delete and then with a batch. Returns both responses, which are expected to be the same.
async fn delete_up_to(user: &User, session_id: &str, up_to: u64) -> (Value, Value) {
    let alone = user.try_delete_up_to(session_id, up_to).await.ok();
    let batch = user.batch_delete(&json!({"sessionIds": [session_id], "upTo": up_to})).await.ok();
    (alone, batch)
}

async fn an_unseen_newer_message_survives_a_delete(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 5), &message(&alice, &bob, 6)]).await;
    let id = alice.session_id();
    let stays = json!({"deleted": [], "newer": [id], "failed": []});
    assert_eq!(delete_up_to(&bob, &id, T0 + 5).await, (stays.clone(), stays));
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 6));
    let deleted = json!({"deleted": [id], "newer": [], "failed": []});
    assert_eq!(
        delete_up_to(&bob, &id, T0 + 6).await,
        (deleted.clone(), deleted.clone()),
        "the second finds nothing"
    );
    assert!(!bob.has(&alice).await);
    t.deliver([&message(&alice, &bob, 7)]).await;
    assert!(
        bob.try_delete_up_to(&id, T0 + 6).await.ok()["newer"][0].is_string(),
        "a retry reads nothing new"
    );
    assert!(bob.has(&alice).await);
    let unknown = "p2p|nobody";
    let nothing = json!({"deleted": [unknown], "newer": [], "failed": []});
    assert_eq!(delete_up_to(&bob, unknown, 0).await, (nothing.clone(), nothing));
}

async fn up_to_is_compared_with_what_the_member_sees(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = team();
    t.deliver([&listing(group_message(&alice, &group, 5), &[&alice, &bob])]).await;
    assert_eq!(bob.try_delete_up_to(&group, T0 + 4).await.ok()["newer"], json!([group]));
    assert_eq!(bob.listed().await, [&*group]);
    assert_eq!(bob.try_delete_up_to(&group, T0 + 5).await.ok()["deleted"], json!([group]));
    assert!(bob.listed().await.is_empty());
    t.deliver([&listing(group_message(&alice, &group, 6), &[&alice, &bob])]).await;
    assert_eq!(bob.try_delete_up_to(&group, T0 + 5).await.ok()["newer"], json!([group]));
    assert_eq!(bob.listed().await, [group]);
}
