//! `cargo local` as its users run it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use session_local::emulator::dynamodb::DynamoDb;
use tokio::{process::Command, task::JoinSet, time::timeout};

use test_support::{
    cargo_local::{local, printed, start, stop},
    repository::template,
    scenarios,
    test::Test,
    tools::Folder,
};

scenarios![
    the_service_is_ready_serves_and_stops,
    a_message_is_sent_and_recalled,
    every_command_explains_itself,
    a_command_without_a_service_explains_what_to_do,
    a_data_folder_persists_until_items_expire,
    a_folder_of_another_version_is_rejected,
];

async fn list(t: &Test, url: &str, user: &str) -> Value {
    let token = printed(t, &["token", user, "--url", url]).await;
    let request = t.app.http.get(format!("{url}/v1/sessions")).bearer_auth(token);
    request.send().await.unwrap().json().await.unwrap()
}

async fn the_service_is_ready_serves_and_stops(t: Test) {
    let (service, ready) = start(&t, &[]).await;
    let url = ready["url"].as_str().unwrap();
    for name in ["appKey", "appSecret", "issuer", "dynamodb"] {
        assert!(ready[name].is_string(), "{ready}");
    }
    printed(&t, &["send", "--from", "alice", "--to", "bob", "--text", "hello", "--url", url]).await;
    let sessions = list(&t, url, "bob").await;
    let last_msg: Value =
        serde_json::from_str(sessions["sessionList"][0]["lastMsg"].as_str().unwrap()).unwrap();
    assert_eq!((&last_msg["from"], &last_msg["body"]), (&"alice".into(), &"hello".into()));

    let to_group = |kind: &'static str, id: &'static str, members: &'static str| {
        ["send", "--from", "alice", kind, id, "--members", members, "--text", "hi", "--url", url]
    };
    printed(&t, &to_group("--team", "7", "alice,carol")).await;
    printed(&t, &to_group("--super-team", "7", "carol")).await;
    assert_eq!(test_support::test::ids(&list(&t, url, "carol").await), ["super_team|7", "team|7"]);

    let groups = ["--teams", "3", "--team-size", "2", "--super-teams", "2", "--super-team-size", "2"];
    printed(&t, &[&["seed", "--users", "2", "--sessions", "10", "--url", url], &groups[..]].concat()).await;
    assert_eq!(list(&t, url, "user-1").await["sessionList"].as_array().unwrap().len(), 15);
    printed(&t, &["seed", "--users", "2", "--sessions", "30", "--url", url]).await;
    assert_eq!(list(&t, url, "user-2").await["sessionList"].as_array().unwrap().len(), 35);

    printed(&t, &to_group("--super-team", "8", "alice, dave")).await;
    assert_eq!(test_support::test::ids(&list(&t, url, "dave").await), ["super_team|8"]);
    let nameless = local(&t, &to_group("--super-team", "8", "alice,,")).output().await.unwrap();
    assert!(String::from_utf8_lossy(&nameless.stderr).contains("a member has no name"));

    let mut rejected = local(&t, &["send", "--from", "a", "--to", "b", "--text", "x", "--url", url]);
    let rejected = rejected.env("MESSAGE_COPY_APP_SECRET", "wrong").output().await.unwrap();
    assert!(!rejected.status.success());
    assert!(String::from_utf8_lossy(&rejected.stderr).contains("CheckSum"));

    stop(service).await;
    assert!(t.app.http.get(url).send().await.is_err(), "nothing listens any more");
    let left = Command::new("pgrep").args(["-f", url.trim_start_matches("http://")]).output().await;
    assert!(left.is_ok_and(|output| output.stdout.is_empty()), "no process is left");
}

async fn a_message_is_sent_and_recalled(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let url = own.app.url();
    let send =
        async |more: &[&str]| printed(&t, &[&["send", "--from", "alice", "--url", url], more].concat()).await;
    let to_bob = ["--to", "bob"];
    let bob = own.known_user("bob");
    assert_eq!(
        send(&[&to_bob[..], &["--text", "hi"]].concat()).await,
        "recorded: p2p|bob of alice, p2p|alice of bob"
    );
    assert_eq!(
        send(&[&to_bob[..], &["--recall"]].concat()).await,
        "recorded: p2p|bob of alice, p2p|alice of bob"
    );
    assert_eq!(bob.try_get("p2p|alice").await.ok()["lastMsgType"], 1);
    let mut again = local(&t, &["send", "--from", "alice", "--to", "bob", "--recall", "--url", url]);
    let again = String::from_utf8(again.output().await.unwrap().stderr).unwrap();
    assert!(again.contains("no message shows last in p2p|bob of alice"), "{again}");

    assert_eq!(send(&["--to", "alice", "--text", "milk"]).await, "recorded: p2p|alice of alice");
    let unseen = send(&["--team", "7", "--text", "hi"]).await;
    assert!(unseen.starts_with("recorded: team|7\nalice does not see it"), "{unseen}");
    assert_eq!(send(&["--team", "7", "--members", "alice,bob", "--text", "hi"]).await, "recorded: team|7");
    assert_eq!(send(&["--team", "7", "--recall"]).await, "recorded: team|7");

    // The printed request posts a message of an earlier day, and runs in a shell.
    let curl = send(&["--to", "bob", "--text", "it's old", "--time", "1700000000000", "--curl"]).await;
    assert!(curl.contains("CheckSum: ") && !curl.contains("local-app-secret"), "{curl}");
    let output = Command::new("bash").args(["-c", &curl]).stdin(Stdio::null()).output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), r#"{"result":"applied"}"#);
    assert_eq!(bob.try_get("p2p|alice").await.ok()["lastMsgType"], 1, "messages before the recall are older");
}

