//! Teams and super teams: messages, recalls, deletes and custom data of their sessions.

use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, group_recall, listing, notification, with},
    scenarios,
    test::{Test, User, super_team, team},
};

scenarios![
    a_message_is_shown_to_every_member,
    the_newest_message_stays_whatever_the_order_in_a_group,
    a_recall_in_a_group_is_applied_before_or_after_its_message,
    a_deleted_group_session_stays_deleted_until_something_newer,
    a_stranger_cannot_delete_a_group_session,
    an_ext_exists_before_during_and_after_membership,
    groups_and_friends_share_one_list,
    fifty_concurrent_messages_end_with_the_newest,
    two_concurrent_member_lists_end_as_the_newer,
];
scenarios![LOCAL_ONLY: a_stranger_s_delete_writes_nothing];

/// Returns the time and the last message's id that a user sees of a group.
async fn seen(user: &User, group: &str) -> Option<(u64, Value)> {
    let time = user.time_of(group).await?;
    let session = user.try_get(group).await.ok();
    let last_msg = session["lastMsg"].as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
    let id = last_msg.map_or(Value::Null, |last_msg| {
        last_msg.get("msgIdServer").or(last_msg.get("deleteMsgIdServer")).cloned().unwrap_or_default()
    });
    Some((time - T0, id))
}

fn message(at: u64) -> (u64, Value) {
    (at, json!(format!("m{at}")))
}

async fn a_message_is_shown_to_every_member(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let stranger = t.user("stranger");
    let (team, super_team) = (team(), super_team());
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    t.patch_members(&super_team, 1, &[&alice, &bob], &[]).await;
    t.deliver([&group_message(&alice, &super_team, 2)]).await;
    for user in [&alice, &bob] {
        assert_eq!(seen(user, &team).await, Some(message(1)));
        assert_eq!(seen(user, &super_team).await, Some(message(2)));
        assert_eq!(user.listed().await, [&*super_team, &*team]);
        let session = user.try_get(&team).await.ok();
        assert_eq!((&session["lastMsgType"], &session["ext"]), (&json!(0), &Value::Null));
    }
    assert_eq!(seen(&stranger, &team).await, None);
    assert!(stranger.listed().await.is_empty());
}

async fn the_newest_message_stays_whatever_the_order_in_a_group(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    for at in [3, 1, 2, 3, 1] {
        t.deliver([&listing(group_message(&alice, &team, at), &[&alice, &bob])]).await;
        assert_eq!(seen(&bob, &team).await, Some(message(3)));
    }
    t.deliver([&group_message(&bob, &team, 4)]).await;
    assert_eq!(seen(&alice, &team).await, Some(message(4)), "a copy without a list keeps the members");
}

async fn a_recall_in_a_group_is_applied_before_or_after_its_message(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for group in [team(), super_team()] {
        t.patch_members(&group, 1, &[&alice, &bob], &[]).await;
        t.deliver([&group_message(&alice, &group, 2), &group_recall(&alice, &group, 2, 9)]).await;
        assert_eq!(seen(&bob, &group).await, Some((9, json!("m2"))));
        assert_eq!(bob.try_get(&group).await.ok()["lastMsgType"], 1);
        t.deliver([&group_recall(&alice, &group, 3, 8), &group_message(&alice, &group, 3)]).await;
        assert_eq!(seen(&bob, &group).await, Some((8, json!("m3"))), "it moves back: m3 is newer than m2");
        t.deliver([&group_recall(&alice, &group, 2, 10)]).await;
        assert_eq!(seen(&bob, &group).await, Some((8, json!("m3"))), "of an older message");
        t.deliver([&group_message(&alice, &group, 4)]).await;
        assert_eq!(seen(&bob, &group).await, Some(message(4)));
    }
}

async fn a_deleted_group_session_stays_deleted_until_something_newer(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    let message_at = |at| listing(group_message(&alice, &team, at), &[&alice, &bob]);
    t.deliver([&message_at(5)]).await;
    bob.try_delete(&team).await.ok();
    assert_eq!((seen(&bob, &team).await, seen(&alice, &team).await), (None, Some(message(5))));
    let session_item = t.item(&bob, &team).await.unwrap();
    assert_eq!(session_item["expiresAt"], Value::Null, "what it hides does not expire");
    for late in
        [message_at(4), message_at(5), group_recall(&alice, &team, 5, 90), group_recall(&alice, &team, 4, 90)]
    {
        t.deliver([&late]).await;
        assert_eq!(seen(&bob, &team).await, None, "{late}");
    }
    bob.try_delete(&team).await.ok();
    assert_eq!(t.item(&bob, &team).await.unwrap(), session_item, "deleting again changes nothing");
    t.deliver([&message_at(6)]).await;
    assert_eq!(seen(&bob, &team).await, Some(message(6)));
    let never = bob.batch_delete(&json!({"sessionIds": [super_team(), team]})).await.ok();
    assert_eq!(never["failed"], json!([]));
    assert_eq!(seen(&bob, &team).await, None);
}

