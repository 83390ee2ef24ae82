//! Erasing a user deletes everything in their partition, with as many requests as that needs, and nothing of anybody else's.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use session_local::{
    backend::signing::{LOCAL_APP_SECRET, sign},
    emulator::clock,
};
use tokio::time::sleep;
use uuid::Uuid;

use super::capacity::units;
use test_support::{
    cargo_local::printed,
    copies::{T0, edit, group_message, listing, message, notification, on_time, recall, with},
    device::Device,
    fault_proxy::{Fault, FaultProxy},
    scenarios,
    test::{Test, User, super_team, team, with_signature},
};

scenarios![
    all_items_of_a_user_are_deleted_and_no_others,
    late_and_repeated_events_bring_nothing_back,
    a_device_of_an_erased_user_begins_again,
    a_late_copy_for_a_user_with_a_damaged_marker_is_dead_lettered,
    an_unsigned_request_erases_nobody,
    a_bad_body_erases_nobody
];
scenarios![LOCAL_ONLY: the_cost_of_erasing, unprocessed_items_are_retried];
// DynamoDB Local counts 0 units for an item that does not exist; AWS and the embedded engine count half a unit.
scenarios![EMBEDDED_ONLY:
    five_thousand_items_are_erased_in_several_requests,
    an_interrupted_erasure_is_repeated,
    a_full_partition_is_erased,
    an_abandoned_erasure_begins_again,
    a_member_by_a_clock_that_is_ahead_is_erased_later,
    a_user_in_50_groups_is_erased_and_comes_back,
    late_events_cost_half_a_unit_per_user,
];

/// Sends one request to erase the user. Returns the number of deleted items, and whether there may be more. If there are none, the
/// erasure still goes on for 10 minutes.
async fn erase(t: &Test, user: &User) -> (u64, bool) {
    let response = t.try_erase(&json!({"account": user.account})).await;
    let (retry_after, outcome) = (response.retry_after, response.ok());
    assert_eq!(outcome["remaining"], true);
    (outcome["erased"].as_u64().unwrap(), retry_after == Some(0))
}

async fn all_items_of_a_user_are_deleted_and_no_others(t: Test) {
    let (alice, bob, group) = (t.user("alice"), t.user("bob"), team());
    let similar = t.known_user(&format!("{}x", bob.account));
    t.deliver([
        &message(&alice, &bob, 1),
        &message(&bob, &bob, 2),
        &message(&alice, &similar, 3),
        &listing(group_message(&alice, &group, 4), &[&alice, &bob]),
    ])
    .await;
    bob.patch("p2p|nobody", &json!({"ext": "a note"})).await.ok();
    bob.delete(&alice).await;
    let unreadable =
        json!({"eventType": "1", "fromAccount": bob.account, "msgidServer": Uuid::new_v4().to_string()});
    assert!(t.post(&unreadable).await.ok()["result"] == "dead-lettered");
    t.patch_members(&group, 5, &[], &[&bob]).await;

    // The deleted session, the session with themselves, the note, and the group that they were removed from.
    assert_eq!(erase(&t, &bob).await, (4, false));
    assert_eq!(bob.list("").await["sessionList"], json!([]));
    for id in [alice.session_id(), bob.session_id(), "p2p|nobody".to_owned(), group.clone()] {
        assert_eq!(t.item(&bob, &id).await, None, "{id}");
    }
    assert_eq!(erase(&t, &bob).await, (0, false), "a repeat erases nothing");
    assert_eq!(alice.last_msg(&bob).await["body"], "text 1", "messages to others stay");
    assert_eq!(similar.last_msg(&alice).await["body"], "text 3");
    assert_eq!(alice.last_msg_of(&group).await["body"], "text 4");
    assert!(
        t.dead_letter(unreadable.to_string().as_bytes()).await.is_some(),
        "dead letters go by themselves"
    );
    // What is sent from now on is shown.
    t.deliver([&on_time(message(&alice, &bob, 9))]).await;
    assert_eq!(bob.last_msg(&alice).await["body"], "text 9");
}

