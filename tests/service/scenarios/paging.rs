//! Lists of many pages.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use serde_json::Value;

use test_support::{
    copies::{T0, message, with},
    scenarios,
    test::{Test, User, ids},
};

scenarios![
    paging_by_cursor_gives_each_session_of_one_millisecond_once,
    paging_by_time_works_as_in_yunxin,
    paging_by_cursor_keeps_the_order,
    a_session_that_moves_up_while_paging_is_in_the_next_list,
];
scenarios![LOCAL_ONLY: pages_reach_past_one_megabyte_of_items, a_page_ends_before_4_mb];

/// Creates Bob with sessions at these times, several of which are recorded concurrently.
async fn bob_with(t: &Test, times: impl IntoIterator<Item = u64>, body: &str) -> (User, HashSet<String>) {
    let bob = t.user("bob");
    let copies = times.into_iter().enumerate().map(|(number, at)| {
        let friend = t.known_user(&format!("friend-{number}"));
        (friend.session_id(), with(message(&friend, &bob, at), "body", body))
    });
    let copies: Vec<_> = copies.collect();
    stream::iter(&copies).for_each_concurrent(8, async |(_, copy)| t.deliver([copy]).await).await;
    (bob, copies.into_iter().map(|(id, _)| id).collect())
}

/// Fetches all pages by cursor.
pub(super) async fn pages(user: &User, query: &str) -> Vec<Value> {
    let mut pages = vec![user.list(query).await];
    while let Some(cursor) = pages.last().and_then(|page| page["nextCursor"].as_str()) {
        assert!(pages.len() < 1_000, "paging ends");
        let next = user.list(&format!("{query}&cursor={cursor}")).await;
        pages.push(next);
    }
    pages
}

pub(super) fn all_ids(pages: &[Value]) -> Vec<String> {
    pages.iter().flat_map(ids).collect()
}

pub(super) fn assert_each_once(listed: &[String], expected: &HashSet<String>) {
    assert_eq!(listed.len(), expected.len());
    assert_eq!(listed.iter().cloned().collect::<HashSet<_>>(), *expected);
}

async fn paging_by_cursor_gives_each_session_of_one_millisecond_once(t: Test) {
    let (bob, friends) = bob_with(&t, [7; 250], "x").await;
    for (limit, expected_pages) in [(1, 250), (7, 36), (100, 3)] {
        let pages = pages(&bob, &format!("limit={limit}")).await;
        assert_eq!(pages.len(), expected_pages);
        assert!(
            pages[..expected_pages - 1]
                .iter()
                .all(|page| ids(page).len() == limit && page["hasMore"] == true)
        );
        assert_each_once(&all_ids(&pages), &friends);
    }
}

/// Yunxin's clients send the last element's time as `maxTimestamp` and drop the sessions that they already show. If more sessions
/// share one time than a page holds, they never get past it.
async fn paging_by_time_works_as_in_yunxin(t: Test) {
    let (bob, friends) = bob_with(&t, [9, 8, 8, 7, 6, 6, 6, 5], "x").await;
    let mut shown: Vec<String> = Vec::new();
    let mut query = "limit=4".to_owned();
    loop {
        let list = bob.list(&query).await;
        shown.extend(ids(&list).into_iter().filter(|id| !shown.contains(id)).collect::<Vec<_>>());
        if list["hasMore"] == false {
            break;
        }
        let oldest = list["sessionList"].as_array().unwrap().last().unwrap();
        query = format!("limit=4&maxTimestamp={}", oldest["updateTime"]);
    }
    assert_each_once(&shown, &friends);

    let (bob, _) = bob_with(&t, [7; 5], "x").await;
    let first = bob.list("limit=4").await;
    let second = bob.list(&format!("limit=4&maxTimestamp={}", T0 + 7)).await;
    assert_eq!(ids(&first), ids(&second), "stuck, and hasMore shows it");
    assert_eq!(second["hasMore"], true);
}

async fn paging_by_cursor_keeps_the_order(t: Test) {
    let (bob, friends) = bob_with(&t, (0..60).map(|number| number / 4), "x").await;
    for query in ["limit=7", "limit=4", &format!("limit=5&minTimestamp={T0}&maxTimestamp={}", T0 + 14)] {
        let pages = pages(&bob, query).await;
        assert_each_once(&all_ids(&pages), &friends);
        let times = pages.iter().flat_map(|page| page["sessionList"].as_array().unwrap());
        let times: Vec<_> = times.map(|session| session["updateTime"].as_u64().unwrap()).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{query}");
    }
    let inner = pages(&bob, &format!("limit=3&minTimestamp={}&maxTimestamp={}", T0 + 3, T0 + 4)).await;
    assert_eq!(all_ids(&inner).len(), 8, "the window bounds every page");
}

async fn pages_reach_past_one_megabyte_of_items(t: Test) {
    let t = with_long_texts(&t).await;
    let (bob, friends) = bob_with(&t, 0..100, &"x".repeat(20_000)).await;
    let page = bob.list("").await;
    assert_eq!(page["hasMore"], false, "2 MB in one page, from three responses of DynamoDB");
    assert_each_once(&ids(&page), &friends);
    assert_each_once(&all_ids(&pages(&bob, "limit=70").await), &friends);
}

/// Quotes are the worst case: each takes 4 characters in a page's text. A page without last messages ends at the same session, because
/// they are read all the same.
async fn a_page_ends_before_4_mb(t: Test) {
    let t = with_long_texts(&t).await;
    let (bob, friends) = bob_with(&t, 0..100, &"\"".repeat(30_000)).await;
    let first = pages(&bob, "limit=100").await;
    assert_eq!(first.len(), 2);
    let text = first[0].to_string().len();
    assert!((3_800_000..4_010_000).contains(&text), "{text}");
    assert_each_once(&all_ids(&first), &friends);
    let without = pages(&bob, "limit=100&needLastMsg=0").await;
    assert_eq!(without.iter().map(ids).collect::<Vec<_>>(), first.iter().map(ids).collect::<Vec<_>>());
}

/// A service whose last messages may be as long as a parameter allows.
pub(super) async fn with_long_texts(t: &Test) -> Test {
    Test::at(t.app.with_parameters(&[("LastMsgBytes", "40960")]).await)
}

async fn a_session_that_moves_up_while_paging_is_in_the_next_list(t: Test) {
    let (bob, friends) = bob_with(&t, 0..9, "x").await;
    let first = bob.list("limit=3").await;
    let now = session_local::emulator::clock::now_ms();
    let moved = t.known_user("friend-0");
    t.deliver([&message(&moved, &bob, now - T0)]).await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = bob.list(&format!("limit=100&cursor={cursor}")).await;
    let seen: HashSet<_> = ids(&first).into_iter().chain(ids(&rest)).collect();
    assert_eq!(seen.len(), friends.len() - 1);
    let watermark = &first["minTimestamp"];
    assert_eq!(ids(&bob.list(&format!("minTimestamp={watermark}")).await), [moved.session_id()]);
}
