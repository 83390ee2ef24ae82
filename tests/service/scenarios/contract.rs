//! The contract beside the service, and beside the other documents: where a number stands twice, the two are held together.

use std::{collections::BTreeSet, fs};

use reqwest::Method;
use serde_json::{Value, json};
use session_local::{contract, executables::workspace};

use crate::{
    copies::T0,
    scenarios,
    test::{Test, team},
};

scenarios![ONCE:
    the_limits_of_the_contract_are_those_of_the_service,
    the_pages_tell_the_same_errors,
    the_pages_tell_the_same_limits,
    the_rules_for_generated_clients_are_kept,
    cargo_local_serves_the_contract,
];

fn number(pointer: &str) -> usize {
    let contract = contract::read().unwrap();
    let number = contract.pointer(pointer).and_then(Value::as_u64);
    usize::try_from(number.unwrap_or_else(|| panic!("{pointer} is no number"))).unwrap()
}

const LIMIT: &str = "/components/parameters/limit/schema/maximum";
const EXT: &str = "/components/schemas/SessionUpdate/properties/ext/maxLength";
const IDS: &str = "/components/schemas/SessionDeletes/properties/sessionIds/maxItems";
const CHANGES: &str = "/components/schemas/MemberChanges/properties/add/maxItems";
const MEMBERS: &str = "/components/schemas/MemberList/properties/members/maxItems";
const TARGET: &str = "/components/schemas/Account/maxLength";

async fn the_limits_of_the_contract_are_those_of_the_service(t: Test) {
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

/// The examples of problems: status, code, type.
fn problems(contract: &Value) -> BTreeSet<(u64, u64, String)> {
    let responses = contract["components"]["responses"].as_object().unwrap().values();
    let examples = responses.filter_map(|response| {
        response.pointer("/content/application~1problem+json/examples").and_then(Value::as_object)
    });
    let values = examples.flat_map(|examples| examples.values().map(|example| &example["value"]));
    values
        .map(|of| {
            let case = of["type"].as_str().unwrap().strip_prefix("urn:session-service:").unwrap();
            (of["status"].as_u64().unwrap(), of["code"].as_u64().unwrap(), case.to_owned())
        })
        .collect()
}

async fn the_pages_tell_the_same_errors(_: Test) {
    for page in ["docs/apps.md", "docs/apps.zh-CN.md"] {
        tells_the_same_errors(page);
    }
}

fn tells_the_same_errors(page: &str) {
    let readme = fs::read_to_string(workspace().join(page)).unwrap();
    let table = readme.split("| status | code |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut told = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let cases = cells[2]
            .split([',', '\u{ff0c}'])
            .map(|case| case.trim().trim_matches('`'))
            .filter(|case| !case.is_empty());
        told.extend(
            cases.map(|case| (cells[0].parse().unwrap(), cells[1].parse().unwrap(), case.to_owned())),
        );
    }
    let mut documented = problems(&contract::read().unwrap());
    // OpenAPI has no place for what other methods are answered.
    documented.insert((405, 414, "method-not-allowed".to_owned()));
    assert_eq!(told, documented);
}

async fn the_pages_tell_the_same_limits(_: Test) {
    let page = |name: &str| fs::read_to_string(workspace().join("docs").join(name)).unwrap();
    let thousands = |number: usize| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    for (name, phrase) in [
        ("apps.md", format!("| `limit` | {0} | how many, 1 to {0} |", number(LIMIT))),
        ("apps.md", format!("At most {} characters", thousands(number(EXT)))),
        ("apps.md", format!("1 to {} ids", number(IDS))),
        ("backends.md", format!("Up to {} accounts together", thousands(number(CHANGES)))),
        ("backends.md", format!("The whole list of a group of up to {}", number(MEMBERS))),
        ("apps.zh-CN.md", format!("| `limit` | {0} | 条数\u{ff0c}1 到 {0} |", number(LIMIT))),
        ("apps.zh-CN.md", format!("最多 {} 个字符", thousands(number(EXT)))),
        ("apps.zh-CN.md", format!("1 到 {} 个", number(IDS))),
        ("backends.zh-CN.md", format!("合计最多 {} 个帐号", thousands(number(CHANGES)))),
        ("backends.zh-CN.md", format!("不超过 {} 人的群", number(MEMBERS))),
    ] {
        assert!(page(name).contains(&phrase), "docs/{name} does not say {phrase:?}");
    }
    let contract = fs::read_to_string(workspace().join("infra/openapi.yaml")).unwrap();
    for limit in ["20,000", "16,384", "4,096"] {
        for name in ["apps.md", "apps.zh-CN.md"] {
            assert!(page(name).contains(limit) && contract.contains(limit), "{limit}");
        }
    }
    let code = fs::read_to_string(workspace().join("shared/session-model/src/last_msg.rs")).unwrap();
    for limit in ["20_000", "16_384", "4_096", "1_020"] {
        assert!(code.contains(limit), "{limit}");
    }
}

/// The rules at the head of the document.
async fn the_rules_for_generated_clients_are_kept(_: Test) {
    fn walk(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
        visit(path, value);
        match value {
            Value::Array(values) => values.iter().for_each(|value| walk(value, path, visit)),
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| walk(value, &format!("{path}/{name}"), visit));
            }
            _ => {}
        }
    }
    let contract = contract::read().unwrap();
    walk(&contract, "", &mut |path, value| {
        if path.contains("/examples/") || path.ends_with("/example") {
            return;
        }
        assert!(!path.ends_with("/enum"), "{path}");
        assert!(!path.ends_with("/oneOf"), "{path}");
        if path.ends_with("/pattern") {
            assert!(!value.as_str().unwrap().contains('/'), "{path}");
        }
    });
    let requests = ["SessionUpdate", "SessionDeletes", "MemberChanges", "MemberList", "UserToErase"];
    for (name, schema) in contract["components"]["schemas"].as_object().unwrap() {
        if schema["type"] == "object" {
            let may_grow = !requests.contains(&name.as_str());
            assert_eq!(schema["additionalProperties"], may_grow, "{name}");
        }
    }
    for (name, response) in contract["components"]["responses"].as_object().unwrap() {
        for content in response["content"].as_object().unwrap().values() {
            assert_eq!(
                content["schema"]["$ref"], "#/components/schemas/Error",
                "{name}: one schema for all errors"
            );
        }
    }
}

async fn cargo_local_serves_the_contract(t: Test) {
    let get = async |path: &str| -> Value {
        let request = t.request(Method::GET, path).header("origin", "http://viewer.example");
        let answer = request.send().await.unwrap();
        assert_eq!(
            answer.headers()["access-control-allow-origin"],
            "*",
            "viewers of other origins may read it"
        );
        answer.json().await.unwrap()
    };
    let (whole, apps) = (get("/openapi.json").await, get("/openapi-apps.json").await);
    assert_eq!(whole["servers"][0]["url"], t.app.url());
    assert_eq!(whole["components"]["schemas"], contract::read().unwrap()["components"]["schemas"]);
    assert!(whole["paths"]["/v1/messages"].is_object() && apps["paths"].get("/v1/messages").is_none());
}
