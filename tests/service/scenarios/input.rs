//! Bad input: a problem document names what is wrong, and nothing is changed.

use reqwest::{Method, header};
use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, message, with},
    scenarios,
    test::{Test, User, members_of, path_of, team, with_signature},
};

scenarios![
    bad_list_parameters,
    bad_session_ids,
    bad_exts,
    bad_batches,
    bad_group_changes,
    bodies_that_are_not_json,
    bodies_that_are_too_long,
    a_cursor_of_another_window_or_list,
];
scenarios![LOCAL_ONLY: bodies_that_are_not_utf8, ids_may_hold_every_character];

/// Creates Bob with one session, and returns everything that the engine stores of it.
async fn bob_with_a_session(t: &Test) -> (User, User, Value) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    bob.set_ext(&alice, "kept").await;
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    (alice, bob, item)
}

async fn assert_unchanged(t: &Test, alice: &User, bob: &User, item: &Value) {
    assert_eq!(t.item(bob, &alice.session_id()).await.as_ref(), Some(item));
    assert_eq!(bob.listed().await, [alice.session_id()], "and nothing new");
}

async fn bad_list_parameters(t: Test) {
    let bob = t.user("bob");
    let time = "must be a time in milliseconds, a whole number from 0 to 9007199254740991";
    for (query, detail) in [
        ("minTimestamp=", "minTimestamp must not be empty"),
        ("minTimestamp=-1", &format!("minTimestamp {time}")),
        ("minTimestamp=1.5", &format!("minTimestamp {time}")),
        ("minTimestamp=soon", &format!("minTimestamp {time}")),
        ("maxTimestamp=9007199254740992", &format!("maxTimestamp {time}")),
        ("maxTimestamp=99999999999999999999", &format!("maxTimestamp {time}")),
        ("minTimestamp=5&maxTimestamp=4", "minTimestamp must not be above maxTimestamp"),
        ("limit=", "limit must not be empty"),
        ("limit=0", "limit must be a whole number from 1 to 100"),
        ("limit=-1", "limit must be a whole number from 1 to 100"),
        ("limit=101", "limit must be a whole number from 1 to 100"),
        ("limit=ten", "limit must be a whole number from 1 to 100"),
        ("limit=1&limit=2", "limit must be given only once"),
        ("needLastMsg=2", "needLastMsg must be 0 or 1"),
        ("needLastMsg=true", "needLastMsg must be 0 or 1"),
        ("hasMore=yes", "hasMore must be 0 or 1"),
        ("cursor=", "cursor must not be empty"),
        ("cursor=x", "cursor must be a nextCursor as an earlier page gave it"),
        ("cursor=%00", "cursor must be a nextCursor as an earlier page gave it"),
    ] {
        let response = bob.try_list(query).await;
        response.is_problem(400, detail);
        assert_eq!(response.body["code"], 414);
    }
}

async fn bad_session_ids(t: Test) {
    let (alice, bob, item) = bob_with_a_session(&t).await;
    let long = format!("p2p|{}", "x".repeat(256));
    for id in [
        "alice",
        "p2p|",
        "chat|alice",
        "P2P|alice",
        "|alice",
        "team|a|b",
        "p2p|a\u{1}b",
        "p2p|a\u{7f}",
        &long,
    ] {
        let forms = "sessionId must be one of p2p|<accid>, team|<tid>, super_team|<tid>";
        bob.try_get(id).await.is_problem(400, forms);
        bob.try_delete(id).await.is_problem(400, forms);
        bob.patch(id, &json!({"ext": "x"})).await.is_problem(400, forms);
        let batch = json!({"sessionIds": [alice.session_id(), id]});
        bob.batch_delete(&batch)
            .await
            .is_problem(400, "sessionIds must hold valid ids: number 2 must be one of");
    }
    let slash = bob.try_get("p2p|a/b").await;
    assert_eq!(
        (slash.status, slash.body),
        (404, json!({"message": "Not Found"})),
        "no route has an encoded slash"
    );
    assert_unchanged(&t, &alice, &bob, &item).await;
}

async fn bad_exts(t: Test) {
    let (alice, bob, item) = bob_with_a_session(&t).await;
    for (body, detail) in [
        (json!({}), "ext is required"),
        (json!({"ext": null}), "ext is required"),
        (json!({"ext": 5}), "ext must be a string"),
        (json!({"ext": ["x"]}), "ext must be a string"),
        (json!({"ext": "x".repeat(1025)}), "ext must be at most 1024 characters long"),
        (json!({"ext": "x", "updateTime": 1}), "body must hold no other fields than ext"),
        (json!([]), "body must be a JSON object"),
    ] {
        bob.patch(&alice.session_id(), &body).await.is_problem(400, detail);
    }
    assert_unchanged(&t, &alice, &bob, &item).await;
}

