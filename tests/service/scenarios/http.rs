//! HTTP conventions that clients and browsers rely on.

use reqwest::{Method, header};
use serde_json::{Value, json};
use session_local::backend::signing::LOCAL_APP_KEY;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use test_support::{
    copies::{T0, message},
    response::Response,
    scenarios,
    test::{Test, path_of, team},
};

scenarios![
    each_problem_has_a_type_of_its_own,
    misspelt_parameters_are_rejected,
    whole_numbers_may_be_written_as_doubles,
    a_merge_patch_is_a_patch,
];
scenarios![LOCAL_ONLY:
    cors_allows_web_apps_of_other_origins,
    a_rejection_has_headers_for_the_client,
    paths_are_decoded_exactly_once,
    an_id_with_a_slash_matches_no_route,
    requests_with_too_long_headers_are_rejected,
    malformed_requests_get_a_400,
    tokens_are_not_cached,
    a_claim_that_is_not_a_string_names_no_user,
    the_gateway_maps_statuses_by_the_template,
];

fn summary(response: &Response) -> (u16, String, Value) {
    let case = response.body["type"].as_str().expect("a type").to_owned();
    let case = case.strip_prefix("urn:session-service:").expect("one of ours").to_owned();
    (response.status, case, response.body["parameter"].clone())
}

async fn each_problem_has_a_type_of_its_own(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let copy = message(&alice, &bob, 1);
    t.deliver([&copy, &message(&t.user("carol"), &bob, 2)]).await;
    let id = alice.session_id();
    let cursor = bob.list("limit=1").await["nextCursor"].as_str().unwrap().to_owned();
    let foreign = alice.list("").await["syncToken"].as_str().unwrap().to_owned();
    let forged = t.post_by(&t.app.feed.signed_by(LOCAL_APP_KEY, "other"), copy.to_string()).await;
    let untyped = bob.request(Method::PATCH, &path_of(&id)).body("{}");
    let untyped = untyped.header(header::CONTENT_TYPE, "text/plain");
    let long = json!({"ext": "x".repeat(256 * 1024)});
    for (response, status, case, parameter) in [
        (bob.try_list("limit=0").await, 400, "invalid-parameter", json!("limit")),
        (bob.try_get("bare").await, 400, "invalid-parameter", json!("sessionId")),
        (bob.patch(&id, &json!({"ext": 5})).await, 400, "invalid-body", json!("ext")),
        (bob.patch(&id, &json!([])).await, 400, "invalid-body", Value::Null),
        (
            bob.try_list(&format!("cursor={cursor}&minTimestamp=1")).await,
            400,
            "cursor-outside-window",
            json!("cursor"),
        ),
        (t.send(untyped).await, 415, "unsupported-media-type", Value::Null),
        (forged, 403, "bad-signature", Value::Null),
        (bob.try_get("p2p|nobody").await, 404, "no-such-session", Value::Null),
        (bob.try_changes(&format!("since={foreign}")).await, 410, "sync-token-expired", json!("since")),
        (bob.patch(&id, &long).await, 413, "too-large", Value::Null),
    ] {
        assert_eq!(summary(&response), (status, case.to_owned(), parameter));
    }
}

async fn misspelt_parameters_are_rejected(t: Test) {
    let bob = t.user("bob");
    let routes = t.app.routes().iter().filter(|route| route.authorized);
    for route in routes {
        let path = route.path.replace("{sessionId}", "p2p%7Calice");
        let request = bob.request(route.method.parse().unwrap(), &format!("{path}?limt=1"));
        let response = t.send(request.json(&json!({"ext": "x", "sessionIds": ["p2p|alice"]}))).await;
        response.is_problem(400, "limt is not known; known here: ");
        assert_eq!(summary(&response).2, "limt", "{}", route.key());
    }
    let response = bob.try_list("minTimeStamp=1&limit=5").await;
    let known = "minTimestamp, maxTimestamp, needLastMsg, limit, hasMore, cursor";
    response.is_problem(400, &format!("minTimeStamp is not known; known here: {known}"));
}

