//! The user's custom data.

use serde_json::Value;

use test_support::{
    copies::{T0, message, shown_message},
    scenarios,
    test::Test,
};

scenarios![
    an_ext_stays_with_its_live_session,
    an_ext_creates_an_absent_session,
    an_ext_revives_a_deleted_session_without_its_message,
    the_empty_ext_removes_it,
    an_ext_is_private,
    any_string_of_1024_characters_is_read_back_unchanged,
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