async fn late_and_repeated_events_bring_nothing_back(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let (listed, unlisted) = (team(), super_team());
    let joins = notification(&alice, &unlisted, 2, 401, &[&bob]);
    let list = |at: u64, members: &[&User]| listing(group_message(&alice, &listed, at), members);
    let events = [
        message(&alice, &bob, 1),
        message(&bob, &alice, 2),
        edit(&alice, &bob, 1, 3, "better"),
        recall(&alice, &bob, 2, 4),
        list(1, &[&alice, &bob]),
        joins.clone(),
        group_message(&alice, &unlisted, 3),
    ];
    t.deliver(&events).await;
    assert_eq!(bob.listed().await.len(), 3);
    assert_eq!(erase(&t, &bob).await, (3, false));
    // Some are repeated, and some have never been delivered before.
    t.deliver(&events).await;
    t.deliver([&list(5, &[&alice, &bob]), &notification(&alice, &listed, 6, 0, &[&bob])]).await;
    t.deliver([&notification(&bob, &unlisted, 7, 403, &[]), &edit(&bob, &alice, 9, 10, "early")]).await;
    t.patch_members(&unlisted, 8, &[&bob], &[]).await;
    t.put_members(&unlisted, 9, &[&alice, &bob]).await;
    assert_eq!(bob.list("").await["sessionList"], json!([]));
    for id in [alice.session_id(), bob.session_id(), listed.clone(), unlisted.clone()] {
        assert_eq!(t.item(&bob, &id).await, None, "{id}");
    }
    for group in [&listed, &unlisted] {
        let group_item = t.group_item(group).await.unwrap();
        assert_eq!(group_item["memberHashes"]["BS"].as_array().map(Vec::len), Some(1), "only Alice: {group}");
    }
    assert_eq!(alice.last_msg_of(&unlisted).await["msgIdServer"], "m7", "others get the messages");
    // Events of now are those of a new user.
    let later = clock::now_ms() - T0 + 20;
    t.patch_members(&unlisted, later, &[&bob], &[]).await;
    t.deliver([&group_message(&alice, &unlisted, later + 1)]).await;
    assert_eq!(bob.time_of(&unlisted).await, Some(T0 + later + 1));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(erase(&t, &bob).await, (1, false), "until the erasure ends, they are erased, too");
}

async fn a_device_of_an_erased_user_begins_again(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &message(&t.user("carol"), &bob, 2)]).await;
    let mut device = Device::new(&bob, 1).await;
    let under_way = device.page(&device.token).await;
    assert_eq!(under_way["hasMore"], true);
    erase(&t, &bob).await;
    for token in [&device.token, under_way["syncToken"].as_str().unwrap()] {
        bob.try_changes(&format!("since={token}")).await.is_problem(410, "since");
    }
    device.sync_or_begin_again().await;
    assert!(device.sessions.is_empty());
    // Other users' tokens hold.
    Device::new(&alice, 1).await.is_right("not erased").await;
}

async fn a_late_copy_for_a_user_with_a_damaged_marker_is_dead_lettered(t: Test) {
    let (alice, bob, group) = (t.user("alice"), t.user("bob"), super_team());
    let marker = json!({"userId": {"S": bob.account}, "sessionId": {"S": "/erased"}, "erasedAt": {"S": "no time"},
        "firstAt": {"S": "no time"}});
    let input = json!({"TableName": t.app.table("SessionsTable"), "Item": marker});
    t.app.dynamodb().request("PutItem", &input).await.expect("the engine responds");
    let copy = message(&alice, &bob, 1);
    for copy in [&copy, &edit(&alice, &bob, 1, 2, "better"), &notification(&alice, &group, 3, 401, &[&bob])] {
        let response = t.post(copy).await.ok();
        assert!(
            response["reason"].as_str().unwrap().contains("malformed item: attribute erasedAt"),
            "{copy}"
        );
    }
    assert!(!bob.has(&alice).await && alice.has(&bob).await);
    t.deliver([&on_time(message(&alice, &bob, 4))]).await;
    assert_eq!(bob.last_msg(&alice).await["body"], "text 4", "what is on time reads no marker");
    // Erasing repairs the marker.
    assert_eq!(erase(&t, &bob).await, (1, false));
    assert_eq!(t.post(&copy).await.ok()["result"], "applied");
    assert!(!bob.has(&alice).await);
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
    let advance = async |time: &str| {
        own.request(Method::POST, "/local-clock").json(&json!({"advance": time})).send().await.unwrap();
    };
    let retry_after = async || own.try_erase(&json!({"account": bob.account})).await.retry_after;
    assert_eq!(retry_after().await, Some(600));
    advance("20m").await;
    let now = own.app.service().clock().now_ms();
    own.deliver([&with(message(&alice, &bob, 1), "msgTimestamp", now.to_string())]).await;
    assert_eq!(retry_after().await, Some(600));
    advance("5m").await;
    assert!(retry_after().await.is_some_and(|seconds| (295..=300).contains(&seconds)));
    advance("5m").await;
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
    let clock = json!({"advance": "62s"});
    own.request(Method::POST, "/local-clock").json(&clock).send().await.unwrap();
    assert_eq!(erase(&own, &bob).await, (1, false));
    let group_item = own.group_item(&group).await.unwrap();
    assert_eq!(group_item["memberHashes"]["BS"].as_array().map(Vec::len), Some(1), "only Alice");
}

