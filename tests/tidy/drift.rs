//! Checks that code, template and pages agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};
use session_local::{
    emulator::template::{Route, Template},
    workspace::workspace,
};
use session_store::schema;
use test_support::{
    contract::CONTRACT,
    repository::{sources, template},
};

#[test]
fn the_template_s_tables_are_the_store_s() {
    let tables: BTreeMap<_, _> =
        template().tables.into_iter().map(|table| (table.name.clone(), table)).collect();
    let sessions = &tables["SessionsTable"];
    let keys = |of: &Value| -> Vec<(String, String)> {
        let keys = of["KeySchema"].as_array().unwrap().iter();
        keys.map(|key| {
            (key["AttributeName"].as_str().unwrap().into(), key["KeyType"].as_str().unwrap().into())
        })
        .collect()
    };
    let pair =
        |partition: &str, sort: &str| vec![(partition.into(), "HASH".into()), (sort.into(), "RANGE".into())];
    assert_eq!(keys(&sessions.create), pair(schema::USER_ID, schema::SESSION_ID));
    let indexes = sessions.create["LocalSecondaryIndexes"].as_array().unwrap();
    let sorts = [
        (schema::BY_UPDATE_TIME, schema::UPDATE_TIME, "ALL"),
        (schema::BY_CHANGE_TIME, schema::CHANGE_TIME, "KEYS_ONLY"),
        (schema::BY_MEMBERSHIP, schema::MEMBER_SINCE, "ALL"),
    ];
    assert_eq!(indexes.len(), sorts.len());
    for (index, (name, sort, projection)) in indexes.iter().zip(sorts) {
        assert_eq!(index["IndexName"], name);
        assert_eq!(keys(index), pair(schema::USER_ID, sort));
        assert_eq!(index["Projection"], json!({"ProjectionType": projection}));
    }
    assert_eq!(sessions.ttl_attribute.as_deref(), Some(schema::EXPIRES_AT));
    assert_eq!(keys(&tables["GroupsTable"].create), [(schema::GROUP_ID.to_owned(), "HASH".to_owned())]);
    let dead_letters = &tables["DeadLettersTable"];
    assert_eq!(keys(&dead_letters.create), [(schema::COPY_ID.to_owned(), "HASH".to_owned())]);
    assert_eq!(dead_letters.ttl_attribute.as_deref(), Some(schema::EXPIRES_AT));
}

#[test]
fn the_openapi_document_has_the_template_s_routes() {
    let routes: BTreeSet<_> = template().routes.iter().map(Route::key).collect();
    assert_eq!(CONTRACT.routes(), routes);
}

#[test]
fn cargo_lambda_serves_the_template_s_routes() {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let router = &manifest["workspace"]["metadata"]["lambda"]["watch"]["router"];
    let mut served = BTreeSet::new();
    for (path, routes) in router.as_table().unwrap() {
        for route in routes.as_array().unwrap() {
            let text = |name: &str| route[name].as_str().unwrap().to_owned();
            served.insert((format!("{} {path}", text("method")), text("function")));
        }
    }
    let template = template();
    let binary = |function: &str| template.functions[function].binary.clone();
    let declared: BTreeSet<_> =
        template.routes.iter().map(|route| (route.key(), binary(&route.function))).collect();
    assert_eq!(served, declared);
}

/// The feed counts a 500 as delivered, so it must not get one. Apps may.
#[test]
fn the_backend_never_gets_a_500() {
    for route in template().routes {
        let expected =
            if route.authorized { BTreeMap::new() } else { BTreeMap::from([("500".into(), "503".into())]) };
        assert_eq!(route.overwritten, expected, "{} {}", route.method, route.path);
    }
}

#[test]
fn the_backend_has_its_own_limits() {
    for (endpoint, elsewhere) in [("HttpApi", None), ("FunctionUrl", Some("POST /v1/messages"))] {
        let mut parameters = Template::something_given();
        parameters.insert("FeedEndpoint", endpoint.to_owned());
        let stages = Template::resources("AWS::ApiGatewayV2::Stage", &parameters).unwrap();
        let limited: BTreeSet<_> =
            stages["Stage"]["RouteSettings"].as_object().unwrap().keys().cloned().collect();
        let routes = template().routes.into_iter().filter(|route| !route.authorized);
        let expected = routes.map(|route| route.key()).filter(|key| Some(key.as_str()) != elsewhere);
        assert_eq!(limited, expected.collect(), "{endpoint}");
    }
}

