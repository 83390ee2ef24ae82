//! Code, template and layers stay in step.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde_json::{Value, json};
use session_local::{executables::workspace, template::Template};
use session_store::table;

use crate::{contract::CONTRACT, scenarios, test::Test};

scenarios![
    every_function_is_in_the_template_and_answers_as_its_operation,
    the_template_s_tables_are_the_store_s,
    cargo_lambda_serves_the_template_s_routes,
    the_contract_has_the_template_s_routes,
    every_variable_is_declared_read_and_given,
    the_backend_never_gets_a_500,
    the_backend_has_limits_of_its_own,
    the_stack_policy_guards_what_is_retained,
    operations_tells_every_parameter,
    layers_hold,
    every_source_file_stays_short,
];

pub(crate) fn template() -> Template {
    Template::of_the_repository().expect("the template is understood")
}

async fn every_function_is_in_the_template_and_answers_as_its_operation(t: Test) {
    let template = template();
    let declared: BTreeSet<_> = template.functions.values().map(|function| function.binary.clone()).collect();
    let folders = fs::read_dir(workspace().join("functions")).unwrap();
    let built: BTreeSet<_> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(declared, built);
    let bob = t.user("bob");
    let mut routed = BTreeSet::new();
    for route in &template.routes {
        let path = route.path.replace("{sessionId}", "p2p%7Calice").replace("{groupId}", "team%7C1");
        let answer = t.send(bob.request(route.method.parse::<Method>().unwrap(), &path)).await;
        let line = t.app.logs.of(&answer.request_id).await;
        assert_eq!(line["operation"], template.functions[&route.function].description, "{}", route.key());
        routed.insert(route.function.clone());
    }
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    for route in &template.routes {
        assert!(readme.contains(&format!("`{}`", route.key())), "the README has no {}", route.key());
    }
    assert_eq!(routed, template.functions.keys().cloned().collect(), "every function has a route");
}

async fn the_template_s_tables_are_the_store_s(_: Test) {
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
    assert_eq!(keys(&sessions.create), pair(table::USER_ID, table::SESSION_ID));
    let indexes = sessions.create["LocalSecondaryIndexes"].as_array().unwrap();
    let sorts = [
        (table::BY_UPDATE_TIME, table::UPDATE_TIME, "ALL"),
        (table::BY_CHANGE_TIME, table::CHANGE_TIME, "KEYS_ONLY"),
        (table::BY_MEMBERSHIP, table::MEMBER_SINCE, "ALL"),
    ];
    assert_eq!(indexes.len(), sorts.len());
    for (index, (name, sort, projection)) in indexes.iter().zip(sorts) {
        assert_eq!(index["IndexName"], name);
        assert_eq!(keys(index), pair(table::USER_ID, sort));
        assert_eq!(index["Projection"], json!({"ProjectionType": projection}));
    }
    assert_eq!(sessions.ttl_attribute.as_deref(), Some(table::EXPIRES_AT));
    assert_eq!(keys(&tables["GroupsTable"].create), [(table::GROUP_ID.to_owned(), "HASH".to_owned())]);
    let kept = &tables["KeptCopiesTable"];
    assert_eq!(keys(&kept.create), [(table::COPY_ID.to_owned(), "HASH".to_owned())]);
    assert_eq!(kept.ttl_attribute.as_deref(), Some(table::EXPIRES_AT));
}

async fn the_contract_has_the_template_s_routes(_: Test) {
    let routes: BTreeSet<_> = template().routes.iter().map(session_local::template::Route::key).collect();
    assert_eq!(CONTRACT.routes(), routes);
}

