//! Scenarios of the template and its deployment.

use std::{fs, path::PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use session_local::{
    backend::signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    emulator::template::Template,
    workspace::workspace,
};

use test_support::{
    copies::message,
    deployment::{ARCHITECTURE, OLD_SECRET, STACK, Stack},
    scenarios,
    test::{Test, ids},
    tools::{Folder, Tools, run},
};

scenarios![
    both_secrets_are_accepted_during_a_rotation,
    the_feed_has_an_endpoint_of_its_own,
    a_second_stack_adopts_existing_tables,
    tables_are_restored_by_the_runbook,
    a_stack_is_deployed_by_the_example,
    a_stack_is_deployed_by_answers_at_a_terminal,
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

/// A secret of 12 characters, as Yunxin's are, and the next one.
const SECRETS: [&str; 2] = ["first-secret", "next-secret!"];

/// Fills in the example as its comments say. `changed` are lines that an operator changes or adds, and `without` is one that they
/// leave out.
fn settings(folder: &Folder, t: &Test, changed: &[(&str, &str)], without: &str) -> PathBuf {
    let example = fs::read_to_string(workspace().join("infra/samconfig.example.toml")).unwrap();
    let given = [
        ("JwtIssuer", t.app.deployment().issuer.url()),
        ("JwtAudience", "another,app"),
        ("MessageCopyAppKey", LOCAL_APP_KEY),
        ("MessageCopyAppSecret", SECRETS[0]),
        ("Architecture", ARCHITECTURE),
    ];
    let sets = |line: &str, name: &str| {
        let line = line.trim().trim_start_matches(['"', '\'']);
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
    };
    let mut lines: Vec<String> = example.lines().map(str::to_owned).collect();
    let default = lines.iter().position(|line| line.starts_with("parameter_overrides")).unwrap();
    for (name, value) in given.iter().chain(changed) {
        let line = format!("  '{name}={value}',");
        match lines.iter().position(|known| sets(known, name)) {
            Some(known) => lines[known] = line,
            None => lines.insert(default + 1, line),
        }
    }
    lines.retain(|line| !sets(line, without));
    folder.file("samconfig.toml", &lines.join("\n"))
}

/// The status that the feed gets for a message that is signed with this secret.
async fn status_of(stack: &Stack, t: &Test, secret: &str) -> u16 {
    let (alice, bob) = t.alice_and_bob();
    stack.feed(secret).post(&message(&alice, &bob, 1)).await.unwrap().status().as_u16()
}

/// The secret is rotated, feed and apps are switched off and on again, and parameters without a line keep their values.
async fn a_stack_is_deployed_by_the_example(t: Test) {
    let (cloud, folder) = (t.app.deployment(), Folder::new());
    let deploy = async |changed: &[(&str, &str)], without: &str| {
        cloud.deploy_by("plain", &settings(&folder, &t, changed, without)).await.unwrap()
    };
    let stack = deploy(&[], "").await;
    assert_eq!(status_of(&stack, &t, SECRETS[0]).await, 200);
    let bob = t.user("bob");
    let list = stack.http.get(format!("{}/v1/sessions", stack.url)).bearer_auth(&bob.token);
    assert_eq!(list.send().await.unwrap().status(), 200, "one of the audiences");

    let rotating = [
        ("MessageCopyAppSecret", SECRETS[1]),
        ("MessageCopyPreviousAppSecret", SECRETS[0]),
        ("FeedConcurrency", "0"),
        ("AppConcurrency", "0"),
    ];
    deploy(&rotating, "").await;
    assert_eq!(limits(&t, "plain").await, ["0", "0"], "switched off");

    let ended =
        [("MessageCopyPreviousAppSecret", "none"), ("FeedConcurrency", r#""""#), ("AppConcurrency", r#""""#)];
    let stack = deploy(&ended, "MessageCopyAppSecret").await;
    assert_eq!(limits(&t, "plain").await, ["", ""], "switched on again");
    assert_eq!(status_of(&stack, &t, SECRETS[1]).await, 200, "it has kept its value");
    for rejected in [SECRETS[0], "none", ""] {
        assert_eq!(status_of(&stack, &t, rejected).await, 403, "{rejected:?}");
    }
    cloud.delete("plain").await.unwrap();
}

/// The parameters that limit the feed and the apps. The local cloud reserves no concurrency.
async fn limits(t: &Test, stack: &str) -> [String; 2] {
    let aws = Tools::aws_cli().await.unwrap();
    let mut describe = t.app.deployment().cloud.command(&aws, "aws");
    describe.args(["cloudformation", "describe-stacks", "--stack-name", stack, "--output", "json"]);
    let described: Value = serde_json::from_str(&run(&mut describe).await.unwrap()).unwrap();
    ["FeedConcurrency", "AppConcurrency"].map(|name| {
        let parameters = described["Stacks"][0]["Parameters"].as_array().unwrap();
        let parameter = parameters.iter().find(|parameter| parameter["ParameterKey"] == name).unwrap();
        parameter["ParameterValue"].as_str().unwrap().to_owned()
    })
}

/// As a person does who has copied no example: the four values that have no default, `none` where a secret cannot be left empty,
/// and Enter everywhere else.
async fn a_stack_is_deployed_by_answers_at_a_terminal(t: Test) {
    let (cloud, folder) = (t.app.deployment(), Folder::new());
    let saved = folder.path.join("samconfig.toml");
    let answers = [
        ("Stack Name", "guided"),
        ("JwtIssuer", cloud.issuer.url()),
        ("JwtAudience", "app"),
        ("MessageCopyAppKey", LOCAL_APP_KEY),
        ("MessageCopyAppSecret", SECRETS[0]),
        ("MessageCopyPreviousAppSecret", "none"),
        ("Parameter Architecture", ARCHITECTURE),
        ("DeletionProtection", "false"),
        ("no authentication", "y"),
        ("SAM configuration file", saved.to_str().unwrap()),
        ("Deploy this changeset", "y"),
    ];
    let stack = cloud.deploy_guided("guided", &answers).await.unwrap();
    assert_eq!(status_of(&stack, &t, SECRETS[0]).await, 200);
    assert_eq!(status_of(&stack, &t, "none").await, 403, "it stands for no secret");
    assert!(fs::read_to_string(saved).unwrap().contains("guided"), "the answers are saved");
    cloud.delete("guided").await.unwrap();
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
    let policy =
        "aws cloudformation get-stack-policy --stack-name \"$STACK\" --output text | tr -d '\\n'; echo";
    let script = format!(
        "set-policy() {{ aws cloudformation set-stack-policy --stack-name \"$STACK\" --stack-policy-body file://stack-policy.json; }}\n\
         sam() {{ printf '%s\\n' \"$@\"; printf 'policy meanwhile: '; {policy}; }}\n\
         set-policy; printf 'policy before: '; {policy}\n{runbook}\nprintf 'policy after: '; {policy}"
    );
    let shell = shell
        .args(["-c", &script])
        .env("STACK", STACK)
        .env("SESSIONS", t.app.table("SessionsTable"))
        .env("GROUPS_TABLE", t.app.table("GroupsTable"));
    let printed = run(shell).await.unwrap();
    // The local cloud does not enforce the policy.
    let denies = |when: &str| printed.lines().any(|line| line.starts_with(when) && line.contains("Deny"));
    let of_runbook = ["policy before", "policy meanwhile", "policy after"].map(denies);
    assert_eq!(of_runbook, [true, false, true], "{printed}");
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
    // In a region without Function URLs, and in GovCloud, it finds what FeedEndpoint=HttpApi leaves out.
    for (region, expected) in [
        ("us-east-1", &[][..]),
        ("il-central-1", &[("E3006", "RecordMessageUrl")]),
        ("us-gov-west-1", &[("E3006", "RecordMessageUrl")]),
    ] {
        let mut cfn_lint = tools.command("cfn-lint");
        cfn_lint.args(["--format", "json", "--regions", region, "--", "template.yaml"]).current_dir(&infra);
        // It exits with the kind of what it has found.
        let output = cfn_lint.output().await.unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found: Vec<_> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|found| {
                let rule = found["Rule"]["Id"].as_str().unwrap();
                (rule, found["Location"]["Path"][1].as_str().unwrap())
            })
            .collect();
        assert_eq!(found, expected, "{region}");
    }
    let url = serde_json::to_value(
        Template::resources("AWS::Lambda::Url", &{
            let mut parameters = Template::something_given();
            parameters.insert("FeedEndpoint", "HttpApi".to_owned());
            parameters
        })
        .unwrap(),
    );
    assert_eq!(url.unwrap(), json!({}), "it is not created there");
}
