//! The OpenAPI document and the service: a number that occurs in both must be the same.

use reqwest::Method;
use serde_json::{Value, json};
use session_local::emulator::openapi;

use test_support::{
    contract::limits::{CHANGES, EXT, IDS, LIMIT, MEMBERS, number},
    copies::T0,
    scenarios,
    test::{Test, team},
};

scenarios![ONCE:
    the_documented_limits_are_enforced,
    cargo_local_serves_the_openapi_document,
];

const TARGET: &str = "/components/schemas/Account/maxLength";

async fn the_documented_limits_are_enforced(t: Test) {
    let bob = t.user("bob");
    let names = |count: usize| (0..count).map(|number| format!("p2p|{number}")).collect::<Vec<_>>();
    let group = team();
    for (beyond, status) in [(0, 200), (1, 400)] {
        let limit = number(LIMIT) + beyond;
        assert_eq!(bob.try_list(&format!("limit={limit}")).await.status, status);
        let ext = json!({"ext": "界".repeat(number(EXT) + beyond)});
        assert_eq!(bob.patch("p2p|alice", &ext).await.status, status);
        let ids = json!({"sessionIds": names(number(IDS) + beyond)});
        assert_eq!(bob.batch_delete(&ids).await.status, status);
        let longest = format!("p2p|{}", "x".repeat(number(TARGET) + beyond));
        assert_eq!(bob.try_delete(&longest).await.status, status);
        let add = json!({"groupId": group, "time": T0, "add": names(number(CHANGES) + beyond)});
        assert_eq!(t.try_update_members(Method::PATCH, &group, &add).await.status, status);
        let members = json!({"groupId": group, "time": T0, "members": names(number(MEMBERS) + beyond)});
        assert_eq!(t.try_update_members(Method::PUT, &group, &members).await.status, status);
    }
    let least = number("/components/parameters/limit/schema/minimum");
    assert_eq!((bob.try_list(&format!("limit={least}")).await.status, least), (200, 1));
}

async fn cargo_local_serves_the_openapi_document(t: Test) {
    let get = async |path: &str| -> Value {
        let request = t.request(Method::GET, path).header("origin", "http://viewer.example");
        let response = request.send().await.unwrap();
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            "*",
            "viewers of other origins may read it"
        );
        response.json().await.unwrap()
    };
    let (whole, apps) = (get("/openapi.json").await, get("/openapi-apps.json").await);
    assert_eq!(whole["servers"][0]["url"], t.app.url());
    assert_eq!(whole["components"]["schemas"], openapi::read().unwrap()["components"]["schemas"]);
    assert!(whole["paths"]["/v1/messages"].is_object() && apps["paths"].get("/v1/messages").is_none());
}
