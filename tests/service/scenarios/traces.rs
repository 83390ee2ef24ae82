//! The traces of the last requests, which the service keeps for the console, and access to them.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use session_local::backend::signing::LOCAL_APP_SECRET;

use test_support::{copies::message, scenarios, test::Test};

scenarios![
    each_database_request_belongs_to_its_exchange,
    no_secret_is_shown,
    the_last_1000_exchanges_are_listed,
    tracing_off_costs_nothing,
    only_local_clients_may_use_dev_routes,
    a_repeated_request_is_signed_again,
];

async fn asked(t: &Test, path: &str) -> Value {
    let response = t.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

async fn exchanges(t: &Test) -> Vec<Value> {
    let exchanges = asked(t, "/console/requests").await;
    let numbers: Vec<_> =
        exchanges.as_array().unwrap().iter().map(|exchange| exchange["number"].clone()).collect();
    join_all(numbers.iter().map(async |number| asked(t, &format!("/console/requests/{number}")).await)).await
}

/// Many concurrent requests, in as many processes: no request to DynamoDB is assigned to the wrong one.
async fn each_database_request_belongs_to_its_exchange(t: Test) {
    let own = Test::at(t.app.traced().await);
    let users: Vec<_> = (0..12).map(|number| own.known_user(&format!("user-{number}-"))).collect();
    let friend = own.known_user("friend");
    for _ in 0..3 {
        join_all(users.iter().map(async |user| {
            user.list("").await;
            own.deliver([&message(user, &friend, 1)]).await;
            user.set_ext(&friend, "pinned").await;
        }))
        .await;
    }
    let exchanges = exchanges(&own).await;
    assert_eq!(exchanges.len(), 3 * 3 * users.len());
    for exchange in exchanges {
        let body: Value = serde_json::from_str(exchange["body"].as_str().unwrap()).unwrap_or_default();
        let user = exchange["user"].as_str().or_else(|| body["fromAccount"].as_str()).unwrap();
        let requests: Vec<_> = exchange["requests"].as_array().unwrap().iter().collect();
        let of_store: Vec<_> = requests
            .iter()
            .filter(|request| !request["key"].as_str().unwrap().contains("/open-connection"))
            .collect();
        assert!(!of_store.is_empty(), "{exchange}");
        for request in of_store {
            assert!(request["input"].as_str().unwrap().contains(user), "{user}: {request}");
        }
    }
}

async fn no_secret_is_shown(t: Test) {
    let own = Test::at(t.app.traced().await);
    let (alice, bob) = own.alice_and_bob();
    own.deliver([&message(&alice, &bob, 1)]).await;
    bob.list("").await;
    bob.try_get("nothing").await;
    let shown = Value::from(exchanges(&own).await).to_string();
    assert!(shown.contains(&alice.account), "{shown}");
    for secret in [&*bob.token, LOCAL_APP_SECRET, &bob.token[bob.token.len() - 40..]] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
    let page = own.request(Method::GET, "/console").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(page.len() < 60_000, "{} bytes", page.len());
    assert!(
        !page.contains(LOCAL_APP_SECRET) && !page.contains("https://"),
        "nothing secret, nothing from elsewhere"
    );
}

async fn the_last_1000_exchanges_are_listed(t: Test) {
    let own = Test::at(t.app.traced().await);
    for number in 1..=1_005 {
        let response = own.request(Method::GET, &format!("/nowhere/{number}")).send().await.unwrap();
        assert_eq!(response.status(), 404);
    }
    let exchanges = asked(&own, "/console/requests").await;
    let exchanges = exchanges.as_array().unwrap();
    assert_eq!(
        (exchanges.len(), &exchanges[0]["number"], &exchanges[999]["path"]),
        (1_000, &json!(6), &json!("/nowhere/1005"))
    );
    let missing = own.request(Method::GET, "/console/requests/5").send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

async fn tracing_off_costs_nothing(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    own.deliver([&message(&alice, &bob, 1)]).await;
    assert_eq!(asked(&own, "/console/requests").await, json!([]));
    let service = own.app.service();
    let mut functions =
        service.routes().iter().map(|route| service.function(&route.function).unwrap().program());
    assert!(
        functions.all(|program| program.observer.process().is_none()),
        "there is no proxy before the engine"
    );
}

async fn only_local_clients_may_use_dev_routes(t: Test) {
    let own = Test::at(t.app.traced().await);
    let host = own.app.url().trim_start_matches("http://").to_owned();
    let port = host.rsplit(':').next().unwrap();
    let elsewhere = format!("rebound.example:{port}");
    for (path, method) in [
        ("/console", Method::GET),
        ("/console/events", Method::GET),
        ("/console/requests", Method::GET),
        ("/console/items?user=bob", Method::GET),
        ("/console/signed", Method::POST),
        ("/local-clock", Method::POST),
    ] {
        for (name, value) in [
            ("host", &*elsewhere),
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let request =
                own.request(method.clone(), path).header(name, value).json(&json!({"advance": "1d"}));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} with {name}: {value}");
            assert!(!response.headers().contains_key("access-control-allow-origin"));
        }
    }
    let own_origin = own.request(Method::GET, "/console/requests").header("origin", own.app.url());
    assert_eq!(own_origin.header("sec-fetch-site", "same-origin").send().await.unwrap().status(), 200);
    assert_eq!(asked(&own, "/local-clock").await["aheadMs"], 0);
}

async fn a_repeated_request_is_signed_again(t: Test) {
    let own = Test::at(t.app.traced().await);
    let (alice, bob) = own.alice_and_bob();
    own.deliver([&message(&alice, &bob, 1)]).await;
    bob.set_ext(&alice, "pinned").await;
    assert_eq!(own.app.service().clock().ahead_ms(), 0);
    assert!(own.app.service().clock().advance(std::time::Duration::from_hours(24 * 8)));
    for number in [1, 2] {
        let response =
            own.request(Method::POST, &format!("/console/requests/{number}/repeat")).send().await.unwrap();
        assert_eq!(response.status(), 200, "also when the first signature and token are too old");
    }
    let first = &asked(&own, "/console/requests/3").await["requests"];
    let outcomes: Vec<_> =
        first.as_array().unwrap().iter().map(|request| request["outcome"].clone()).collect();
    assert!(outcomes.contains(&json!("condition failed")), "the copy changes nothing: {outcomes:?}");
}
