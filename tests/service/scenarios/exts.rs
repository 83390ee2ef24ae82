//! The user's custom data.

use serde_json::{Value, json};
use session_local::emulator::clock;

use test_support::{
    copies::{T0, group_message, listing, message, on_time, shown_message},
    device::Device,
    scenarios,
    test::{Test, super_team, team},
};

scenarios![
    an_ext_stays_with_its_live_session,
    an_ext_creates_an_absent_session,
    an_ext_revives_a_deleted_session_without_its_message,
    the_empty_ext_removes_it,
    an_ext_is_private,
    any_string_of_1024_characters_is_read_back_unchanged,
    a_member_whom_a_list_drops_keeps_no_empty_session,
    an_ext_set_before_leaving_shows_no_empty_session,
    an_ext_set_after_leaving_by_a_clock_that_is_ahead_is_shown,
];

async fn an_ext_stays_with_its_live_session(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let session = bob.set_ext(&alice, "pinned").await;
    assert_eq!((&session["ext"], &session["updateTime"]), (&"pinned".into(), &(T0 + 1).into()));
    assert_eq!(session, bob.get(&alice).await);
    t.deliver([&message(&alice, &bob, 2)]).await;
    let session = bob.get(&alice).await;
    assert_eq!((&session["ext"], &session["updateTime"]), (&"pinned".into(), &(T0 + 2).into()));
}

async fn an_ext_creates_an_absent_session(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let before = session_local::emulator::clock::now_ms();
    let session = bob.set_ext(&alice, "draft").await;
    let after = session_local::emulator::clock::now_ms();
    assert!((before..=after).contains(&session["updateTime"].as_u64().unwrap()));
    assert_eq!(session["sessionId"], alice.session_id());
    assert_eq!(session["ext"], "draft");
    assert_eq!((&session["lastMsg"], &session["lastMsgType"]), (&Value::Null, &Value::Null));
    assert!(bob.has(&alice).await);
    t.deliver([&message(&alice, &bob, 1)]).await;
    let session = bob.get(&alice).await;
    assert_eq!((&session["ext"], &session["updateTime"]), (&"draft".into(), &(T0 + 1).into()));
}

async fn an_ext_revives_a_deleted_session_without_its_message(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 5)]).await;
    bob.set_ext(&alice, "old").await;
    bob.delete(&alice).await;
    let session = bob.set_ext(&alice, "new").await;
    assert_eq!((&session["ext"], &session["lastMsg"]), (&"new".into(), &Value::Null));
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert_eq!(item["expiresAt"], Value::Null, "it does not expire");
    t.deliver([&message(&alice, &bob, 5)]).await;
    assert_eq!(bob.get(&alice).await, session, "the tombstone still holds");
    t.deliver([&message(&alice, &bob, 6)]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 6));
    assert_eq!(bob.get(&alice).await["ext"], "new");
}

async fn the_empty_ext_removes_it(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    bob.set_ext(&alice, "pinned").await;
    let session = bob.set_ext(&alice, "").await;
    assert_eq!((&session["ext"], &session["updateTime"]), (&Value::Null, &(T0 + 1).into()));
    let stranger = t.user("stranger");
    assert_eq!(bob.set_ext(&stranger, "").await["ext"], Value::Null);
    assert!(bob.has(&stranger).await, "an absent session is created all the same");
}

async fn an_ext_is_private(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    bob.set_ext(&alice, "mine").await;
    assert_eq!(alice.get(&bob).await["ext"], Value::Null);
}

async fn any_string_of_1024_characters_is_read_back_unchanged(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for text in ["界".repeat(1024), "😀\"\\\n\t\u{0}\u{7f} é".repeat(100), " ".to_owned()] {
        assert_eq!(bob.set_ext(&alice, &text).await["ext"], text);
        assert_eq!(bob.get(&alice).await["ext"], text);
    }
}

async fn a_member_whom_a_list_drops_keeps_no_empty_session(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for text in ["mine", ""] {
        let group = team();
        t.deliver([&listing(group_message(&alice, &group, 1), &[&alice, &bob])]).await;
        // What shows once the message is deleted is the ext alone.
        bob.try_delete(&group).await.ok();
        bob.patch(&group, &json!({ "ext": text })).await.ok();
        let mut device = Device::new(&bob, 100).await;
        assert!(device.sessions.contains_key(&group));
        t.deliver([&on_time(listing(group_message(&alice, &group, 2), &[&alice]))]).await;
        assert_eq!(bob.try_get(&group).await.status, 404);
        device.is_right("a newer list has dropped them").await;
        assert!(!device.sessions.contains_key(&group));
        let deleted = json!({"deleted": [group], "newer": [], "failed": []});
        assert_eq!(bob.try_delete(&group).await.ok(), deleted, "there is no session");
        let response = bob.patch(&group, &json!({ "ext": "unseen" })).await;
        response.is_problem(404, "sessionId names no session of the caller");
        assert_eq!(bob.try_get(&group).await.status, 404, "what it wrote stays unseen");
        device.is_right("after the ext").await;
        t.deliver([&on_time(listing(group_message(&alice, &group, 3), &[&alice, &bob]))]).await;
        assert_eq!(bob.last_msg_of(&group).await["body"], "text 3", "they are back");
        device.is_right("they are back").await;
    }
}

async fn an_ext_set_after_leaving_by_a_clock_that_is_ahead_is_shown(t: Test) {
    let (bob, group) = (t.user("bob"), super_team());
    let ahead = clock::now_ms() - T0 + 60_000;
    t.patch_members(&group, ahead, &[&bob], &[]).await;
    t.patch_members(&group, ahead + 1, &[], &[&bob]).await;
    bob.try_delete(&group).await.ok();
    let mut device = Device::new(&bob, 100).await;
    for text in ["mine", "again"] {
        let session = bob.patch(&group, &json!({ "ext": text })).await.ok();
        assert_eq!((&session["updateTime"], &session["ext"]), (&json!(T0 + ahead + 1), &json!(text)));
        assert_eq!(bob.try_get(&group).await.ok(), session);
        device.is_right("after the ext").await;
    }
}

async fn an_ext_set_before_leaving_shows_no_empty_session(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = super_team();
    let session = bob.patch(&group, &json!({"ext": "mine"})).await.ok();
    assert_eq!(
        (&session["ext"], &session["version"]),
        (&json!("mine"), &json!("0")),
        "a session of their own"
    );
    let later = session_local::emulator::clock::now_ms() - T0 + 1_000;
    t.deliver([&group_message(&alice, &group, later + 1_000)]).await;
    t.patch_members(&group, later, &[&bob], &[]).await;
    bob.try_delete(&group).await.ok();
    // They leave after the ext was set and before the deleted message, so no notice of it is newer than the tombstone.
    bob.patch(&group, &json!({"ext": "again"})).await.ok();
    t.patch_members(&group, later + 500, &[], &[&bob]).await;
    assert_eq!(bob.try_get(&group).await.status, 404);
    assert!(bob.listed().await.is_empty());
}