async fn bad_batches(t: Test) {
    let (alice, bob, item) = bob_with_a_session(&t).await;
    let id = alice.session_id();
    let many: Vec<_> = (0..101).map(|number| format!("p2p|{number}")).collect();
    for (body, detail) in [
        (json!({}), "body must hold sessions or sessionIds"),
        (json!({"sessionIds": []}), "sessionIds must hold 1 to 100 sessions"),
        (json!({"sessionIds": many}), "sessionIds must hold 1 to 100 sessions"),
        (json!({"sessionIds": id}), "sessionIds must be an array of strings"),
        (json!({"sessionIds": [id, 5]}), "sessionIds must be an array of strings"),
        (json!({"sessionIds": [id, id]}), "sessionIds must hold valid ids: number 2 is there twice"),
        (
            json!({"sessionIds": [id], "all": true}),
            "body must hold no other fields than sessions, sessionIds",
        ),
        (
            json!({"sessions": [{"sessionId": id, "version": "soon"}]}),
            "sessions must hold valid sessions: number 1 has: version must",
        ),
        (
            json!({"sessions": [{"sessionId": id, "version": "0"}], "sessionIds": [id]}),
            "body must hold sessions or sessionIds, not both",
        ),
    ] {
        bob.batch_delete(&body).await.is_problem(400, detail);
    }
    assert_unchanged(&t, &alice, &bob, &item).await;
}

async fn bad_group_changes(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = team();
    t.patch_members(&group, 1, &[&alice, &bob], &[]).await;
    t.deliver([&group_message(&alice, &group, 2)]).await;
    let item = t.item(&bob, &group).await;
    let many: Vec<_> = (0..1_001).map(|number| format!("user-{number}")).collect();
    let time = T0 + 3;
    let ahead = session_local::emulator::clock::now_ms() + 6 * 60 * 1000;
    for (method, body, detail) in [
        (Method::PATCH, json!({"time": time, "remove": [bob.account]}), "groupId is required"),
        (
            Method::PATCH,
            json!({"groupId": "1", "time": time, "remove": ["x"]}),
            "groupId must be one of team|<tid>",
        ),
        (
            Method::PATCH,
            json!({"groupId": team(), "time": time, "remove": ["x"]}),
            "groupId must be the group",
        ),
        (Method::PATCH, json!({"groupId": group, "remove": [bob.account]}), "time is required"),
        (
            Method::PATCH,
            json!({"groupId": group, "time": -1, "remove": ["x"]}),
            "time must be a time in milliseconds, a whole number",
        ),
        (
            Method::PATCH,
            json!({"groupId": group, "time": ahead, "remove": ["x"]}),
            "time must be a time in milliseconds, not more than 5 minutes ahead",
        ),
        (
            Method::PATCH,
            json!({"groupId": group, "time": 1, "remove": ["x"]}),
            "time must be a time in milliseconds",
        ),
        (Method::PATCH, json!({"groupId": group, "time": time}), "add must hold accounts, or remove must"),
        (
            Method::PATCH,
            json!({"groupId": group, "time": time, "remove": many}),
            "add must hold at most 1000 accounts",
        ),
        (
            Method::PATCH,
            json!({"groupId": group, "time": time, "remove": "x"}),
            "remove must be an array of strings",
        ),
        (
            Method::PATCH,
            json!({"groupId": group, "time": time, "remove": ["x", "a/b"]}),
            "remove must hold valid",
        ),
        (
            Method::PATCH,
            json!({"groupId": group, "time": time, "members": []}),
            "body must hold no other fields",
        ),
        (Method::PUT, json!({"groupId": group, "time": time}), "members is required"),
        (
            Method::PUT,
            json!({"groupId": group, "time": time, "members": many}),
            "members must hold at most 200",
        ),
        (
            Method::PUT,
            json!({"groupId": group, "time": time, "members": ["x", "x"]}),
            "members must hold valid",
        ),
        (Method::PUT, json!({"groupId": group, "time": time, "add": []}), "body must hold no other fields"),
        (Method::PUT, json!([]), "body must be a JSON object"),
    ] {
        t.try_update_members(method, &group, &body).await.is_problem(400, detail);
    }
    let both = json!({"groupId": group, "time": time, "add": [bob.account], "remove": [bob.account]});
    t.try_update_members(Method::PATCH, &group, &both)
        .await
        .is_problem(400, "remove must not hold an account");
    let long = json!({"groupId": group, "time": time, "add": ["x".repeat(256 * 1024)]});
    for method in [Method::PATCH, Method::PUT] {
        let too_long = t.try_update_members(method.clone(), &group, &long).await;
        too_long.is_problem(413, "body must be at most 262144 bytes long");
        let untyped = t.request(method, &members_of(&group)).header(header::CONTENT_TYPE, "text/plain");
        t.send(with_signature(untyped, "{}", session_local::emulator::clock::now_ms()))
            .await
            .is_problem(415, "Content-Type must be application/json");
    }
    for id in ["p2p|x", "1", "team|"] {
        let body = json!({"groupId": id, "time": time, "remove": ["x"]});
        t.try_update_members(Method::PATCH, id, &body)
            .await
            .is_problem(400, "groupId must be one of team|<tid>");
    }
    assert_eq!(t.item(&bob, &group).await, item);
    assert_eq!(bob.listed().await, [group]);
}

