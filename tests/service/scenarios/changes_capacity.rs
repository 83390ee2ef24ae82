//! The cost of changes. Messages in the window cost nothing more.

use serde_json::{Value, json};
use session_local::emulator::clock;

use test_support::{
    copies::{T0, message, on_time, recall},
    device::Device,
    response::Response,
    scenarios,
    test::{Test, super_team},
};

scenarios![LOCAL_ONLY: the_cost_of_changes, events_in_the_window_cost_no_more_than_before];
// DynamoDB Local counts 0 units for an empty query; AWS and the embedded engine count 1.
scenarios![EMBEDDED_ONLY: the_cost_of_an_idle_sync];

async fn units(t: &Test, response: Response) -> (f64, f64) {
    assert_eq!(response.status, 200, "{}", response.body);
    super::capacity::units(t, &response).await
}

async fn the_cost_of_changes(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let id = alice.session_id();
    let written = async |copy: Value| units(&t, t.post(&copy).await).await.1;
    assert_eq!(written(message(&alice, &bob, 2)).await, 2.0 * 3.0, "late, two new items");
    assert_eq!(written(message(&alice, &bob, 3)).await, 2.0 * 5.0, "late, two existing items");
    assert_eq!(written(recall(&alice, &bob, 3, 9)).await, 2.0 * 5.0, "a late recall");
    assert_eq!(written(message(&alice, &bob, 1)).await, 2.0, "not newer");
    assert_eq!(
        units(&t, bob.patch(&id, &json!({"ext": "x"})).await).await,
        (0.0, 4.0),
        "set ext, with a change time before"
    );
    assert_eq!(units(&t, bob.try_delete(&id).await).await, (0.0, 4.0), "delete, with a change time before");
    let (carol, dave) = (t.user("carol"), t.user("dave"));
    t.deliver([&on_time(message(&carol, &dave, 1))]).await;
    assert_eq!(
        units(&t, dave.patch(&carol.session_id(), &json!({"ext": "x"})).await).await,
        (0.0, 3.0),
        "set ext, the first change time"
    );
    t.deliver([&on_time(message(&dave, &carol, 2))]).await;
    assert_eq!(
        units(&t, carol.try_delete(&dave.session_id()).await).await,
        (0.0, 3.0),
        "delete, the first change time"
    );
}

async fn events_in_the_window_cost_no_more_than_before(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let written = async |copy: Value| units(&t, t.post(&on_time(copy)).await).await;
    assert_eq!(written(message(&alice, &bob, 2)).await, (0.0, 2.0 * 2.0), "two new items");
    assert_eq!(written(message(&alice, &bob, 3)).await, (0.0, 2.0 * 3.0), "two existing items");
    bob.set_ext(&alice, "x").await;
    assert_eq!(written(message(&alice, &bob, 4)).await, (0.0, 2.0 * 3.0), "after a change time, too");
    assert_eq!(written(recall(&alice, &bob, 4, 9)).await, (0.0, 2.0 * 3.0), "a recall");
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert!(item["changeTime"].is_object(), "the change time stays");
    let other = t.item(&alice, &bob.session_id()).await.unwrap();
    assert_eq!(other.get("changeTime"), None, "and there is none if nothing was late");
}

async fn the_cost_of_an_idle_sync(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let device = Device::new(&bob, 100).await;
    let idle = async || units(&t, bob.try_changes(&format!("since={}", device.token)).await).await;
    assert_eq!(idle().await, (3.0, 0.0), "three empty queries");
    t.deliver([&on_time(message(&alice, &bob, 1))]).await;
    assert_eq!(idle().await, (3.0, 0.0), "an item in the window is in one of them");
    t.deliver([&message(&t.user("carol"), &bob, 1)]).await;
    assert_eq!(idle().await, (4.0, 0.0), "an item with a change time is read");
    t.patch_members(&super_team(), clock::now_ms() - T0 - 3_600_000, &[&bob], &[]).await;
    assert_eq!(
        idle().await,
        (5.5, 0.0),
        "a group: its session item, which has a change time, and half a unit for its group item"
    );
}
