//! Erasures of several requests: of many items, interrupted, abandoned, and by clocks that differ.

use serde_json::{Value, json};

use super::erasure::erase;
use test_support::{
    cargo_local::printed,
    copies::{T0, group_message, listing, message, with},
    device::Device,
    fault_proxy::{Fault, FaultProxy},
    scenarios,
    test::{Test, User, super_team, team},
};

scenarios![LOCAL_ONLY: unprocessed_items_are_retried];
scenarios![EMBEDDED_ONLY:
    five_thousand_items_are_erased_in_several_requests,
    an_interrupted_erasure_is_repeated,
    a_full_partition_is_erased,
    an_abandoned_erasure_begins_again,
    a_member_by_a_clock_that_is_ahead_is_erased_later,
    a_user_in_50_groups_is_erased_and_comes_back,
];

async fn unprocessed_items_are_retried(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    // On a busy machine one of the many requests may time out. Another user is then erased.
    for _ in 0..3 {
        let bob = behind.user("bob");
        proxy.set(Fault::None);
        fill(&t, &bob, 60).await;
        proxy.set(Fault::HalfUnprocessed);
        if let Some(erased) = erase_all(&behind, &bob).await {
            assert_eq!(erased, 60, "each item is counted once");
            assert_eq!(erase(&t, &bob).await, (0, false));
            return;
        }
    }
    panic!("timed out three times");
}

async fn five_thousand_items_are_erased_in_several_requests(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let similar = t.known_user(&format!("{}x", bob.account));
    t.deliver([&message(&alice, &similar, 1)]).await;
    fill(&t, &bob, 5_000).await;
    let (mut requests, mut erased) = (0, 0);
    loop {
        let (session_items, remaining) = erase(&t, &bob).await;
        (requests, erased) = (requests + 1, erased + session_items);
        assert!(session_items <= 1_500, "{session_items} in one request");
        if !remaining {
            break;
        }
    }
    assert_eq!(erased, 5_000);
    assert!((4..=40).contains(&requests), "{requests} requests");
    assert_eq!(bob.list("").await["sessionList"], json!([]));
    assert!(similar.has(&alice).await);
}

/// An interrupted request has erased a part. The next requests erase the rest.
async fn an_interrupted_erasure_is_repeated(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    let bob = behind.user("bob");
    fill(&t, &bob, 600).await;
    for fault in [Fault::Hang, Fault::LoseResponse, Fault::Throttle, Fault::InternalError] {
        // Five requests are forwarded: the connection, the marker, the query, and two batches.
        proxy.set_after(5, fault);
        behind.try_erase(&json!({"account": bob.account})).await.is_problem(503, "");
        proxy.set(Fault::None);
    }
    let left = erase(&behind, &bob).await;
    assert!(left.0 < 600 && !left.1, "{left:?}");
    assert_eq!(erase(&behind, &bob).await, (0, false));
}

/// There is no room for the marker before something is deleted. Groups are left once there is a marker.
async fn a_full_partition_is_erased(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    let (alice, bob, group) = (behind.user("alice"), behind.user("bob"), super_team());
    behind.patch_members(&group, 1, &[&alice, &bob], &[]).await;
    proxy.fill_partition(&bob.account);
    let full = behind.try_erase(&json!({"account": bob.account})).await;
    full.is_problem(503, "");
    assert!(t.item(&bob, &group).await.is_some(), "nothing is deleted without a marker");
    behind.deliver([&message(&alice, &t.user("carol"), 1)]).await;
    fill(&t, &bob, 30).await;
    assert_eq!(erase(&behind, &bob).await, (30, true));
    assert_eq!(erase(&behind, &bob).await, (1, false));
}

/// The account was used again, so that something may be under way again.
async fn an_abandoned_erasure_begins_again(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let retry_after = async || own.try_erase(&json!({"account": bob.account})).await.retry_after;
    assert_eq!(retry_after().await, Some(600));
    own.advance("20m").await;
    let now = own.app.service().clock().now_ms();
    own.deliver([&with(message(&alice, &bob, 1), "msgTimestamp", now.to_string())]).await;
    assert_eq!(retry_after().await, Some(600));
    own.advance("5m").await;
    assert!(retry_after().await.is_some_and(|seconds| (295..=300).contains(&seconds)));
    own.advance("5m").await;
    assert_eq!(retry_after().await, None);
}

