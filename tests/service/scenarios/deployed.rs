//! Scenarios of the template and its deployment.

use reqwest::Method;
use serde_json::{Value, json};
use session_local::{backend::signing::LOCAL_APP_SECRET, workspace::workspace};

use test_support::{
    copies::message,
    deployment::OLD_SECRET,
    scenarios,
    test::{Test, ids},
    tools::{Tools, run},
};

scenarios![
    both_secrets_are_accepted_during_a_rotation,
    the_feed_has_an_endpoint_of_its_own,
    a_second_stack_adopts_existing_tables,
    tables_are_restored_by_the_runbook,
    the_linters_find_nothing_in_the_template,
];

async fn both_secrets_are_accepted_during_a_rotation(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for (at, secret, status) in [(1, OLD_SECRET, 200), (2, LOCAL_APP_SECRET, 200), (3, "another", 403)] {
        let response = t.app.deployment().stack.feed(secret).post(&message(&alice, &bob, at)).await.unwrap();
        assert_eq!(response.status(), status, "{secret}");
    }
    assert_eq!(bob.last_msg(&alice).await["msgIdServer"], "m2");
}

async fn the_feed_has_an_endpoint_of_its_own(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let stack = &t.app.deployment().stack;
    assert!(stack.feed_url.contains(".lambda-url."), "{}", stack.feed_url);
    // The endpoint accepts any path, but only `POST`.
    let elsewhere = format!("{}any/path?at=all", stack.feed_url);
    let feed = t.app.feed.clone().posting_to(&elsewhere);
    assert_eq!(feed.post(&message(&alice, &bob, 1)).await.unwrap().status(), 200);
    assert!(bob.has(&alice).await);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let response = t.feed_request(method).send().await.unwrap();
        let allowed = response.headers()["allow"].to_str().unwrap();
        assert_eq!((response.status().as_u16(), allowed), (405, "POST"));
    }
    // The API has no such route.
    let response = t.request(Method::POST, "/v1/messages").body("{}").send().await.unwrap();
    assert_eq!(response.status(), 404);
}

/// After a failed deployment and after a restore, tables have names that differ from those a stack would give them.
async fn a_second_stack_adopts_existing_tables(t: Test) {
    const NO_SECRET: &str = "{{resolve:secretsmanager:missing:SecretString:secret}}";
    let cloud = t.app.deployment();
    let (alice, bob) = t.alice_and_bob();
    let failed = [("MessageCopyAppSecret", NO_SECRET), ("DeletionProtection", "false")];
    assert!(cloud.deploy("first", &failed).await.is_err());
    assert_eq!(tables_of(&t, "first-").await, [""; 0], "nothing to stumble over");

    let first = cloud.deploy("first", &[]).await.unwrap();
    first.feed(LOCAL_APP_SECRET).deliver(&message(&alice, &bob, 1)).await.unwrap();
    let (sessions, groups) = (first.table("SessionsTable").to_owned(), first.table("GroupsTable").to_owned());
    cloud.delete("first").await.unwrap();
    assert_eq!(tables_of(&t, "first-").await, [&*groups, &*sessions], "what has held data stays");

    let adopted = [
        ("SessionsTableName", &*sessions),
        ("GroupsTableName", &*groups),
        ("FeedEndpoint", "HttpApi"),
        ("FeedSilenceMinutes", "60"),
    ];
    let second = cloud.deploy("second", &adopted).await.unwrap();
    assert_eq!((second.table("SessionsTable"), second.table("GroupsTable")), (&*sessions, &*groups));
    assert_eq!(second.feed_url, format!("{}/v1/messages", second.url), "the other endpoint");
    second.feed(LOCAL_APP_SECRET).deliver(&message(&t.user("carol"), &bob, 2)).await.unwrap();
    let request = second.http.get(format!("{}/v1/sessions", second.url)).bearer_auth(&bob.token);
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    let ids = ids(&list);
    assert_eq!((ids.len(), &ids[1]), (2, &alice.session_id()));
    cloud.delete("second").await.unwrap();
    assert_eq!(tables_of(&t, "first-").await.len(), 2, "what it has adopted is not its own");
}

/// Runs the commands of docs/operations.md as they are written there. The parameters that they pass to `sam deploy` are deployed as
/// a separate stack.
async fn tables_are_restored_by_the_runbook(t: Test) {
    let cloud = t.app.deployment();
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let token = bob.list("").await["syncToken"].as_str().unwrap().to_owned();

    let runbook = super::docs::runbook();
    let aws = Tools::aws_cli().await.unwrap();
    let mut shell = cloud.cloud.command(&aws, "/bin/bash");
    let script = format!("sam() {{ printf '%s\\n' \"$@\"; }}\n{runbook}");
    let shell = shell
        .args(["-c", &script])
        .env("SESSIONS", t.app.table("SessionsTable"))
        .env("GROUPS_TABLE", t.app.table("GroupsTable"));
    let printed = run(shell).await.unwrap();
    let given: Vec<_> = printed.lines().filter_map(|line| line.split_once('=')).collect();
    let given = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, value)| *value).unwrap();
    let own = [
        ("SessionsTableName", given("SessionsTableName")),
        ("GroupsTableName", given("GroupsTableName")),
        ("SyncEpoch", given("SyncEpoch")),
    ];
    assert_eq!(own[0].1, format!("{}-restored", t.app.table("SessionsTable")));
    let restored = cloud.deploy("restored", &own).await.unwrap();
    assert_eq!(restored.table("SessionsTable"), own[0].1);
    let get = async |path: &str| {
        let request = restored.http.get(format!("{}{path}", restored.url)).bearer_auth(&bob.token);
        request.send().await.unwrap()
    };
    let list: Value = get("/v1/sessions").await.json().await.unwrap();
    assert_eq!(ids(&list), [alice.session_id()], "what was there is there");
    let changes = get(&format!("/v1/sessions/changes?since={token}")).await;
    assert_eq!(changes.status(), 410, "devices fetch their lists again");
    cloud.delete("restored").await.unwrap();
}

/// Returns the tables whose names begin with this prefix.
async fn tables_of(t: &Test, prefix: &str) -> Vec<String> {
    let listed = t.app.dynamodb().request("ListTables", &json!({})).await.unwrap();
    let names = listed["TableNames"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names
}

async fn the_linters_find_nothing_in_the_template(t: Test) {
    let tools = &t.app.deployment().tools;
    let infra = workspace().join("infra");
    let mut sam = tools.command("sam");
    sam.args(["validate", "--lint", "--region", "us-east-1"]).env("SAM_CLI_TELEMETRY", "0");
    run(sam.current_dir(&infra)).await.unwrap();
    let mut cfn_lint = tools.command("cfn-lint");
    let found = run(cfn_lint.args(["--format", "json", "template.yaml"]).current_dir(&infra)).await.unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found, json!([]));
}