async fn cargo_lambda_serves_the_template_s_routes(_: Test) {
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

/// The feed counts a 500 as delivered; apps may see one.
async fn the_backend_never_gets_a_500(_: Test) {
    for route in template().routes {
        let expected =
            if route.authorized { BTreeMap::new() } else { BTreeMap::from([("500".into(), "503".into())]) };
        assert_eq!(route.overwritten, expected, "{} {}", route.method, route.path);
    }
}

async fn the_backend_has_limits_of_its_own(_: Test) {
    for (door, elsewhere) in [("HttpApi", None), ("FunctionUrl", Some("POST /v1/messages"))] {
        let mut parameters = Template::something_given();
        parameters.insert("FeedDoor", door.to_owned());
        let stages = Template::resources("AWS::ApiGatewayV2::Stage", &parameters).unwrap();
        let limited: BTreeSet<_> =
            stages["Stage"]["RouteSettings"].as_object().unwrap().keys().cloned().collect();
        let routes = template().routes.into_iter().filter(|route| !route.authorized);
        let expected = routes.map(|route| route.key()).filter(|key| Some(key.as_str()) != elsewhere);
        assert_eq!(limited, expected.collect(), "{door}");
    }
}

async fn the_stack_policy_guards_what_is_retained(_: Test) {
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

async fn operations_tells_every_parameter(_: Test) {
    let operations = fs::read_to_string(workspace().join("docs/operations.md")).unwrap();
    let rows = operations.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        Some((name.to_owned(), rest.split(" | ").next()?.trim_matches('`').to_owned()))
    });
    let told: BTreeMap<_, _> = rows.filter(|(name, _)| name.starts_with(char::is_uppercase)).collect();
    let shown = |default: Option<String>| match default.as_deref() {
        None => "required".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => default.to_owned(),
    };
    let declared = Template::parameters().unwrap().into_iter().map(|(name, default)| (name, shown(default)));
    assert_eq!(told, declared.collect());
}

/// The template gives each function what it reads; `cargo lambda` gets the same from its file.
async fn every_variable_is_declared_read_and_given(_: Test) {
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
        // The time on one machine is `cargo local`'s; a deployed function has none but its own.
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

/// The Rust sources below a folder of the workspace.
pub(super) fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&workspace().join(folder), &mut found);
    found
}

async fn layers_hold(_: Test) {
    // Each crate and what it must not depend on, beside what the compiler refuses already.
    let aws = [
        "aws-sdk-dynamodb",
        "aws-config",
        "aws-runtime",
        "aws-smithy-http-client",
        "aws-smithy-runtime-api",
        "aws-smithy-types",
    ];
    let http = ["lambda_http", "axum", "reqwest"];
    let above = ["session-local", "dynoxide-rs"];
    let mut rules: Vec<(PathBuf, Vec<&str>)> = vec![
        (
            "shared/session-model".into(),
            [&aws[..], &http, &above, &["tokio", "session-store", "session-api"]].concat(),
        ),
        ("shared/session-store".into(), [&http[..], &above, &["session-api"]].concat()),
        ("shared/session-api".into(), [&aws[..], &above].concat()),
    ];
    let mut functions = Vec::new();
    for folder in fs::read_dir(workspace().join("functions")).unwrap() {
        functions.push(folder.unwrap().file_name().into_string().unwrap());
    }
    for function in &functions {
        rules.push((Path::new("functions").join(function), [&aws[..], &http, &above].concat()));
    }
    let functions: Vec<_> = functions.iter().map(String::as_str).collect();
    for above in ["infra/local", "tests"] {
        rules.push((above.into(), [&aws[..], &functions].concat()));
    }
    for (folder, forbidden) in rules {
        let manifest = fs::read_to_string(workspace().join(&folder).join("Cargo.toml")).unwrap();
        for line in manifest.lines() {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!forbidden.contains(&dependency), "{} depends on {dependency}", folder.display());
        }
    }
    // Tests may have switches.
    for path in [sources("shared/session-model/src"), sources("functions")].concat() {
        let text = fs::read_to_string(&path).unwrap();
        for edge in ["SystemTime", "std::env", "Instant::now() -"] {
            assert!(!text.contains(edge), "{} names {edge}", path.display());
        }
    }
}

async fn every_source_file_stays_short(_: Test) {
    for path in ["functions", "shared", "infra", "tests"].map(sources).concat() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines: what is the second thing in it?", path.display());
    }
}