async fn every_command_explains_itself(t: Test) {
    for (arguments, mentioned) in [
        (&["--help"][..], "--dynamodb-endpoint"),
        (&["help", "--help"], "--dynamodb-endpoint"),
        (&["token", "--help"], "<USER>"),
        (&["send", "--help"], "MESSAGE_COPY_APP_SECRET"),
        (&["seed", "--help"], "--sessions"),
        (&["trigger", "--help"], "--set"),
        (&["replay", "--help"], "--from"),
        (&["erase", "--help"], "--yes"),
        (&["cost", "--help"], "--billed-ms"),
    ] {
        let help = printed(&t, arguments).await;
        assert!(help.contains(mentioned), "{arguments:?}");
        assert!(help.contains("\nExample") && help.contains("\n  c"), "{arguments:?} has an example");
    }
}

async fn a_command_without_a_service_explains_what_to_do(t: Test) {
    for arguments in [
        &["token", "alice", "--url", "http://127.0.0.1:9"][..],
        &["send", "--from", "a", "--to", "b", "--text", "x", "--url", "http://127.0.0.1:9"],
        &["seed", "--url", "http://127.0.0.1:9"],
    ] {
        let output = local(&t, arguments).output().await.unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("no response from http://127.0.0.1:9"), "{arguments:?}: {error}");
    }
}

async fn a_data_folder_persists_until_items_expire(t: Test) {
    let folder = Folder::new();
    let data_folder = folder.path.join("created by the service");
    let data = ["--data", data_folder.to_str().unwrap()];
    let (service, ready) = start(&t, &data).await;
    let url = ready["url"].as_str().unwrap();
    printed(&t, &["send", "--from", "alice", "--to", "bob", "--text", "kept", "--url", url]).await;
    let expired = json!({"userId": {"S": "bob"}, "sessionId": {"S": "p2p|gone"}, "expiresAt": {"N": "1"}});
    let put = json!({"TableName": "SessionsTable", "Item": expired});
    DynamoDb::at(ready["dynamodb"].as_str().unwrap()).request("PutItem", &put).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data_folder), 0o700, "only its owner may read it");
    for file in fs::read_dir(&data_folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    stop(service).await;
    let (service, ready) = start(&t, &data).await;
    let key = json!({"userId": {"S": "bob"}, "sessionId": {"S": "p2p|gone"}});
    let engine = DynamoDb::at(ready["dynamodb"].as_str().unwrap());
    let swept = async {
        while
            !engine.request("GetItem", &json!({"TableName": "SessionsTable", "Key": key})).await.unwrap()["Item"]
                .is_null()
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), swept).await.expect("what has expired is swept");
    let sessions = list(&t, ready["url"].as_str().unwrap(), "bob").await;
    assert_eq!(sessions["sessionList"][0]["sessionId"], "p2p|alice");
    stop(service).await;
}

/// A local index cannot be added to a table, and without it changes would be reported wrongly.
async fn a_folder_of_another_version_is_rejected(t: Test) {
    let folder = Folder::new();
    let mut tables = template().tables;
    for table in &mut tables {
        if let Some(indexes) = table.create["LocalSecondaryIndexes"].as_array_mut() {
            indexes.retain(|index| index["IndexName"] != "byChangeTime");
            let attributes = table.create["AttributeDefinitions"].as_array_mut().unwrap();
            attributes.retain(|attribute| attribute["AttributeName"] != "changeTime");
        }
    }
    let mut tasks = JoinSet::new();
    let before = DynamoDb::embedded(Some(&folder.path), &mut tasks).await.unwrap();
    before.create_tables(&tables).await.unwrap();
    tasks.shutdown().await;
    let output = local(&t, &["--port", "0", "--data", folder.path.to_str().unwrap()]).output().await.unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected =
        "the table SessionsTable was created by another version of the service: it has no index byChangeTime";
    assert!(error.contains(expected), "{error}");
}