async fn an_unsigned_request_erases_nobody(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let body = json!({"account": bob.account}).to_string();
    let signed = |secret: &str, cur_time: u64| {
        let cur_time = cur_time.to_string();
        let (md5, check_sum) = sign(secret, &body, &cur_time);
        let request = t.request(Method::POST, "/v1/users/erase").header("Content-Type", "application/json");
        request
            .header("CurTime", cur_time)
            .header("MD5", md5)
            .header("CheckSum", check_sum)
            .body(body.clone())
    };
    let minutes = |minutes: u64| minutes * 60_000;
    for (request, rejection) in [
        (signed("another", clock::now_ms()), "CheckSum does not fit"),
        (signed(LOCAL_APP_SECRET, clock::now_ms() - minutes(16)), "CurTime must be of the last 15 minutes"),
        (signed(LOCAL_APP_SECRET, clock::now_ms() + minutes(16)), "CurTime must be of the last 15 minutes"),
        (
            bob.request(Method::POST, "/v1/users/erase").json(&json!({"account": bob.account})),
            "MD5 is missing",
        ),
    ] {
        t.send(request).await.is_problem(403, rejection);
    }
    assert!(bob.has(&alice).await);
    t.send(signed(LOCAL_APP_SECRET, clock::now_ms() - minutes(14))).await.ok();
    assert!(!bob.has(&alice).await);
}

async fn a_bad_body_erases_nobody(t: Test) {
    t.try_erase(&json!({})).await.is_problem(400, "account is required");
    t.try_erase(&json!({"account": "a/b"})).await.is_problem(400, "account must not contain '/'");
    t.try_erase(&json!({"account": "a", "confirm": true}))
        .await
        .is_problem(400, "body must hold no other fields");
    t.try_erase(&json!({"account": "x".repeat(256 * 1024)})).await.is_problem(413, "");
    let body = r#"{"account": "bob"}"#;
    let untyped = t.request(Method::POST, "/v1/users/erase").header("Content-Type", "text/plain");
    t.send(with_signature(untyped, body, clock::now_ms())).await.is_problem(415, "");
}

/// Deleting a session item costs 1 unit, plus 1 for each index that contains it. The marker costs 2 at first, since it is in
/// byChangeTime, and 3 at each further request.
async fn the_cost_of_erasing(t: Test) {
    let (alice, bob, group) = (t.user("alice"), t.user("bob"), team());
    t.deliver([&on_time(message(&alice, &bob, 1))]).await;
    let of_one = t.try_erase(&json!({"account": bob.account})).await;
    assert_eq!(of_one.body["erased"], 1);
    // The session item, and its entry in byUpdateTime.
    assert_eq!(units(&t, &of_one).await, (1.0, 2.0 + 2.0));
    let carol = t.user("carol");
    t.deliver([&message(&alice, &carol, 5)]).await;
    let of_late = t.try_erase(&json!({"account": carol.account})).await;
    // The session item, and its entries in byUpdateTime and byChangeTime.
    assert_eq!(units(&t, &of_late).await, (1.0, 2.0 + 3.0));
    let dave = t.user("dave");
    t.deliver([&listing(group_message(&alice, &group, 4), &[&alice, &dave])]).await;
    let of_member = t.try_erase(&json!({"account": dave.account})).await;
    // Leaving changes the session item and its entries in byChangeTime and byMembership. Then the group item stops naming them. The
    // session item is deleted with its entry in byChangeTime.
    assert_eq!(units(&t, &of_member).await, (1.0, 2.0 + 4.0 + 1.0 + 2.0));
    let of_nobody = t.try_erase(&json!({"account": dave.account})).await;
    assert_eq!(units(&t, &of_nobody).await.1, 3.0);
}

/// What is on time reads no markers.
async fn late_events_cost_half_a_unit_per_user(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let read = async |copy: Value| units(&t, &t.post(&copy).await).await.0;
    for copy in [message(&alice, &bob, 1), recall(&alice, &bob, 1, 2)] {
        assert_eq!(read(copy.clone()).await, 2.0 * 0.5, "late: {copy}");
        assert_eq!(read(on_time(copy.clone())).await, 0.0, "on time: {copy}");
    }
    let group = super_team();
    let joins = notification(&alice, &group, 1, 401, &[&bob]);
    assert_eq!(read(joins.clone()).await, 2.0 * 0.5, "of Bob and of Alice, who invited Bob");
    assert_eq!(read(on_time(joins)).await, 0.0);
    assert_eq!(read(group_message(&alice, &group, 1)).await, 0.0, "it concerns the group item alone");
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

    let clock = json!({"advance": "10m"});
    own.request(Method::POST, "/local-clock").json(&clock).send().await.unwrap();
    let text = erase().await;
    assert!(text.contains("0 sessions") && !text.contains("again"), "it has ended: {text}");
    late().await;
    assert!(own.known_user(&bob.account).listed().await.is_empty());
    // Sync tokens hold from a minute after the erasure on.
    let clock = json!({"advance": "62s"});
    own.request(Method::POST, "/local-clock").json(&clock).send().await.unwrap();
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
