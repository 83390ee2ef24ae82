//! The functions under `cargo lambda watch` and `cargo lambda invoke`, with the repository's fixtures.

use std::{collections::BTreeSet, fs, process::Stdio, time::Duration};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use session_local::{
    backend::{
        client::{Feed, text_message},
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    },
    emulator::{clock, dynamodb::DynamoDb},
    http,
    workspace::workspace,
};
use tokio::{
    process::Child,
    task::JoinSet,
    time::{Instant, sleep},
};

use test_support::{
    dynamodb_local::free_port,
    repository::template,
    scenarios,
    test::Test,
    tools::{Tools, run},
};

scenarios![every_function_runs_under_cargo_lambda];

/// A running `cargo lambda watch`, with the settings that the README names.
struct Watch<'a> {
    tools: &'a Tools,
    port: u16,
    _process: Child,
}

impl<'a> Watch<'a> {
    async fn start(tools: &'a Tools, dynamodb: &DynamoDb) -> Self {
        let port = free_port().await.unwrap();
        let mut watch = tools.command("cargo-lambda");
        watch
            .args(["lambda", "watch", "--ignore-changes", "--env-file", "infra/cargo-lambda.env"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
            .env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.endpoint())
            .current_dir(workspace())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = watch.spawn().unwrap();
        let watch = Self { tools, port, _process: process };
        let give_up = Instant::now() + Duration::from_secs(30);
        while http::client().get(watch.url()).send().await.is_err() {
            assert!(Instant::now() < give_up, "cargo lambda watch serves");
            sleep(Duration::from_millis(50)).await;
        }
        watch
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Invokes a function with the event of its fixture. Returns the status and the body of its response.
    async fn invoke(&self, function: &str) -> (u64, Value) {
        let mut invoke = self.tools.command("cargo-lambda");
        invoke
            .args(["lambda", "invoke", function, "--output-format", "json"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &self.port.to_string()])
            .args(["--data-file", &format!("tests/fixtures/events/{function}.json")])
            .current_dir(workspace());
        let response: Value = serde_json::from_str(&run(&mut invoke).await.unwrap()).unwrap();
        let body = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        (response["statusCode"].as_u64().unwrap(), body)
    }
}

async fn every_function_runs_under_cargo_lambda(t: Test) {
    let mut tasks = JoinSet::new();
    let dynamodb = DynamoDb::embedded(None, &mut tasks).await.unwrap();
    dynamodb.create_tables(&template().tables).await.unwrap();
    let watch = Watch::start(&t.app.deployment().tools, &dynamodb).await;

    let fixtures: BTreeSet<_> = fs::read_dir(workspace().join("tests/fixtures/events"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let functions: BTreeSet<_> = template().functions.into_values().map(|function| function.binary).collect();
    assert_eq!(fixtures, functions, "every function has a fixture");

    assert_eq!(watch.invoke("record-message").await, (200, json!({"result": "applied"})));
    assert_eq!(watch.invoke("update-group-members").await, (200, json!({})));
    let (status, list) = watch.invoke("query-my-session-list").await;
    assert_eq!((status, test_support::test::ids(&list)), (200, vec!["p2p|alice".to_owned()]));
    assert_eq!(
        watch.invoke("query-my-session-changes").await.0,
        410,
        "its token is of the beginning of 2026"
    );
    assert_eq!(watch.invoke("query-my-session").await, (200, list["sessionList"][0].clone()));
    let (status, session) = watch.invoke("update-my-session").await;
    assert_eq!((status, &session["ext"]), (200, &"pinned".into()));
    let deleted = json!({"deleted": ["p2p|alice"], "newer": [], "failed": []});
    assert_eq!(watch.invoke("delete-my-session").await, (200, deleted));
    assert_eq!(watch.invoke("query-my-session").await.0, 404);
    assert_eq!(watch.invoke("erase-user").await.0, 403, "an old request erases nobody");

    // Over HTTP, the backend's routes work. The apps' routes return 401, because no authorizer provides the caller's account.
    let feed = Feed::new(&watch.url(), LOCAL_APP_KEY, LOCAL_APP_SECRET);
    feed.deliver(&text_message("alice", "bob", "again", clock::now_ms())).await.unwrap();
    feed.add_members("team|7", &["carol".to_owned()], clock::now_ms()).await.unwrap();
    for route in template().routes.iter().filter(|route| route.authorized) {
        let path = route.path.replace("{sessionId}", "p2p%7Calice");
        let request = http::client().request(route.method.parse::<Method>().unwrap(), watch.url() + &path);
        let response = request.header("Content-Type", "application/json").body("{}").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{}", route.key());
    }
    assert_eq!(watch.invoke("query-my-session").await.0, 200, "the second message came by HTTP");
}
