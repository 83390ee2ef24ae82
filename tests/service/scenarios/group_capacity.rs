//! The capacity units of groups: a message costs the same for any size of the group.

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, group_recall, listing, message, notification, with},
    response::Response,
    scenarios,
    test::{Test, User, super_team, team},
};

scenarios![LOCAL_ONLY:
    a_message_to_a_group_of_any_size_is_one_write,
    the_cost_of_membership_changes,
    the_cost_of_reading_and_deleting_group_sessions,
    a_page_with_groups,
];

// 1,000 removals are 2,000 writes. DynamoDB Local does not complete them in time while all scenarios use it.
scenarios![EMBEDDED_ONLY: a_thousand_removals_in_one_request, deleting_strangers_groups_reads_only_own_items];

/// Returns the read and write units of a successful request.
async fn units(t: &Test, response: &Response) -> (f64, f64) {
    assert_eq!(response.status, 200, "{}", response.body);
    super::capacity::units(t, response).await
}

async fn written(t: &Test, copy: &Value) -> f64 {
    let (read, write) = units(t, &t.post(copy).await).await;
    assert_eq!(read, 0.0, "recording reads nothing");
    write
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("member-{number:05}")).collect()
}

async fn a_message_to_a_group_of_any_size_is_one_write(t: Test) {
    let alice = t.user("alice");
    for (members, expected) in [(5, 1.0), (200, 3.0)] {
        let team = team();
        let listed = format!("[{}]", names(members).join(", "));
        let message_at = |at| with(group_message(&alice, &team, at), "tMembers", listed.clone());
        t.deliver([&message_at(1)]).await;
        assert_eq!(written(&t, &message_at(2)).await, expected, "{members} members");
        assert_eq!(written(&t, &message_at(2)).await, 1.0, "a duplicate");
        assert_eq!(written(&t, &group_recall(&alice, &team, 2, 9)).await, expected, "a recall");
    }
    let super_team = super_team();
    for add in names(10_000).chunks(200) {
        let body = json!({"groupId": super_team, "time": T0, "add": add});
        t.try_update_members(Method::PATCH, &super_team, &body).await.ok();
    }
    t.deliver([&group_message(&alice, &super_team, 1)]).await;
    assert_eq!(written(&t, &group_message(&alice, &super_team, 2)).await, 1.0, "ten thousand members");
}

/// The units that are written. These changes are late, so they also read the markers of erased users.
async fn the_cost_of_membership_changes(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    let written = async |t: &Test, copy: &Value| units(t, &t.post(copy).await).await.1;
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice])]).await;
    let joins = listing(notification(&alice, &team, 2, 0, &[&bob]), &[&alice, &bob]);
    assert_eq!(
        written(&t, &joins).await,
        1.0 + 3.0 + 1.0 + 1.0,
        "rejected, Bob's new item, the list, the message"
    );
    let leaves = listing(notification(&bob, &team, 3, 2, &[]), &[&alice, &bob]);
    let list = 1.0 + 1.0 + 1.0;
    // Each write of their session item sets its change time again.
    let session_item = 3.0 + 3.0;
    assert_eq!(
        written(&t, &leaves).await,
        list + session_item + 1.0,
        "the list, Bob's membership and notice, their hash"
    );

    let super_team = super_team();
    let patch = async |at: u64, add: &[&User], remove: &[&User]| {
        let accounts = |users: &[&User]| users.iter().map(|user| user.account.clone()).collect::<Vec<_>>();
        let body =
            json!({"groupId": super_team, "time": T0 + at, "add": accounts(add), "remove": accounts(remove)});
        units(&t, &t.try_update_members(Method::PATCH, &super_team, &body).await).await.1
    };
    assert_eq!(patch(1, &[&bob], &[]).await, 3.0, "a join");
    assert_eq!(patch(1, &[&bob], &[]).await, 4.0, "again: the change time moves in both indexes");
    assert_eq!(
        patch(2, &[], &[&bob]).await,
        3.0 + 3.0 + 1.0,
        "a leave: membership, empty session, group item"
    );
    let notice = notification(&alice, &super_team, 3, 401, &[&bob]);
    assert_eq!(
        written(&t, &notice).await,
        5.0 + 3.0 + 1.0,
        "a join of an item that shows something, the sender's new item, and the message"
    );
}

