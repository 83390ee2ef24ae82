//! Deletes: a deleted session is hidden until something newer arrives.

use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, group_recall, listing, message, recall, shown_message, shown_recall},
    scenarios,
    test::{Test, User, team},
};

scenarios![
    a_deleted_session_is_hidden_from_its_user_only,
    late_copies_do_not_revive_a_deleted_session,
    a_newer_message_revives_it,
    the_recall_of_a_newer_message_does_not_revive_it,
    deleting_is_idempotent,
    a_deleted_session_expires_in_31_days,
    a_batch_deletes_up_to_a_hundred,
    a_delete_with_a_version_keeps_what_is_newer,
    a_message_before_a_recall_notice_is_newer_than_the_recalled_one,
    a_late_message_is_newer_than_a_placeholder,
    each_session_of_a_batch_has_its_version,
    the_version_of_a_group_is_what_the_member_sees,
    a_forged_version_deletes_nothing_but_what_it_covers,
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

async fn the_recall_of_a_newer_message_does_not_revive_it(t: Test) {
    let (alice, bob) = deleted_at(&t, 5).await;
    t.deliver([&recall(&alice, &bob, 6, 9)]).await;
    assert!(!bob.has(&alice).await);
    t.deliver([&message(&alice, &bob, 6)]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_recall(&alice, 6, 9), "the message does");
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

async fn version(user: &User, session_id: &str) -> String {
    user.try_get(session_id).await.ok()["version"].as_str().unwrap().to_owned()
}

fn deleted(session_id: &str) -> Value {
    json!({"deleted": [session_id], "newer": [], "failed": []})
}

fn newer(session_id: &str) -> Value {
    json!({"deleted": [], "newer": [session_id], "failed": []})
}

/// Deletes what the user saw at a version, with a single delete and then with a batch. Returns both responses, which are expected to
/// be the same.
async fn delete_version(user: &User, session_id: &str, version: &str) -> Value {
    let alone = user.try_delete_version(session_id, version).await.ok();
    let sessions = json!([{"sessionId": session_id, "version": version}]);
    let batch = user.batch_delete(&json!({ "sessions": sessions })).await.ok();
    assert_eq!(alone, batch);
    alone
}

async fn a_delete_with_a_version_keeps_what_is_newer(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let id = alice.session_id();
    t.deliver([&message(&alice, &bob, 5)]).await;
    let seen = version(&bob, &id).await;
    t.deliver([&message(&alice, &bob, 6)]).await;
    assert_eq!(delete_version(&bob, &id, &seen).await, newer(&id));
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 6));
    let seen = version(&bob, &id).await;
    bob.set_ext(&alice, "mine").await;
    assert_eq!(version(&bob, &id).await, seen, "an ext does not change it");
    assert_eq!(delete_version(&bob, &id, &seen).await, deleted(&id), "the second finds nothing");
    assert!(!bob.has(&alice).await);
    t.deliver([&message(&alice, &bob, 7)]).await;
    assert_eq!(delete_version(&bob, &id, &seen).await, newer(&id), "a repeat hides nothing new");
    assert!(bob.has(&alice).await);
    assert_eq!(delete_version(&bob, "p2p|nobody", "0").await, deleted("p2p|nobody"));
}

/// The recall notice has a later `updateTime` than the message that follows.
async fn a_message_before_a_recall_notice_is_newer_than_the_recalled_one(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let id = alice.session_id();
    t.deliver([&message(&alice, &bob, 1), &recall(&alice, &bob, 1, 9)]).await;
    let seen = version(&bob, &id).await;
    t.deliver([&message(&alice, &bob, 2)]).await;
    assert!(bob.get(&alice).await["updateTime"].as_u64() < Some(T0 + 9));
    assert_eq!(delete_version(&bob, &id, &seen).await, newer(&id));
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 2));
    t.deliver([&recall(&alice, &bob, 2, 11)]).await;
    assert_eq!(version(&bob, &id).await, format!("{}_{}", T0 + 2, "fm0y"), "that of the message");
}

async fn a_late_message_is_newer_than_a_placeholder(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let id = alice.session_id();
    bob.set_ext(&alice, "mine").await;
    assert_eq!(version(&bob, &id).await, "0");
    t.deliver([&message(&alice, &bob, 5)]).await;
    assert_eq!(delete_version(&bob, &id, "0").await, newer(&id));
    let seen = version(&bob, &id).await;
    assert_eq!(delete_version(&bob, &id, &seen).await, deleted(&id));
    bob.set_ext(&alice, "again").await;
    assert_eq!(version(&bob, &id).await, seen, "the tombstone holds under a placeholder");
    assert_eq!(delete_version(&bob, &id, "0").await, newer(&id));
    assert_eq!(delete_version(&bob, &id, &seen).await, deleted(&id));
}

async fn each_session_of_a_batch_has_its_version(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let (carol, team) = (t.user("carol"), team());
    let message_at = |at| listing(group_message(&alice, &team, at), &[&alice, &bob]);
    t.deliver([&message(&alice, &bob, 1), &message(&carol, &bob, 9), &message_at(3)]).await;
    let list = bob.list("").await;
    let sessions: Vec<_> = list["sessionList"].as_array().unwrap().iter().collect();
    let batch: Vec<_> =
        sessions.iter().map(|of| json!({"sessionId": of["sessionId"], "version": of["version"]})).collect();
    // A time for all of them would have hidden this one.
    t.deliver([&message(&alice, &bob, 2)]).await;
    let outcome = bob.batch_delete(&json!({ "sessions": batch })).await.ok();
    let expected =
        json!({"deleted": [carol.session_id(), team], "newer": [alice.session_id()], "failed": []});
    assert_eq!(outcome, expected);
    assert_eq!(bob.listed().await, [alice.session_id()]);
}

async fn the_version_of_a_group_is_what_the_member_sees(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = team();
    let message_at = |at| listing(group_message(&alice, &group, at), &[&alice, &bob]);
    t.deliver([&message_at(5)]).await;
    assert_eq!(delete_version(&bob, &group, "0").await, newer(&group));
    let seen = version(&bob, &group).await;
    t.deliver([&group_recall(&alice, &group, 5, 9), &message_at(6)]).await;
    assert_eq!(delete_version(&bob, &group, &seen).await, newer(&group));
    let seen = version(&bob, &group).await;
    assert_eq!(delete_version(&bob, &group, &seen).await, deleted(&group));
    assert!(bob.listed().await.is_empty());
    t.deliver([&message_at(7)]).await;
    assert_eq!(delete_version(&bob, &group, &seen).await, newer(&group));
    assert_eq!(bob.listed().await, [group]);
}

async fn a_forged_version_deletes_nothing_but_what_it_covers(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let id = alice.session_id();
    t.deliver([&message(&alice, &bob, 5)]).await;
    assert_eq!(delete_version(&bob, &id, &format!("{}-9", T0 + 99)).await, deleted(&id));
    t.deliver([&message(&alice, &bob, 6)]).await;
    assert!(bob.has(&alice).await, "the tombstone is where the session was, not where the version claims");
    for version in ["", "7", "7-m1", "7_", "now"] {
        let response = bob.try_delete_version(&id, version).await;
        if version == "7_" {
            assert_eq!(response.ok(), newer(&id), "a position before any message of its time");
        } else {
            response.is_problem(400, "version must");
        }
    }
    let sessions = json!([{"sessionId": id, "version": "7"}]);
    let response = bob.batch_delete(&json!({ "sessions": sessions })).await;
    response.is_problem(400, "sessions must hold valid sessions: number 1 has: version must");
    assert!(bob.has(&alice).await);
}