/// A list that is dated later than the erasure, by a clock that is ahead, keeps the user in the group until then.
async fn a_member_by_a_clock_that_is_ahead_is_erased_later(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob, group) = (own.user("alice"), own.user("bob"), team());
    let list = |at: u64| listing(group_message(&alice, &group, at), &[&alice, &bob]);
    let ahead = own.app.service().clock().now_ms() - T0 + 60_000;
    own.deliver([&list(1), &list(ahead)]).await;
    let response = own.try_erase(&json!({"account": bob.account})).await;
    assert_eq!((response.retry_after, response.ok()["erased"].as_u64()), (Some(1), Some(0)));
    assert!(bob.time_of(&group).await.is_some(), "a member still");
    own.advance("62s").await;
    assert_eq!(erase(&own, &bob).await, (1, false));
    let group_item = own.group_item(&group).await.unwrap();
    assert_eq!(group_item["memberHashes"]["BS"].as_array().map(Vec::len), Some(1), "only Alice");
}

/// With late copies meanwhile and afterwards. The service's clock is moved ahead instead of waiting.
async fn a_user_in_50_groups_is_erased_and_comes_back(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let url = own.app.url().to_owned();
    let groups: Vec<String> =
        (0..50).map(|number| if number % 2 == 0 { team() } else { super_team() }).collect();
    for group in &groups {
        if group.starts_with("team|") {
            own.deliver([&listing(group_message(&alice, group, 1), &[&alice, &bob])]).await;
        } else {
            own.patch_members(group, 1, &[&alice, &bob], &[]).await;
            own.deliver([&group_message(&alice, group, 1)]).await;
        }
    }
    own.deliver([&message(&alice, &bob, 1)]).await;
    fill(&own, &bob, 5_000).await;
    let mut device = Device::new(&bob, 100).await;
    assert_eq!(device.sessions.len(), 5_051);
    let of_alice = alice.list("").await["sessionList"].take();

    let arguments = ["erase", &bob.account, "--no-wait", "--url", &url];
    let erase = || printed(&t, &arguments);
    let late = async || {
        own.deliver([&message(&alice, &bob, 1)]).await;
        own.deliver([&listing(group_message(&alice, &groups[0], 1), &[&alice, &bob])]).await;
        own.patch_members(&groups[1], 1, &[&bob], &[]).await;
    };
    let (text, ()) = futures_util::join!(erase(), late());
    assert!(text.contains("run the same command again in 10 minutes"), "{text}");
    late().await;
    let text = erase().await;
    assert!(text.contains("0 sessions"), "nothing is back: {text}");
    assert!(bob.listed().await.is_empty());
    assert_eq!(alice.list("").await["sessionList"], of_alice, "others see what they saw");

    own.advance("10m").await;
    let text = erase().await;
    assert!(text.contains("0 sessions") && !text.contains("again"), "it has ended: {text}");
    late().await;
    assert!(own.known_user(&bob.account).listed().await.is_empty());
    // Sync tokens hold from a minute after the erasure on.
    own.advance("62s").await;
    let bob = own.known_user(&bob.account);
    device = Device::new(&bob, 100).await;
    assert!(device.sessions.is_empty());
    let now = own.app.service().clock().now_ms();
    own.deliver([&with(message(&alice, &bob, 1), "msgTimestamp", now.to_string())]).await;
    assert_eq!(device.sync().await, 1, "no 410 any more");
    assert_eq!(device.sessions.len(), 1, "the account is used again");
    own.patch_members(&groups[1], now - T0, &[&bob], &[]).await;
    device.is_right("a member again").await;
    assert_eq!(device.sessions.len(), 2);
}

/// Writes this many session items of a user, in the form that the store writes.
async fn fill(t: &Test, user: &User, session_items: usize) {
    let session_item = |number: usize| {
        json!({"PutRequest": {"Item": {
            "userId": {"S": user.account}, "sessionId": {"S": format!("p2p|friend-{number}")},
            "updateTime": {"N": (T0 + number as u64).to_string()}, "msgTime": {"N": (T0 + number as u64).to_string()},
            "msgId": {"S": format!("m{number}")}, "lastMsg": {"S": r#"{"from": "a", "time": 1}"#}, "lastMsgType": {"N": "0"},
        }}})
    };
    for start in (0..session_items).step_by(25) {
        let writes: Vec<Value> = (start..session_items.min(start + 25)).map(session_item).collect();
        let input = json!({"RequestItems": {t.app.table("SessionsTable"): writes}});
        t.app.dynamodb().request("BatchWriteItem", &input).await.unwrap();
    }
}

/// Returns the number of items that all requests together erased, or none if a request timed out.
async fn erase_all(t: &Test, user: &User) -> Option<u64> {
    let mut erased = 0;
    loop {
        let response = t.try_erase(&json!({"account": user.account})).await;
        if response.status == 503 {
            return None;
        }
        let (retry_after, outcome) = (response.retry_after, response.ok());
        erased += outcome["erased"].as_u64().unwrap();
        if retry_after != Some(0) {
            return Some(erased);
        }
    }
}
