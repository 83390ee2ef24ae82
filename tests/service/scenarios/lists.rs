//! One page: its sessions and its other fields.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::{Method, header};
use serde_json::Value;

use test_support::{
    copies::{T0, message, with},
    scenarios,
    test::{Test, User, ids},
};

scenarios![
    sessions_are_listed_newest_first,
    a_session_moves_up_when_it_gets_a_message,
    the_window_is_inclusive_on_both_ends,
    has_more_is_exact,
    without_last_messages_everything_else_is_equal,
    an_incremental_list_starts_ten_minutes_back,
    has_more_in_the_request_has_no_effect,
    a_page_is_compressed_if_accepted,
    a_user_without_messages_has_an_empty_list,
];

/// Creates Bob with a session at each of these times.
async fn bob_with(t: &Test, times: &[u64]) -> (User, Vec<String>) {
    let bob = t.user("bob");
    let mut session_ids = Vec::new();
    for &at in times {
        let friend = t.user(&format!("friend-{at}"));
        t.deliver([&message(&friend, &bob, at)]).await;
        session_ids.push(friend.session_id());
    }
    (bob, session_ids)
}

async fn sessions_are_listed_newest_first(t: Test) {
    let (bob, friends) = bob_with(&t, &[2, 3, 1]).await;
    assert_eq!(bob.listed().await, [&*friends[1], &*friends[0], &*friends[2]]);
}

async fn a_session_moves_up_when_it_gets_a_message(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    t.deliver([&message(&alice, &bob, 1), &message(&carol, &bob, 2), &message(&bob, &alice, 3)]).await;
    assert_eq!(bob.listed().await, [alice.session_id(), carol.session_id()]);
}

async fn the_window_is_inclusive_on_both_ends(t: Test) {
    let (bob, friends) = bob_with(&t, &[1, 2, 3, 4]).await;
    let window =
        async |min: u64, max: u64| ids(&bob.list(&format!("minTimestamp={min}&maxTimestamp={max}")).await);
    assert_eq!(window(T0 + 2, T0 + 3).await, [&*friends[2], &*friends[1]]);
    assert_eq!(window(T0 + 2, T0 + 2).await, [&*friends[1]]);
    assert_eq!(window(T0 + 3, 0).await, [&*friends[3], &*friends[2]], "0 is no upper bound");
    assert_eq!(window(0, T0 + 1).await, [&*friends[0]], "0 is no lower bound");
    assert!(window(T0 + 5, T0 + 9).await.is_empty());
}

async fn has_more_is_exact(t: Test) {
    let (bob, _) = bob_with(&t, &[1, 2, 3]).await;
    for (query, listed, has_more) in [
        ("limit=2".to_owned(), 2, true),
        ("limit=3".to_owned(), 3, false),
        ("limit=4".to_owned(), 3, false),
        (format!("limit=2&minTimestamp={}", T0 + 2), 2, false),
        (format!("limit=1&minTimestamp={}", T0 + 2), 1, true),
        (format!("limit=1&maxTimestamp={}", T0 + 1), 1, false),
    ] {
        let list = bob.list(&query).await;
        assert_eq!((ids(&list).len(), &list["hasMore"]), (listed, &has_more.into()), "{query}");
        assert_eq!(list["nextCursor"].is_string(), has_more, "{query}");
    }
}

async fn without_last_messages_everything_else_is_equal(t: Test) {
    let (bob, _) = bob_with(&t, &[1, 2]).await;
    let mut with = bob.list("needLastMsg=1").await["sessionList"].take();
    let without = bob.list("needLastMsg=0").await["sessionList"].take();
    for session in with.as_array_mut().unwrap() {
        assert!(session.as_object_mut().unwrap().remove("lastMsg").is_some());
    }
    assert_eq!(with, without);
}

async fn an_incremental_list_starts_ten_minutes_back(t: Test) {
    let (bob, _) = bob_with(&t, &[1, 2]).await;
    let now = session_local::emulator::clock::now_ms();
    let list = bob.list("limit=1").await;
    let watermark = list["minTimestamp"].as_u64().unwrap();
    assert!((now - 600_000..now - 590_000).contains(&watermark), "{watermark} at {now}");
    let cursor = list["nextCursor"].as_str().unwrap();
    for query in [format!("cursor={cursor}"), format!("maxTimestamp={now}")] {
        assert_eq!(bob.list(&query).await["minTimestamp"], Value::Null, "{query}");
    }
    assert!(bob.list(&format!("minTimestamp={watermark}")).await["minTimestamp"].is_u64());
}

async fn has_more_in_the_request_has_no_effect(t: Test) {
    let (bob, _) = bob_with(&t, &[1, 2]).await;
    let sessions = bob.list("limit=1").await["sessionList"].take();
    for query in ["limit=1&hasMore=0", "limit=1&hasMore=1"] {
        assert_eq!(bob.list(query).await["sessionList"], sessions);
    }
}

async fn a_page_is_compressed_if_accepted(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&with(message(&alice, &bob, 1), "body", "text ".repeat(900))]).await;
    let page = async |accepted: &str| {
        let request = bob.request(Method::GET, "/v1/sessions?maxTimestamp=9007199254740991");
        request.header(header::ACCEPT_ENCODING, accepted).send().await.unwrap()
    };
    let plain = page("identity").await;
    assert_eq!(plain.headers().get(header::CONTENT_ENCODING), None);
    let plain = plain.bytes().await.unwrap();
    let compressed = page("br, gzip").await;
    assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(compressed.headers()[header::VARY], "accept-encoding");
    let compressed = compressed.bytes().await.unwrap();
    let mut text = String::new();
    GzDecoder::new(&*compressed).read_to_string(&mut text).unwrap();
    assert_eq!(text.as_bytes(), plain);
    assert!(compressed.len() * 4 < plain.len());
}

async fn a_user_without_messages_has_an_empty_list(t: Test) {
    let list = t.user("loner").list("").await;
    assert_eq!((&list["hasMore"], &list["sessionList"]), (&false.into(), &Value::Array(vec![])));
}
