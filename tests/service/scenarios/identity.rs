//! Authentication: users by their token, the backend by its signature.

use reqwest::Method;
use serde_json::{Value, json};
use session_local::{
    backend::{
        client::Feed,
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET, sign},
    },
    emulator::{
        clock::{self, Clock},
        jwt::Issuer,
    },
};

use test_support::{
    copies::{edit, message, with},
    scenarios,
    test::{Test, path_of},
};

scenarios![
    every_app_route_requires_a_valid_token,
    a_user_reaches_only_their_own_list,
    only_the_backend_posts_messages,
];
scenarios![LOCAL_ONLY: nothing_private_is_logged];

async fn every_app_route_requires_a_valid_token(t: Test) {
    let issuer = t.app.issuer();
    let claims = issuer.claims("alice");
    let now = clock::since_epoch().as_secs();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        issuer.sign(&claims).unwrap()
    };
    let stranger = Issuer::new(issuer.url().to_owned(), "local".into(), Clock::default()).unwrap();
    let valid = issuer.token("alice").unwrap();
    let unsigned = {
        let payload = valid.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.")
    };
    let tokens = [
        ("none", None),
        ("expired", Some(with("exp", json!(now - 1)))),
        ("not yet valid", Some(with("nbf", json!(now + 600)))),
        ("wrong key", Some(stranger.token("alice").unwrap())),
        ("alg none", Some(unsigned)),
        ("wrong issuer", Some(with("iss", json!("http://elsewhere")))),
        ("wrong audience", Some(with("aud", json!("elsewhere")))),
        ("no token at all", Some("token".into())),
    ];
    let routes = t.app.routes().iter().filter(|route| route.authorized);
    for route in routes {
        let path = route.path.replace("{sessionId}", "p2p%7Cbob");
        let method: Method = route.method.parse().unwrap();
        for (case, token) in &tokens {
            let mut request = t.request(method.clone(), &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = t.send(request).await;
            assert_eq!(
                (response.status, response.body),
                (401, json!({"message": "Unauthorized"})),
                "{case}: {}",
                route.key()
            );
        }
    }
    let no_account =
        issuer.sign(&json!({"iss": claims["iss"], "aud": claims["aud"], "exp": now + 60})).unwrap();
    let response = t.send(t.request(Method::GET, "/v1/sessions").bearer_auth(no_account)).await;
    response.is_problem(401, "the request carries no verified account");
    assert_eq!(response.body["code"], 302);
}

async fn a_user_reaches_only_their_own_list(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let mallory = t.user("mallory");
    t.deliver([&message(&alice, &bob, 1), &message(&bob, &alice, 2)]).await;
    let before = (t.item(&alice, &bob.session_id()).await, t.item(&bob, &alice.session_id()).await);
    for id in [alice.session_id(), bob.session_id()] {
        mallory.try_get(&id).await.is_problem(404, "sessionId");
        mallory.try_delete(&id).await.ok();
        mallory.batch_delete(&json!({"sessionIds": [id]})).await.ok();
        mallory.patch(&id, &json!({"ext": "mine"})).await.ok();
    }
    for smuggled in ["userId", "user", "sub"] {
        let rejected = mallory.try_list(&format!("{smuggled}={}", alice.account)).await;
        rejected.is_problem(400, &format!("{smuggled} is not known"));
    }
    assert_eq!(mallory.listed().await.len(), 2, "the two they created by setting an ext");
    assert_eq!((t.item(&alice, &bob.session_id()).await, t.item(&bob, &alice.session_id()).await), before);
}

async fn only_the_backend_posts_messages(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let copy = message(&alice, &bob, 1);
    let rejected = async |feed: Feed, detail: &str| {
        let response = feed.post(&copy).await.unwrap();
        let status = response.status().as_u16();
        let problem: Value = response.json().await.unwrap();
        assert_eq!((status, &problem["code"], &problem["detail"]), (403, &json!(403), &json!(detail)));
    };
    rejected(t.app.feed.signed_by("other", LOCAL_APP_SECRET), "AppKey is not known").await;
    rejected(
        t.app.feed.signed_by(LOCAL_APP_KEY, "other"),
        "CheckSum does not fit AppSecret, MD5 and CurTime",
    )
    .await;
    rejected(t.app.feed.signed_by(LOCAL_APP_KEY, ""), "CheckSum does not fit AppSecret, MD5 and CurTime")
        .await;
    let body = copy.to_string();
    let (md5, check_sum) = sign(LOCAL_APP_SECRET, "another body", "1");
    let request = t
        .feed_request(Method::POST)
        .header("Content-Type", "application/json")
        .header("AppKey", LOCAL_APP_KEY)
        .header("CurTime", "1")
        .header("MD5", md5)
        .header("CheckSum", check_sum);
    t.send(request.body(body.clone())).await.is_problem(403, "MD5 is not the MD5 of the body");
    t.send(t.feed_request(Method::POST).bearer_auth(&alice.token).body(body))
        .await
        .is_problem(403, "MD5 is missing");
    let members = json!({"groupId": "team|1", "time": copy["msgTimestamp"], "add": [alice.account]});
    for method in [Method::PATCH, Method::PUT] {
        let unsigned = alice.request(method.clone(), "/v1/groups/team%7C1/members").json(&members);
        t.send(unsigned).await.is_problem(403, "MD5 is missing");
        let forged = t.app.feed.signed_by(LOCAL_APP_KEY, "other");
        let forged = forged.update_members(method, "team|1", &members).await.unwrap();
        assert_eq!(forged.status(), 403);
    }
    assert!(alice.listed().await.is_empty() && bob.listed().await.is_empty());
}

async fn nothing_private_is_logged(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    bob.set_ext(&alice, "a very private ext").await;
    t.deliver([&edit(&alice, &bob, 1, 5, "a very private edit")]).await;
    for field in ["fromAccount", "to", "msgTimestamp", "convType"] {
        t.post(&with(message(&alice, &bob, 2), field, json!({"private field": bob.account}))).await.ok();
    }
    bob.try_list(&format!("{}=1", bob.account)).await.is_problem(400, &bob.account);
    let page = bob.list("").await;
    bob.try_changes(&format!("since={}", page["syncToken"].as_str().unwrap())).await.ok();
    let forged = t.app.feed.signed_by(LOCAL_APP_KEY, "other").post(&message(&alice, &bob, 3)).await.unwrap();
    assert_eq!(forged.status(), 403);
    bob.patch(&alice.session_id(), &json!({"ext": "secret".repeat(200)})).await.is_problem(400, "ext");
    bob.delete(&alice).await;
    let last = t.send(bob.request(Method::GET, &path_of(&alice.session_id()))).await;
    t.app.logs.of(&last.request_id).await;
    let logged = t.app.logs.all();
    for private in [
        &*alice.account,
        &bob.account,
        "private ext",
        "private edit",
        "private field",
        "text 1",
        "secretsecret",
        &bob.token,
        LOCAL_APP_SECRET,
    ] {
        assert!(!logged.contains(private), "{private}");
    }
}