/// Bob's session item still marks Bob as a member, but the newest list does not name Bob. If the lists had arrived in the other
/// order, Bob would not have a session item.
async fn a_stranger_cannot_delete_a_group_session(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.put_members(&team, 5, &[&alice, &bob]).await;
    t.put_members(&team, 7, &[&alice]).await;
    t.deliver([&group_message(&alice, &team, 8)]).await;
    assert_eq!(seen(&bob, &team).await, None);
    bob.try_delete(&team).await.ok();
    t.patch_members(&team, 9, &[&bob], &[]).await;
    assert_eq!(seen(&bob, &team).await, Some(message(8)));
}

async fn an_ext_exists_before_during_and_after_membership(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    let ext = async |text: &str| {
        let session = bob.patch(&team, &json!({ "ext": text })).await.ok();
        assert_eq!(session, bob.try_get(&team).await.ok());
        assert_eq!(bob.list("").await["sessionList"], json!([session]));
        session
    };
    let before = ext("before").await;
    assert_eq!(
        (&before["ext"], &before["lastMsg"]),
        (&json!("before"), &Value::Null),
        "an empty session, dated now"
    );
    t.deliver([&listing(group_message(&alice, &team, 5), &[&alice, &bob])]).await;
    assert_eq!(seen(&bob, &team).await, Some(message(5)), "the placeholder gives way");
    assert_eq!(bob.try_get(&team).await.ok()["ext"], "before");
    assert_eq!(ext("during").await["updateTime"], T0 + 5, "a live session does not move");
    t.deliver([&listing(notification(&bob, &team, 6, 2, &[]), &[&alice, &bob])]).await;
    assert_eq!(seen(&bob, &team).await, Some(message(6)));
    assert_eq!(bob.try_get(&team).await.ok()["ext"], "during");
    assert_eq!(ext("after").await["updateTime"], T0 + 6);
    bob.try_delete(&team).await.ok();
    assert_eq!(seen(&bob, &team).await, None);
    assert_eq!(alice.try_get(&team).await.ok()["ext"], Value::Null, "private");
}

async fn a_stranger_s_delete_writes_nothing(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice])]).await;
    let response = bob.try_delete(&team).await;
    assert_eq!(t.app.logs.of(&response.request_id).await["writeUnits"], 0.0);
    assert_eq!(response.ok()["deleted"], json!([team]));
    assert_eq!(t.item(&bob, &team).await, None);
}

async fn groups_and_friends_share_one_list(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let (one, other) = (team(), super_team());
    t.deliver([&listing(group_message(&alice, &one, 1), &[&alice, &bob])]).await;
    t.deliver([&test_support::copies::message(&alice, &bob, 2)]).await;
    t.patch_members(&other, 1, &[&bob], &[]).await;
    assert_eq!(bob.listed().await, [&*alice.session_id(), &*one], "a group without a message shows nothing");
    t.deliver([&group_message(&alice, &other, 2)]).await;
    let list = bob.list("needLastMsg=0").await;
    assert_eq!(
        test_support::test::ids(&list),
        [&*alice.session_id(), &*other, &*one],
        "at equal times own items come first"
    );
    assert!(list["sessionList"].as_array().unwrap().iter().all(|session| session.get("lastMsg").is_none()));
    for (query, expected) in [
        (format!("minTimestamp={}", T0 + 2), vec![&*other]),
        (format!("maxTimestamp={}", T0 + 1), vec![&*one]),
        (format!("minTimestamp={0}&maxTimestamp={0}", T0 + 1), vec![&*one]),
    ] {
        let listed = test_support::test::ids(&bob.list(&query).await);
        assert_eq!(listed.iter().filter(|id| id.contains("team")).collect::<Vec<_>>(), expected, "{query}");
    }
}

async fn fifty_concurrent_messages_end_with_the_newest(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    let copies: Vec<_> =
        (2..52).map(|at| listing(group_message(&alice, &team, at), &[&alice, &bob])).collect();
    let responses = futures_util::future::join_all(copies.iter().map(|copy| t.post(copy))).await;
    assert!(responses.iter().all(|response| response.status == 200), "none is rejected");
    assert_eq!(seen(&bob, &team).await, Some(message(51)));
}

async fn two_concurrent_member_lists_end_as_the_newer(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for round in 0..5 {
        let team = team();
        let (older, newer) = (
            listing(group_message(&alice, &team, 10 + round), &[&alice, &bob]),
            listing(with(group_message(&alice, &team, 20 + round), "body", "x"), &[&alice]),
        );
        let responses = futures_util::future::join_all([&older, &newer].map(|copy| t.post(copy))).await;
        for (response, copy) in responses.iter().zip([&older, &newer]) {
            assert!([200, 503].contains(&response.status), "{}", response.body);
            if response.status == 503 {
                t.deliver([copy]).await;
            }
        }
        assert_eq!((seen(&alice, &team).await, seen(&bob, &team).await), (Some(message(20 + round)), None));
    }
}