async fn a_thousand_removals_in_one_request(t: Test) {
    let accounts = names(1_000);
    // A debug build may miss its deadline while all scenarios run. Another group is used then, because a repeat costs different
    // units.
    for _ in 0..3 {
        let super_team = super_team();
        for add in accounts.chunks(200) {
            let join = json!({"groupId": super_team, "time": T0, "add": add});
            t.try_update_members(Method::PATCH, &super_team, &join).await.ok();
        }
        let leave = json!({"groupId": super_team, "time": T0 + 1, "remove": accounts});
        let response = t.try_update_members(Method::PATCH, &super_team, &leave).await;
        if response.status == 200 {
            assert_eq!(units(&t, &response).await.1, 1_000.0 * (3.0 + 3.0) + 1.0);
            return;
        }
        response.is_problem(503, "no response in time");
    }
    panic!("three times not in time");
}

async fn the_cost_of_reading_and_deleting_group_sessions(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    assert_eq!(units(&t, &bob.try_get(&team).await).await, (1.5, 0.0), "get");
    assert_eq!(units(&t, &bob.patch(&team, &json!({"ext": "x"})).await).await, (0.5, 5.0), "set ext");
    assert_eq!(units(&t, &bob.try_delete(&team).await).await, (2.0, 5.0), "delete");
    // A session item that shows nothing of its own.
    t.deliver([&group_message(&alice, &team, 2)]).await;
    assert_eq!(units(&t, &bob.try_delete(&team).await).await, (2.0, 4.0), "delete without an ext");
}

/// However large the group items are.
async fn deleting_strangers_groups_reads_only_own_items(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let groups: Vec<_> = (0..100).map(|_| team()).collect();
    let long = "x".repeat(10_000);
    let copies = groups
        .iter()
        .map(|group| with(listing(group_message(&alice, group, 1), &[&alice]), "body", long.as_str()));
    stream::iter(copies).for_each_concurrent(8, async |copy| t.deliver([&copy]).await).await;
    let response = bob.batch_delete(&json!({ "sessionIds": groups })).await;
    assert_eq!(units(&t, &response).await, (100.0, 0.0));
    for group in &groups {
        assert!(alice.time_of(group).await.is_some());
    }
}

/// The user's own session items of the groups cost their share of 4 KB per unit. The group items cost 0.5 units each.
async fn a_page_with_groups(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for number in 0..10 {
        t.deliver([&message(&t.known_user(&format!("friend-{number}")), &bob, number)]).await;
    }
    let empty = if t.app.engine() == "embedded" { 1.0 } else { 0.0 };
    let own_items = 1.0;
    assert_eq!(units(&t, &bob.try_list("").await).await, (own_items + empty, 0.0), "no groups");
    for count in [30, 500] {
        let teams: Vec<_> = (0..count).map(|_| team()).collect();
        let copies = teams.iter().map(|team| listing(group_message(&alice, team, 1), &[&bob]));
        stream::iter(copies).for_each_concurrent(8, async |copy| t.deliver([&copy]).await).await;
        let (read, write) = units(&t, &bob.try_list("").await).await;
        let all = if count == 30 { 30.0 } else { 530.0 };
        let memberships = read - own_items - all / 2.0;
        let bytes_of_an_item = memberships * 4_096.0 / all;
        assert!(memberships >= 1.0 && bytes_of_an_item < 180.0, "{memberships} units for {all} memberships");
        assert_eq!(write, 0.0);
    }
}
