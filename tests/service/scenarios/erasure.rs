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
    copies::{T0, edit, group_message, listing, message, notification, on_time, recall},
    device::Device,
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
scenarios![LOCAL_ONLY: the_cost_of_erasing];
// DynamoDB Local counts 0 units for an item that does not exist; AWS and the embedded engine count half a unit.
scenarios![EMBEDDED_ONLY: late_events_cost_half_a_unit_per_user];

/// Sends one request to erase the user. Returns the number of deleted items, and whether there may be more. If there are none, the
/// erasure still goes on for 10 minutes.
pub(super) async fn erase(t: &Test, user: &User) -> (u64, bool) {
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
    t.put_item("SessionsTable", &marker).await;
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
