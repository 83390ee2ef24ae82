//! The samples of request bodies and responses.

use reqwest::Method;
use serde_json::Value;

use test_support::{pages::of_kind, scenarios, test::Test};

scenarios![
    copies_are_applied_ignored_or_dead_lettered_as_documented,
    membership_changes_and_erasures_are_accepted,
];

const BACKENDS: &str = "docs/backends.md";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn copies_are_applied_ignored_or_dead_lettered_as_documented(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let copies = of_kind(BACKENDS, "json copy");
    assert!(copies.len() > 4);
    for copy in copies {
        assert_eq!(own.post_bytes(copy.clone()).await.ok()["result"], "applied", "{copy}");
    }
    for (kind, result) in [("json ignored", "ignored"), ("json dead-lettered", "dead-lettered")] {
        for copy in of_kind(BACKENDS, kind) {
            assert!(own.post_bytes(copy.clone()).await.ok()["result"] == result, "{copy}");
        }
    }
    // The sessions show what the page describes.
    let bob = own.known_user("bob");
    assert_eq!(bob.last_msg_of("p2p|alice").await["postscript"], "sent by mistake");
    assert_eq!(bob.last_msg_of("team|7").await["body"], "hello team");
    assert!(bob.listed().await.contains(&"super_team|9".to_owned()));
}

async fn membership_changes_and_erasures_are_accepted(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let changes = of_kind(BACKENDS, "json members");
    assert_eq!(changes.len(), 2);
    for change in changes {
        let body = json(&change);
        let method = if body["members"].is_array() { Method::PUT } else { Method::PATCH };
        assert_eq!(own.try_update_members(method, "team|7", &body).await.ok(), json("{}"), "{change}");
    }
    for erasure in of_kind(BACKENDS, "json erase") {
        assert!(own.try_erase(&json(&erasure)).await.ok()["erased"].is_u64(), "{erasure}");
    }
}