async fn whole_numbers_may_be_written_as_doubles(t: Test) {
    let bob = t.user("bob");
    let group = team();
    let body = format!(r#"{{"groupId": "{group}", "time": {T0}.0, "add": ["{}"]}}"#, bob.account);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["time"].is_f64());
    t.try_update_members(Method::PATCH, &group, &body).await.ok();
    assert!(t.item(&bob, &group).await.is_some());
}

async fn a_merge_patch_is_a_patch(t: Test) {
    let bob = t.user("bob");
    let request = bob.request(Method::PATCH, "/v1/sessions/p2p%7Calice").body(r#"{"ext": "pinned"}"#);
    let request = request.header(header::CONTENT_TYPE, "application/merge-patch+json");
    assert_eq!(t.send(request).await.ok()["ext"], "pinned");
    let request = bob.request(Method::PATCH, "/v1/sessions/p2p%7Calice").body(r#"{"ext": null}"#);
    let request = request.header(header::CONTENT_TYPE, "application/merge-patch+json");
    assert_eq!(t.send(request).await.ok()["ext"], Value::Null);
}

async fn cors_allows_web_apps_of_other_origins(t: Test) {
    const ORIGIN: &str = "http://app.example:3000";
    let bob = t.user("bob");
    let preflight = t
        .request(Method::OPTIONS, "/v1/sessions/p2p%7Calice")
        .header(header::ORIGIN, ORIGIN)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,traceparent");
    let preflight = preflight.send().await.unwrap();
    assert!(preflight.status().is_success());
    let header = |name: &str| preflight.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "*");
    assert!(header("access-control-allow-methods").contains("PATCH"));
    for name in ["authorization", "content-type", "traceparent"] {
        assert!(header("access-control-allow-headers").contains(name), "{name}");
    }
    // A success, a problem document, and the gateway's own rejections.
    for (path, token, status) in [
        ("/v1/sessions", &*bob.token, 200),
        ("/v1/sessions?limit=0", &*bob.token, 400),
        ("/v1/sessions", "no token", 401),
        ("/v1/elsewhere", &*bob.token, 404),
    ] {
        let request = t.request(Method::GET, path).bearer_auth(token).header(header::ORIGIN, ORIGIN);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
        for name in ["apigw-requestid", "retry-after", "www-authenticate"] {
            assert!(exposed.contains(name), "{path}: {exposed}");
        }
    }
    let response = t.request(Method::GET, "/v1/sessions").bearer_auth(&bob.token).send().await.unwrap();
    assert_eq!(response.headers().get("access-control-allow-origin"), None, "no browser");
    // If the template names origins, no others are allowed.
    let t =
        Test::at(t.app.with_parameters(&[("CorsAllowOrigins", "http://a.example,http://b.example")]).await);
    for (origin, allowed) in [("http://b.example", true), (ORIGIN, false)] {
        let response =
            t.request(Method::GET, "/v1/sessions").header(header::ORIGIN, origin).send().await.unwrap();
        assert_eq!(response.headers().get("access-control-allow-origin").is_some(), allowed, "{origin}");
    }
    let issuer =
        t.request(Method::POST, "/local-issuer/token?user=bob").header(header::ORIGIN, "http://b.example");
    let issuer = issuer.send().await.unwrap();
    assert_eq!(issuer.headers().get("access-control-allow-origin"), None, "tokens are not for every page");
}

async fn a_rejection_has_headers_for_the_client(t: Test) {
    let response = t.request(Method::GET, "/v1/sessions").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["www-authenticate"].to_str().unwrap()),
        (401, &"Bearer")
    );
    let ahead = session_local::emulator::clock::now_ms() + 10 * 60 * 1000;
    let (alice, bob) = t.alice_and_bob();
    let early = test_support::copies::with(message(&alice, &bob, 1), "msgTimestamp", ahead);
    let response = t.app.feed.post(&early).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"].to_str().unwrap()),
        (503, &"1")
    );
}

