//! The OpenAPI document and the other documents: a number that occurs in two of them must be the same.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use session_local::{emulator::openapi, workspace::workspace};
use test_support::contract::limits::{CHANGES, EXT, IDS, LIMIT, MEMBERS, number};

#[test]
fn the_pages_document_the_same_errors() {
    for page in ["docs/apps.md", "docs/apps.zh-CN.md"] {
        documents_the_same_errors(page);
    }
}

#[test]
fn the_pages_document_the_same_limits() {
    let page = |name: &str| fs::read_to_string(workspace().join("docs").join(name)).unwrap();
    let thousands = |number: usize| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    for (name, phrase) in [
        ("apps.md", format!("| `limit` | {0} | how many, 1 to {0} |", number(LIMIT))),
        ("apps.md", format!("At most {} characters", thousands(number(EXT)))),
        ("apps.md", format!("1 to {} sessions", number(IDS))),
        ("backends.md", format!("Up to {} accounts together", thousands(number(CHANGES)))),
        ("backends.md", format!("The whole list of a group of up to {}", number(MEMBERS))),
        ("apps.zh-CN.md", format!("| `limit` | {0} | 条数\u{ff0c}1 到 {0} |", number(LIMIT))),
        ("apps.zh-CN.md", format!("最多 {} 个字符", thousands(number(EXT)))),
        ("apps.zh-CN.md", format!("1 到 {} 个", number(IDS))),
        ("backends.zh-CN.md", format!("合计最多 {} 个帐号", thousands(number(CHANGES)))),
        ("backends.zh-CN.md", format!("不超过 {} 人的群", number(MEMBERS))),
    ] {
        assert!(page(name).contains(&phrase), "docs/{name} does not contain {phrase:?}");
    }
    let contract = fs::read_to_string(workspace().join("infra/openapi.yaml")).unwrap();
    let code = fs::read_to_string(workspace().join("shared/session-model/src/register/limits.rs")).unwrap();
    // The tests there check these limits of fields at the default of the parameter.
    for limit in ["8,192", "4,096", "2,048", "682"] {
        for name in ["apps.md", "apps.zh-CN.md"] {
            assert!(page(name).contains(limit) && contract.contains(limit), "{limit}");
        }
        assert!(code.contains(&limit.replace(',', "_")), "{limit}");
    }
}

/// Checks the rules at the head of the document.
#[test]
fn the_document_obeys_the_rules_for_generated_clients() {
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
    let contract = openapi::read().unwrap();
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
    let requests =
        ["SessionUpdate", "SessionDeletes", "SessionVersion", "MemberChanges", "MemberList", "UserToErase"];
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

/// Returns the examples of problem documents: status, code, type.
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

fn documents_the_same_errors(page: &str) {
    let readme = fs::read_to_string(workspace().join(page)).unwrap();
    let table = readme.split("| status | code |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut in_page = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let cases = cells[2]
            .split([',', '\u{ff0c}'])
            .map(|case| case.trim().trim_matches('`'))
            .filter(|case| !case.is_empty());
        in_page.extend(
            cases.map(|case| (cells[0].parse().unwrap(), cells[1].parse().unwrap(), case.to_owned())),
        );
    }
    let mut documented = problems(&openapi::read().unwrap());
    // OpenAPI has no place for the response to other methods.
    documented.insert((405, 414, "method-not-allowed".to_owned()));
    assert_eq!(in_page, documented);
}