async fn bodies_that_are_not_json(t: Test) {
    let (alice, bob, item) = bob_with_a_session(&t).await;
    for (method, path) in [
        (Method::PATCH, path_of(&alice.session_id())),
        (Method::POST, "/v1/sessions/batch-delete".to_owned()),
    ] {
        let send = async |content_type: Option<&str>, body: &'static [u8]| {
            let mut request = bob.request(method.clone(), &path).body(body);
            if let Some(content_type) = content_type {
                request = request.header(header::CONTENT_TYPE, content_type);
            }
            t.send(request).await
        };
        for body in [&b"{"[..], b"ext", b"", b"{\"ext\": \"\\ud800\"}"] {
            send(Some("application/json"), body).await.is_problem(400, "body must be JSON");
        }
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
            send(content_type, b"{}").await.is_problem(415, "Content-Type must be application/json");
        }
    }
    assert_unchanged(&t, &alice, &bob, &item).await;
}

async fn bodies_that_are_not_utf8(t: Test) {
    let (alice, bob, item) = bob_with_a_session(&t).await;
    let request = bob.request(Method::PATCH, &path_of(&alice.session_id()));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(&b"{\"ext\": \"\xff\"}"[..]);
    t.send(request).await.is_problem(400, "body must be JSON");
    assert_unchanged(&t, &alice, &bob, &item).await;
}

async fn bodies_that_are_too_long(t: Test) {
    let (alice, bob, item) = bob_with_a_session(&t).await;
    let long = "x".repeat(256 * 1024);
    let detail = "body must be at most 262144 bytes long";
    bob.patch(&alice.session_id(), &json!({ "ext": long })).await.is_problem(413, detail);
    bob.batch_delete(&json!({"sessionIds": [long]})).await.is_problem(413, detail);
    let response = t.post(&with(message(&alice, &bob, 2), "body", "x".repeat(1024 * 1024))).await;
    response.is_problem(413, "body must be at most 1048576 bytes long");
    assert_eq!(response.body["code"], 414);
    assert_unchanged(&t, &alice, &bob, &item).await;
}

async fn a_cursor_of_another_window_or_list(t: Test) {
    let (alice, bob, _) = bob_with_a_session(&t).await;
    t.deliver([&message(&t.user("carol"), &bob, 5)]).await;
    let cursor = bob.list("limit=1").await["nextCursor"].as_str().unwrap().to_owned();
    for window in [format!("minTimestamp={}", T0 + 1), format!("maxTimestamp={}", T0 + 9)] {
        let rejected = bob.try_list(&format!("{window}&cursor={cursor}")).await;
        rejected.is_problem(400, "cursor belongs to a list with other bounds");
        assert_eq!(rejected.body["type"], "urn:session-service:cursor-outside-window");
    }
    let bounded = format!("minTimestamp={}&maxTimestamp={}", T0 + 1, T0 + 5);
    let cursor_of_it =
        bob.list(&format!("{bounded}&limit=1")).await["nextCursor"].as_str().unwrap().to_owned();
    t.deliver([&message(&t.user("dora"), &bob, 0)]).await;
    for query in [String::new(), format!("&{bounded}")] {
        let rest = bob.list(&format!("cursor={cursor_of_it}{query}")).await;
        assert_eq!(
            test_support::test::ids(&rest),
            [alice.session_id()],
            "a page stays in the bounds of its list"
        );
    }
    let foreign = alice.list(&format!("cursor={cursor}")).await;
    assert_eq!(
        test_support::test::ids(&foreign),
        [bob.session_id()],
        "a foreign cursor stays in the caller's own list"
    );
}

async fn ids_may_hold_every_character(t: Test) {
    let bob = t.user("bob");
    for name in ["a b", "100%", "a%20b", "a+b", "a|b", "用户😀", "a?b#c&d=e", "..", "a\\b\"c"] {
        let friend = t.user(name);
        t.deliver([&message(&friend, &bob, 1)]).await;
        assert!(bob.has(&friend).await, "{name}");
        bob.set_ext(&friend, "x").await;
        bob.delete(&friend).await;
        assert!(!bob.has(&friend).await, "{name}");
        assert!(friend.has(&bob).await, "{name}: as a user");
    }
}
