//! Lists of many pages, with groups among the sessions.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, listing, message},
    fault_proxy::FaultProxy,
    scenarios,
    test::{Test, User, ids, team},
};

use super::paging::{all_ids, assert_each_once, pages};

scenarios![
    a_long_list_with_groups_pages_through_exactly_once,
    equal_times_of_groups_and_users_page_through_exactly_once,
    a_group_that_moves_up_while_paging_is_first_in_the_next_list,
];
scenarios![LOCAL_ONLY: groups_with_an_ext_do_not_cost_a_small_page_a_query_each];

/// Creates Bob with this many friends and groups, at the times that `time` returns for each.
async fn bob_with(t: &Test, friends: u64, groups: u64, time: fn(u64) -> u64) -> (User, HashSet<String>) {
    let bob = t.user("bob");
    let alice = t.user("alice");
    let mut expected = HashSet::new();
    let mut copies = Vec::new();
    for number in 0..friends {
        let friend = t.known_user(&format!("friend-{number}"));
        copies.push(message(&friend, &bob, time(number)));
        expected.insert(friend.session_id());
    }
    for number in 0..groups {
        let team = team();
        copies.push(listing(
            group_message(&alice, &team, time(number * friends / groups.max(1))),
            &[&alice, &bob],
        ));
        expected.insert(team);
    }
    stream::iter(&copies).for_each_concurrent(8, async |copy| t.deliver([copy]).await).await;
    (bob, expected)
}

fn assert_newest_first(pages: &[Value]) {
    let sessions = pages.iter().flat_map(|page| page["sessionList"].as_array().unwrap());
    let times: Vec<_> = sessions.map(|session| session["updateTime"].as_u64().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
}

async fn a_long_list_with_groups_pages_through_exactly_once(t: Test) {
    let (bob, expected) = bob_with(&t, 1_000, 150, |number| number / 3).await;
    // Meanwhile, groups that Bob is not a member of get messages.
    let strangers = async {
        let carol = t.user("carol");
        for at in 0..20 {
            t.deliver([&listing(group_message(&carol, &team(), at), &[&carol])]).await;
        }
    };
    let all = async {
        for limit in [7, 100] {
            let pages = pages(&bob, &format!("limit={limit}")).await;
            assert_each_once(&all_ids(&pages), &expected);
            assert_newest_first(&pages);
            let (last, full) = pages.split_last().unwrap();
            assert!(full.iter().all(|page| ids(page).len() == limit && page["hasMore"] == true));
            assert_eq!(
                (ids(last).len(), &last["hasMore"]),
                (expected.len() - full.len() * limit, &false.into())
            );
        }
    };
    tokio::join!(strangers, all);
}

async fn equal_times_of_groups_and_users_page_through_exactly_once(t: Test) {
    for time in [|_| 7, |number| number / 4] {
        let (bob, expected) = bob_with(&t, 24, 12, time).await;
        for limit in [1, 2, 5, 7, 36, 100] {
            let pages = pages(&bob, &format!("limit={limit}")).await;
            assert_each_once(&all_ids(&pages), &expected);
            assert_newest_first(&pages);
            assert_eq!(pages.len(), expected.len().div_ceil(limit), "hasMore is exact at limit {limit}");
        }
    }
}

async fn a_group_that_moves_up_while_paging_is_first_in_the_next_list(t: Test) {
    let (bob, expected) = bob_with(&t, 9, 3, |number| number).await;
    let first = bob.list("limit=4").await;
    let moved = expected.iter().find(|id| id.starts_with("team|") && !ids(&first).contains(id)).unwrap();
    let now = session_local::emulator::clock::now_ms();
    t.deliver([&group_message(&t.user("alice"), moved, now - T0)]).await;
    let mut seen = ids(&first);
    let mut page = first.clone();
    while let Some(cursor) = page["nextCursor"].as_str() {
        page = bob.list(&format!("limit=4&cursor={cursor}")).await;
        seen.extend(ids(&page));
    }
    assert_eq!(seen.len(), expected.len() - 1, "all the others, once");
    assert!(!seen.contains(moved));
    let watermark = &first["minTimestamp"];
    assert_eq!(ids(&bob.list(&format!("minTimestamp={watermark}")).await), [&**moved]);
}

async fn groups_with_an_ext_do_not_cost_a_small_page_a_query_each(t: Test) {
    let (bob, expected) = bob_with(&t, 3, 120, |number| number).await;
    for group in expected.iter().filter(|id| id.starts_with("team|")) {
        bob.patch(group, &json!({"ext": "muted"})).await.ok();
    }
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await).known_user(&bob.account);
    for limit in [1, 2, 100] {
        let before = proxy.requests().len();
        let pages = pages(&behind, &format!("limit={limit}")).await;
        assert_each_once(&all_ids(&pages), &expected);
        let queries = proxy.requests()[before..].iter().filter(|(_, action, _)| action == "Query").count();
        assert!(queries <= 4 * pages.len(), "{queries} queries for {} pages of {limit}", pages.len());
    }
}