async fn paths_are_decoded_exactly_once(t: Test) {
    let bob = t.user("bob");
    let get = async |path: &str| t.send(bob.request(Method::GET, &format!("/v1/sessions/{path}"))).await;
    get("p2p%257Calice").await.is_problem(400, "sessionId must be one of p2p|<accid>");
    get("p2p%7C%FF").await.is_problem(400, "sessionId must be one of p2p|<accid>");
    get("p2p%7C%EF%BF%BD").await.is_problem(400, "sessionId must be one of p2p|<accid>");
    for stray in ["p2p%7Ca%", "p2p%7Ca%7", "p2p%7Ca%ZZ"] {
        let response = get(stray).await;
        assert_eq!((response.status, response.body), (400, json!({"message": "Bad Request"})), "{stray}");
    }
    let named = json!({"sessionIds": ["p2p|half \u{fffd}"]});
    bob.batch_delete(&named).await.is_problem(400, "sessionIds must hold valid ids: number 1");
}

async fn an_id_with_a_slash_matches_no_route(t: Test) {
    let bob = t.user("bob");
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let request = bob.request(method, "/v1/sessions/p2p%7Ca%2Fb").json(&json!({"ext": "x"}));
        let response = t.send(request).await;
        assert_eq!((response.status, response.body), (404, json!({"message": "Not Found"})));
    }
    for method in [Method::PATCH, Method::PUT] {
        let response = t.try_update_members(method, "team|a/b", &json!({})).await;
        assert_eq!((response.status, response.body), (404, json!({"message": "Not Found"})));
    }
}

async fn requests_with_too_long_headers_are_rejected(t: Test) {
    let bob = t.user("bob");
    let with = async |bytes: usize| {
        let request = bob.request(Method::GET, "/v1/sessions").header("x-long", "x".repeat(bytes));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((with(5_000).await, with(11_000).await), (200, 431));
}

async fn malformed_requests_get_a_400(t: Test) {
    let bob = t.user("bob");
    let address = t.app.url().trim_start_matches("http://").to_owned();
    let status = async |headers: &str, body: &str| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "PATCH /v1/sessions/p2p%7Calice HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Connection: close\r\n{headers}\r\n{body}",
            bob.token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let host = format!("Host: {address}\r\n");
    let chunked = format!("{host}Transfer-Encoding: chunked\r\n");
    let body = r#"{"ext": "x"}"#;
    let length = format!("Content-Length: {}\r\n", body.len());
    assert_eq!(status(&format!("{host}{length}"), body).await, "200");
    assert_eq!(status(&chunked, &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())).await, "200");
    assert_eq!(status(&chunked, &format!("zz\r\n{body}\r\n0\r\n\r\n")).await, "400", "a broken chunk");
    assert_eq!(status(&length, body).await, "400", "no host");
    assert_eq!(status(&format!("{host}{host}{length}"), body).await, "400", "two hosts");
}

async fn tokens_are_not_cached(t: Test) {
    let response = t.request(Method::POST, "/local-issuer/token?user=bob").send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let bob = t.user("bob");
    let list = bob.request(Method::GET, "/v1/sessions").send().await.unwrap();
    assert_eq!(
        (&list.headers()["cache-control"], &list.headers()["x-content-type-options"]),
        (&"no-store".parse().unwrap(), &"nosniff".parse().unwrap())
    );
}

async fn a_claim_that_is_not_a_string_names_no_user(t: Test) {
    let issuer = t.app.issuer();
    for user in [Value::Null, json!(["alice"]), json!({"name": "alice"}), json!("")] {
        let mut claims = issuer.claims("alice");
        claims["sub"] = user.clone();
        let request = t.request(Method::GET, "/v1/sessions").bearer_auth(issuer.sign(&claims).unwrap());
        assert_eq!(t.send(request).await.status, 401, "{user}");
    }
}

async fn the_gateway_maps_statuses_by_the_template(t: Test) {
    let t = Test::at(t.app.with_function("update-group-members", "misbehaving").await);
    let response = t.try_update_members(Method::PUT, "team|1", &json!({})).await;
    assert_eq!(
        (response.status, &response.body["status"]),
        (503, &json!(500)),
        "the function's own is another"
    );
}
