//! Erasing a user deletes everything in their partition, with as many requests as that needs, and nothing of anybody else's.

use reqwest::Method;
use serde_json::{Value, json};
use session_local::{
    backend::signing::{LOCAL_APP_SECRET, sign},
    emulator::clock,
};
use uuid::Uuid;

use super::capacity::units;
use test_support::{
    copies::{T0, group_message, listing, message, on_time},
    fault_proxy::{Fault, FaultProxy},
    scenarios,
    test::{Test, User, team, with_signature},
};

scenarios![
    all_items_of_a_user_are_deleted_and_no_others,
    an_unsigned_request_erases_nobody,
    a_bad_body_erases_nobody
];
scenarios![LOCAL_ONLY: erasing_costs_one_write_per_item, unprocessed_items_are_retried];
scenarios![EMBEDDED_ONLY: five_thousand_items_are_erased_in_several_requests, an_interrupted_erasure_is_repeated];

async fn erase(t: &Test, user: &User) -> (u64, bool) {
    let outcome = t.try_erase(&json!({"account": user.account})).await.ok();
    (outcome["erased"].as_u64().unwrap(), outcome["remaining"].as_bool().unwrap())
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
    // The account may be used again.
    t.deliver([&message(&alice, &bob, 9)]).await;
    assert_eq!(bob.last_msg(&alice).await["body"], "text 9");
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

/// Deleting a session item costs 1 unit, plus 1 for each index that contains it.
async fn erasing_costs_one_write_per_item(t: Test) {
    let (alice, bob, group) = (t.user("alice"), t.user("bob"), team());
    t.deliver([&on_time(message(&alice, &bob, 1))]).await;
    let of_one = t.try_erase(&json!({"account": bob.account})).await;
    assert_eq!(of_one.body["erased"], 1);
    // The session item, and its entry in byUpdateTime.
    assert_eq!(units(&t, &of_one).await, (1.0, 2.0));
    t.deliver([&message(&alice, &bob, 5)]).await;
    let of_late = t.try_erase(&json!({"account": bob.account})).await;
    // The session item, and its entries in byUpdateTime and byChangeTime.
    assert_eq!(units(&t, &of_late).await, (1.0, 3.0));
    t.deliver([&listing(group_message(&alice, &group, 4), &[&alice, &bob])]).await;
    let of_member = t.try_erase(&json!({"account": bob.account})).await;
    // A member's session item without a message of its own, and its entries in byChangeTime and byMembership.
    assert_eq!(units(&t, &of_member).await, (1.0, 3.0));
    let of_nobody = t.try_erase(&json!({"account": bob.account})).await;
    assert_eq!(units(&t, &of_nobody).await.1, 0.0);
}

/// Writes this many session items of a user, in the form that the store writes.
async fn fill(t: &Test, user: &User, session_items: usize) {
    let session_item = |number: usize| {
        json!({"PutRequest": {"Item": {
            "userId": {"S": user.account}, "sessionId": {"S": format!("p2p|friend-{number}")},
            "updateTime": {"N": (T0 + number as u64).to_string()}, "msgTime": {"N": (T0 + number as u64).to_string()},
            "msgId": {"S": format!("m{number}")}, "lastMsg": {"S": "{}"}, "lastMsgType": {"N": "0"},
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
        let outcome = response.ok();
        erased += outcome["erased"].as_u64().unwrap();
        if outcome["remaining"] == false {
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
        // Four requests are forwarded: the connection, the query, and two batches.
        proxy.set_after(4, fault);
        behind.try_erase(&json!({"account": bob.account})).await.is_problem(503, "");
        proxy.set(Fault::None);
    }
    let left = erase(&behind, &bob).await;
    assert!(left.0 < 600 && !left.1, "{left:?}");
    assert_eq!(erase(&behind, &bob).await, (0, false));
}
