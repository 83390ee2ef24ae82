//! Items that the service never writes, created by hand, by a restore or by a future version. Each affects only the session or
//! group that it belongs to.

use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, listing, message, on_time},
    device::Device,
    scenarios,
    test::{Test, User, ids, team},
};

scenarios![LOCAL_ONLY:
    an_unreadable_item_is_left_out_of_a_list,
    an_unreadable_item_is_left_out_of_a_sync_pass,
    an_unreadable_member_item_hides_that_group,
    with_an_unreadable_group_item_members_see_their_own_items,
    a_string_longer_than_the_limit_is_shown,
];

/// Returns the ids of a page, and the number of unreadable items and the attribute that its log line reports.
async fn listed(t: &Test, user: &User, query: &str) -> (Vec<String>, Value, Value) {
    let response = user.try_list(query).await;
    let line = t.app.logs.of(&response.request_id).await;
    let unreadable = line.get("unreadable").is_some();
    assert_eq!(line["level"], if unreadable { "WARN" } else { "INFO" });
    (ids(&response.ok()), line["unreadable"].clone(), line["unreadableAttribute"].clone())
}

async fn an_unreadable_item_is_left_out_of_a_list(t: Test) {
    let bob = t.user("bob");
    let friends: Vec<_> = (0..6).map(|_| t.user("friend")).collect();
    for (friend, at) in friends.iter().zip(1..) {
        t.deliver([&message(friend, &bob, at)]).await;
    }
    assert_eq!(listed(&t, &bob, "").await.1, Value::Null);
    for (friend, attribute, value) in [
        (&friends[1], "lastMsgType", json!({"N": "2"})),
        (&friends[3], "ext", json!({"M": {}})),
        (&friends[5], "lastMsg", json!({"BOOL": true})),
    ] {
        t.damage_item(&bob, &friend.session_id(), attribute, value).await;
    }
    let good: Vec<_> = [4, 2, 0].map(|index: usize| friends[index].session_id()).into();
    assert_eq!(listed(&t, &bob, "").await, (good.clone(), json!(3), json!("lastMsg")));
    let first = bob.list("limit=2").await;
    assert_eq!((ids(&first), &first["hasMore"]), (good[..2].to_vec(), &json!(true)));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = bob.list(&format!("limit=2&cursor={cursor}")).await;
    assert_eq!((ids(&second), &second["hasMore"]), (good[2..].to_vec(), &json!(false)));
    // A request for the item itself fails, but the item can be deleted.
    let bad = friends[3].session_id();
    bob.try_get(&bad).await.is_problem(500, "internal error");
    assert_eq!(bob.try_delete(&bad).await.ok()["deleted"], json!([bad]));
    bob.try_get(&bad).await.is_problem(404, "sessionId");
}

async fn an_unreadable_item_is_left_out_of_a_sync_pass(t: Test) {
    // Years late, so that they get a change time; and in the window, so that they are found by their `updateTime`.
    for timed in [|copy| copy, on_time] {
        let (alice, bob) = t.alice_and_bob();
        let mut phone = Device::new(&bob, 100).await;
        let friends: Vec<_> = (0..60).map(|_| t.user("friend")).collect();
        t.deliver([&timed(message(&alice, &bob, 1))]).await;
        // More unreadable items in a row than one request reads, all of them newer than the readable one.
        for friend in &friends {
            t.deliver([&timed(message(friend, &bob, 2))]).await;
            t.damage_item(&bob, &friend.session_id(), "lastMsgType", json!({"N": "2"})).await;
        }
        phone.sync().await;
        assert_eq!(phone.sessions.keys().collect::<Vec<_>>(), [&alice.session_id()]);
        phone.is_right("unreadable items are in neither").await;
    }
}

async fn an_unreadable_member_item_hides_that_group(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let (good, bad) = (team(), team());
    for group in [&good, &bad] {
        t.deliver([&listing(group_message(&alice, group, 1), &[&alice, &bob])]).await;
    }
    t.damage_item(&bob, &bad, "memberRank", json!({"N": "7"})).await;
    assert_eq!(listed(&t, &bob, "").await, (vec![good.clone()], json!(1), json!("memberAt")));
    assert_eq!(alice.listed().await.len(), 2, "nobody else");
}

async fn with_an_unreadable_group_item_members_see_their_own_items(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let (good, bad) = (team(), team());
    for group in [&good, &bad] {
        t.deliver([&listing(group_message(&alice, group, 1), &[&alice, &bob])]).await;
    }
    bob.patch(&bad, &json!({"ext": "mine"})).await.ok();
    t.damage("GroupsTable", json!({"groupId": {"S": bad}}), "lastMsgType", json!({"S": "0"})).await;
    let (ids, unreadable, attribute) = listed(&t, &bob, "").await;
    assert_eq!((ids.len(), unreadable, attribute), (2, json!(1), json!("lastMsgType")));
    let own = bob.try_get(&bad).await.ok();
    assert_eq!((&own["ext"], own.get("lastMsg")), (&json!("mine"), None));
    let set = bob.patch(&bad, &json!({"ext": "still mine"})).await.ok();
    assert_eq!(set["ext"], "still mine");
    assert_eq!(alice.listed().await, [good], "her own item shows nothing");
    alice.try_get(&bad).await.is_problem(500, "internal error");
}

async fn a_string_longer_than_the_limit_is_shown(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let long = "x".repeat(2_000);
    t.damage_item(&bob, &alice.session_id(), "ext", json!({"S": long})).await;
    assert_eq!(bob.get(&alice).await["ext"], *long);
    assert_eq!(listed(&t, &bob, "").await.1, Value::Null);
    t.deliver([&message(&alice, &bob, 2)]).await;
    assert_eq!(bob.get(&alice).await["updateTime"], T0 + 2, "nor is it in anybody's way");
}