#[test]
fn the_stack_policy_guards_what_is_retained() {
    let policy = fs::read_to_string(workspace().join("infra/stack-policy.json")).unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let denied = policy["Statement"][1]["Resource"].as_array().unwrap().iter();
    let guarded: BTreeSet<_> =
        denied.map(|id| id.as_str().unwrap().replace("LogicalResourceId/", "")).collect();
    let text = fs::read_to_string(workspace().join("infra/template.yaml")).unwrap();
    let retained = template().tables.into_iter().map(|table| table.name).filter(|id| {
        let resource = text.split(&format!("\n  {id}:\n")).nth(1).unwrap().split("\n\n").next().unwrap();
        resource.contains("DeletionPolicy: RetainExceptOnCreate")
    });
    assert_eq!(guarded, retained.collect());
}

#[test]
fn operations_documents_every_parameter() {
    let operations = fs::read_to_string(workspace().join("docs/operations.md")).unwrap();
    let rows = operations.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        Some((name.to_owned(), rest.split(" | ").next()?.trim_matches('`').to_owned()))
    });
    let documented: BTreeMap<_, _> = rows.filter(|(name, _)| name.starts_with(char::is_uppercase)).collect();
    let shown = |default: Option<String>| match default.as_deref() {
        None => "required".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => default.to_owned(),
    };
    let declared = Template::parameters().unwrap().into_iter().map(|(name, default)| (name, shown(default)));
    assert_eq!(documented, declared.collect());
}

/// The template gives each function the variables that it reads. `cargo lambda` gets the same ones from its file.
#[test]
fn every_environment_variable_is_declared_and_read() {
    let read: BTreeSet<String> = [sources("shared/session-api"), sources("functions")]
        .concat()
        .into_iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let names = code
                .split("environment.")
                .skip(1)
                .filter_map(|call| call.split('"').nth(1).map(str::to_owned));
            names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).collect::<Vec<_>>()
        })
        // `CLOCK_OFFSET_MS` is set by `cargo local` only. A deployed function has only its own clock.
        .filter(|name| !name.starts_with("AWS_") && name != "CLOCK_OFFSET_MS")
        .collect();
    let declared: BTreeSet<String> =
        template().functions.into_values().flat_map(|function| function.environment.into_keys()).collect();
    assert_eq!(read, declared);
    let file = fs::read_to_string(workspace().join("infra/cargo-lambda.env")).unwrap();
    let given: BTreeSet<String> = file
        .lines()
        .map(|line| line.split('=').next().unwrap().to_owned())
        .filter(|name| !name.starts_with("AWS_"))
        .chain(["MESSAGE_COPY_PREVIOUS_APP_SECRET".to_owned()])
        .collect();
    assert_eq!(given, declared);
}

#[test]
fn the_policies_are_the_same_for_tables_that_are_given() {
    let mut parameters = Template::something_given();
    for (name, table) in [
        ("SessionsTableName", "given-SessionsTable"),
        ("GroupsTableName", "given-GroupsTable"),
        ("DeadLettersTableName", "given-DeadLettersTable"),
    ] {
        parameters.insert(name, table.to_owned());
    }
    let given = Template::on_one_address(&parameters).unwrap();
    assert!(given.tables.is_empty(), "the stack creates none");
    let prefix = "arn:aws:dynamodb:us-east-1:123456789012:table/given-";
    for (id, function) in template().functions {
        let renamed = given.functions[&id].allowed.iter().cloned().map(|mut allowed| {
            let table = allowed.resource.strip_prefix(prefix).expect("a table that is given").to_owned();
            allowed.resource = match table.split_once('/') {
                Some((table, index)) => format!("{table}.Arn/{index}"),
                None => format!("{table}.Arn"),
            };
            allowed
        });
        assert_eq!(renamed.collect::<BTreeSet<_>>(), function.allowed, "{id}");
    }
}
