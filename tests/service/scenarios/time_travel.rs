//! A service with its clock ahead: effects that take a month are seen immediately.

use reqwest::Method;
use serde_json::{Value, json};
use session_local::emulator::clock;

use test_support::{
    cargo_local::{printed, start, stop},
    copies::with,
    scenarios,
    test::Test,
};

scenarios![
    a_tombstone_expires,
    an_old_sync_token_is_a_410,
    a_late_copy_gets_a_change_time,
    tokens_and_functions_follow_the_clock,
    the_clock_only_moves_ahead,
    the_command_may_start_at_another_time,
];

/// A text message from one user to another, sent now by the service's clock.
fn message_of_now(t: &Test, from: &test_support::test::User, to: &test_support::test::User) -> Value {
    let now = t.app.service().clock().now_ms();
    with(test_support::copies::message(from, to, 1), "msgTimestamp", now.to_string())
}

async fn a_tombstone_expires(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    own.deliver([&message_of_now(&own, &alice, &bob)]).await;
    bob.delete(&alice).await;
    own.advance("30d").await;
    assert!(own.item(&bob, &alice.session_id()).await.is_some(), "the tombstone stays for 31 days");
    own.advance("1d1m").await;
    assert_eq!(own.item(&bob, &alice.session_id()).await, None);
    assert!(own.item(&alice, &bob.session_id()).await.is_some(), "what lives does not expire");
}

async fn an_old_sync_token_is_a_410(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let since = own.user("bob").list("").await["syncToken"].as_str().unwrap().to_owned();
    let bob = own.known_user("bob");
    let since_of_bob = bob.list("").await["syncToken"].as_str().unwrap().to_owned();
    own.advance("29d").await;
    let bob = own.known_user(&bob.account);
    bob.try_changes(&format!("since={since_of_bob}")).await.ok();
    own.advance("2d").await;
    let bob = own.known_user(&bob.account);
    let expired = bob.try_changes(&format!("since={since_of_bob}")).await;
    expired.is_problem(410, "since");
    assert_eq!(
        bob.try_changes(&format!("since={since}")).await.status,
        410,
        "another user's token is like an expired one"
    );
}

/// A late message sets a change time, so that devices learn of it.
async fn a_late_copy_gets_a_change_time(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let (on_time, late) = (message_of_now(&own, &alice, &bob), message_of_now(&own, &bob, &alice));
    own.deliver([&on_time]).await;
    assert!(own.item(&bob, &alice.session_id()).await.unwrap().get("changeTime").is_none());
    own.advance("1h").await;
    own.deliver([&with(late, "msgidServer", "m2")]).await;
    assert!(own.item(&bob, &alice.session_id()).await.unwrap().get("changeTime").is_some());
}

async fn tokens_and_functions_follow_the_clock(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    bob.set_ext(&alice, "before").await;
    own.advance("13h").await;
    assert_eq!(bob.try_list("").await.status, 401, "a token lasts 12 hours");
    let bob = own.known_user(&bob.account);
    let session = bob.patch("p2p|new", &json!({"ext": "after"})).await.ok();
    let ahead = session["updateTime"].as_u64().unwrap() - clock::now_ms();
    assert!((12 * 3_600_000..13 * 3_600_000 + 1).contains(&ahead), "{ahead}");
    own.deliver([&message_of_now(&own, &alice, &bob)]).await;
}

async fn the_clock_only_moves_ahead(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    for (body, rejection) in [
        (json!({"advance": "-1d"}), "advance must be a time such as 31d"),
        (json!({"advance": "1 day"}), "advance must be a time such as 31d"),
        (json!({"advance": "9999d"}), "advance must be a time such as 31d"),
    ] {
        let response = own.request(Method::POST, "/local-clock").json(&body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let clock: Value = response.json().await.unwrap();
        assert!(clock["message"].as_str().unwrap().starts_with(rejection), "{clock}");
    }
    own.advance("3600d").await;
    let response =
        own.request(Method::POST, "/local-clock").json(&json!({"advance": "100d"})).send().await.unwrap();
    assert_eq!(response.status(), 400, "ten years in all");
}

async fn the_command_may_start_at_another_time(t: Test) {
    const MONTH_MS: u64 = 31 * 24 * 60 * 60 * 1000;
    let (service, ready) = start(&t, &["--clock", "+31d"]).await;
    let url = ready["url"].as_str().unwrap();
    printed(&t, &["send", "--from", "alice", "--to", "bob", "--text", "from the future", "--url", url]).await;
    printed(&t, &["trigger", "edit", "--set", "bob=carol", "--url", url]).await;
    for (user, text) in [("bob", "from the future"), ("carol", "hello bob")] {
        let token = printed(&t, &["token", user, "--url", url]).await;
        let list = t.app.http.get(format!("{url}/v1/sessions")).bearer_auth(token).send().await.unwrap();
        let list: Value = list.json().await.unwrap();
        let session = &list["sessionList"][0];
        assert!(session["lastMsg"].as_str().unwrap().contains(text), "{list}");
        assert!(session["updateTime"].as_u64().unwrap() > clock::now_ms() + MONTH_MS - 600_000, "{list}");
    }
    stop(service).await;
}
