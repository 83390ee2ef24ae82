//! The exact capacity units of each operation, which operators pay for.

use serde_json::{Value, json};

use test_support::{
    copies::{message, on_time, recall, with},
    response::Response,
    scenarios,
    test::Test,
};

scenarios![LOCAL_ONLY: recording_p2p, a_page_of_a_hundred, get_set_ext_and_delete];

// DynamoDB Local counts 0 units for an empty query; AWS and the embedded engine count 1.
scenarios![EMBEDDED_ONLY: an_empty_page];

/// Returns the read units and the write units in the function's log line.
pub(super) async fn units(t: &Test, response: &Response) -> (f64, f64) {
    let line = t.app.logs.of(&response.request_id).await;
    let units = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("no {name} in {line}"));
    (units("readUnits"), units("writeUnits"))
}

async fn recording_p2p(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let recorded = async |copy: &Value| {
        let response = t.post(&on_time(copy.clone())).await;
        assert_eq!(response.status, 200);
        units(&t, &response).await
    };
    assert_eq!(recorded(&message(&alice, &bob, 2)).await, (0.0, 4.0), "two new sessions, 2 each");
    assert_eq!(recorded(&message(&alice, &bob, 3)).await, (0.0, 6.0), "two known sessions, 3 each");
    assert_eq!(recorded(&message(&alice, &bob, 3)).await, (0.0, 2.0), "a duplicate, 1 each");
    assert_eq!(recorded(&message(&alice, &bob, 1)).await, (0.0, 2.0), "a late one, 1 each");
    assert_eq!(recorded(&recall(&alice, &bob, 3, 9)).await, (0.0, 6.0), "a recall, 3 each");
    let blocked = with(message(&alice, &bob, 4), "blacklist", "1");
    assert_eq!(recorded(&blocked).await, (0.0, 3.0), "one user's item");
}

async fn a_page_of_a_hundred(t: Test) {
    let bob = t.user("bob");
    for number in 0..100 {
        let friend = t.known_user(&format!("friend-{number:02}"));
        t.deliver([&on_time(with(message(&friend, &bob, number), "body", "x".repeat(475)))]).await;
    }
    let item = t.item(&bob, "p2p|friend-50").await.unwrap();
    let bytes: usize = item.as_object().unwrap().iter().map(|(name, value)| name.len() + size(value)).sum();
    assert!((690..=710).contains(&bytes), "items of about 700 bytes, not {bytes}");
    let response = bob.try_list("limit=100").await;
    let empty = if t.app.engine() == "embedded" { 1.0 } else { 0.0 };
    assert_eq!(units(&t, &response).await, (18.0 + empty, 0.0), "{bytes} bytes each");
}

fn size(value: &Value) -> usize {
    // A number takes 1 byte per 2 digits, plus 1 byte.
    value["S"].as_str().map_or_else(|| value["N"].as_str().unwrap_or_default().len() / 2 + 1, str::len)
}

async fn get_set_ext_and_delete(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&on_time(message(&alice, &bob, 1))]).await;
    let id = alice.session_id();
    assert_eq!(units(&t, &bob.try_get(&id).await).await, (1.0, 0.0), "get");
    assert_eq!(
        units(&t, &bob.patch(&id, &json!({"ext": "x"})).await).await,
        (0.0, 3.0),
        "set ext, the first change time"
    );
    assert_eq!(units(&t, &bob.try_delete(&id).await).await, (0.0, 4.0), "delete, with a change time before");
    assert_eq!(units(&t, &bob.try_delete(&id).await).await, (0.0, 1.0), "delete again");
    assert_eq!(units(&t, &bob.try_get(&id).await).await, (1.0, 0.0), "get of a deleted session");
}

async fn an_empty_page(t: Test) {
    let response = t.user("loner").try_list("").await;
    assert_eq!(units(&t, &response).await, (2.0, 0.0), "two empty queries");
}
