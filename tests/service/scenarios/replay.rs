//! `cargo local replay` and `cargo local erase`, as operators run them.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};
use session_local::workspace::workspace;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use test_support::{
    cargo_local::local,
    copies::{T0, group_message, message, with},
    scenarios,
    test::{Test, User, super_team},
    tools::Folder,
};

scenarios![
    replaying_a_file_twice_changes_nothing,
    rejected_lines_are_reported_and_may_be_replayed,
    replay_resumes_where_it_stopped,
    replay_retries_a_throttled_service,
    a_wrong_secret_or_address_stops_replay_immediately,
    dead_letters_are_replayed_as_scan_prints_them,
    a_deployed_service_is_reached_over_tls,
    a_user_is_erased_by_a_command,
];

fn lines<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    values.into_iter().fold(String::new(), |mut text, value| {
        let _ = writeln!(text, "{value}");
        text
    })
}

/// Replays a file. Returns the exit status and the output.
async fn replay(t: &Test, url: &str, file: &Path, more: &[&str]) -> (i32, String) {
    let arguments = [&["replay", file.to_str().unwrap(), "--url", url], more].concat();
    let output = local(t, &arguments).output().await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(printed).unwrap())
}

/// Returns a user's session items as stored in the engine. Those of members are returned without their change time, which a
/// repeated membership change sets again.
async fn session_items(t: &Test, user: &User) -> Value {
    let input = json!({
        "TableName": "SessionsTable", "KeyConditionExpression": "userId = :u",
        "ExpressionAttributeValues": {":u": {"S": user.account}},
    });
    let mut session_items = t.app.dynamodb().request("Query", &input).await.unwrap()["Items"].take();
    for session_item in session_items
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .filter(|session_item| session_item.get("memberAt").is_some())
    {
        session_item.as_object_mut().unwrap().remove("changeTime");
    }
    session_items
}

async fn replaying_a_file_twice_changes_nothing(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob, group) = (own.user("alice"), own.user("bob"), super_team());
    let mut values: Vec<Value> =
        (0..50).map(|number| message(&own.known_user(&format!("friend-{number}")), &bob, number)).collect();
    values.push(json!({"groupId": group, "time": T0, "add": [alice.account, bob.account]}));
    values.push(group_message(&alice, &group, 77));
    values.push(json!({"eventType": "2", "accid": "alice"}));
    let folder = Folder::new();
    let file = folder.file("copies.jsonl", &lines(&values));
    let (status, printed) = replay(&t, own.app.url(), &file, &["--concurrency", "8"]).await;
    assert_eq!(status, 0, "{printed}");
    assert!(
        printed.contains("53 lines in ")
            && printed.contains("52 applied, 1 ignored, 0 dead-lettered, 0 rejected"),
        "{printed}"
    );
    assert_eq!(bob.list("limit=100").await["sessionList"].as_array().unwrap().len(), 51);
    assert_eq!(alice.last_msg_of(&group).await["body"], "text 77");
    let before = (session_items(&own, &bob).await, own.group_item(&group).await);
    let logged = own.app.logs.all().lines().count();

    let (status, printed) = replay(&t, own.app.url(), &file, &[]).await;
    assert_eq!(status, 0, "{printed}");
    assert!((session_items(&own, &bob).await, own.group_item(&group).await) == before, "no item differs");
    let all = own.app.logs.all();
    let again = all.lines().skip(logged).filter(|line| line.starts_with("record-message:"));
    let units: Vec<f64> = again
        .filter_map(|line| {
            serde_json::from_str::<Value>(line.split_once(": ")?.1).ok()?["writeUnits"].as_f64()
        })
        .collect();
    assert!(units.len() > 50 && units.iter().all(|units| *units <= 2.0), "a unit per item: {units:?}");
    assert!(!folder.path.join("copies.jsonl.rejected").exists());
}

async fn rejected_lines_are_reported_and_may_be_replayed(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let values = [
        message(&alice, &bob, 1),
        json!({"eventType": "1", "convType": "PERSON"}),
        json!({"groupId": "team|7", "time": 5, "add": ["a"]}),
    ];
    let folder = Folder::new();
    let file = folder.file("copies.jsonl", &format!("{}\nno object\n", lines(&values)));
    let rejected = folder.path.join("rejected.jsonl");
    let arguments = ["--rejected", rejected.to_str().unwrap()];
    let (status, printed) = replay(&t, own.app.url(), &file, &arguments).await;
    assert_eq!(status, 2, "{printed}");
    assert!(printed.contains("1 applied, 0 ignored, 1 dead-lettered, 2 rejected"), "{printed}");
    assert!(printed.contains("rejected.jsonl, with the reasons"), "{printed}");
    let mut printed: Vec<Value> = fs::read_to_string(&rejected)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    printed.sort_by_key(|line| line["line"].as_u64());
    let about: Vec<_> = printed
        .iter()
        .map(|line| (line["line"].as_u64().unwrap(), line["result"].as_str().unwrap()))
        .collect();
    assert_eq!(about, [(2, "dead-lettered"), (3, "rejected"), (5, "rejected")]);
    assert_eq!(printed[0]["reason"], "fromAccount is missing");
    assert!(printed[1]["reason"].as_str().unwrap().starts_with("400 time must be a time"), "{}", printed[1]);
    assert_eq!(
        (&printed[2]["reason"], &printed[2]["copy"]),
        (&json!("it is not a JSON object"), &json!("no object"))
    );
    // Once its lines are fixed, the file of rejected lines is itself replayed, from standard input too.
    let fixed = printed[1]["copy"].as_str().unwrap().replace(":5}", &format!(":{T0}}}"));
    let again = folder.file("again.jsonl", &lines([&json!({"line": 3, "reason": "x", "copy": fixed})]));
    let mut from_input = local(&t, &["replay", "-", "--url", own.app.url()]);
    let output =
        from_input.current_dir(&folder.path).stdin(fs::File::open(again).unwrap()).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("1 lines in ") && printed.contains("1 applied"), "{printed}");
}

async fn replay_resumes_where_it_stopped(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let bob = own.user("bob");
    let values: Vec<Value> =
        (0..600).map(|number| message(&own.known_user(&format!("f{number}")), &bob, number)).collect();
    let folder = Folder::new();
    let file = folder.file("copies.jsonl", &lines(&values));
    let arguments =
        ["replay", file.to_str().unwrap(), "--url", own.app.url(), "--rate", "300", "--concurrency", "4"];
    let command = local(&t, &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let process = command.id().unwrap().to_string();
    // After some lines have been posted, and long before all have.
    let some = async {
        while own.app.logs.all().lines().count() < 60 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_mins(1), some).await.expect("it posts");
    assert!(Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
    let output =
        timeout(Duration::from_secs(20), command.wait_with_output()).await.expect("it stops").unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{printed}");
    let from = printed.split("continue with --from ").nth(1).unwrap().trim().to_owned();
    let number: u64 = from.parse().unwrap();
    assert!((2..600).contains(&number), "{printed}");
    let (status, printed) = replay(&t, own.app.url(), &file, &["--from", &from]).await;
    assert_eq!(status, 0, "{printed}");
    assert!(printed.contains(&format!("{} applied", 601 - number)), "{printed}");
    assert_eq!(session_items(&own, &bob).await.as_array().unwrap().len(), 600, "none is left out");
}

async fn replay_retries_a_throttled_service(t: Test) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let response = async move || match counted.fetch_add(1, Ordering::SeqCst) {
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], r#"{"message":"Too Many Requests"}"#),
        2 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], r#"{"detail":"busy"}"#),
        3 => (StatusCode::BAD_GATEWAY, [("retry-after", "0")], ""),
        _ => (StatusCode::OK, [("retry-after", "0")], "{}"),
    };
    let router = Router::new().route("/v1/messages", post(response)).fallback(async || "{}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let folder = Folder::new();
    let file = folder.file("copies.jsonl", "{\"eventType\":\"1\"}\n");
    let started = tokio::time::Instant::now();
    let (status, printed) = replay(&t, &url, &file, &[]).await;
    assert_eq!(status, 0, "{printed}");
    assert!(printed.contains("1 applied"), "{printed}");
    assert_eq!(requests.load(Ordering::SeqCst), 5, "the address is tried, then three times in vain");
    assert!(started.elapsed() > Duration::from_millis(1_500), "it waits as long as Retry-After");
}

async fn a_wrong_secret_or_address_stops_replay_immediately(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let folder = Folder::new();
    let file = folder.file(
        "copies.jsonl",
        &lines((0..100).map(|at| message(&alice, &bob, at)).collect::<Vec<_>>().iter()),
    );
    let mut wrong = local(&t, &["replay", file.to_str().unwrap(), "--url", own.app.url()]);
    let output = wrong.env("MESSAGE_COPY_APP_SECRET", "wrong").output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("403 CheckSum does not fit AppSecret"), "{error}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("continue with --from 1\n"));
    let nowhere = format!("{}/v1/nothing", own.app.url());
    let (status, printed) = replay(&t, own.app.url(), &file, &["--feed-url", &nowhere]).await;
    assert!(
        status == 1 && printed.contains("responds 404 Not Found: it is not a feed endpoint"),
        "{printed}"
    );
    let (status, printed) = replay(&t, own.app.url(), &file, &["--feed-url", "http://127.0.0.1:9/x"]).await;
    assert!(status == 1 && printed.contains("no response from http://127.0.0.1:9/x"), "{printed}");
    let (status, printed) = replay(&t, own.app.url(), Path::new("/no/such/file"), &[]).await;
    assert!(status == 1 && printed.contains("cannot read /no/such/file"), "{printed}");
}

async fn dead_letters_are_replayed_as_scan_prints_them(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let in_an_hour = session_local::emulator::clock::now_ms() + 3_600_000;
    let early = with(message(&alice, &bob, 1), "msgTimestamp", in_an_hour.to_string());
    assert_eq!(own.post(&early).await.status, 503, "dead-lettered, since it is too early");
    assert!(own.app.service().clock().advance(Duration::from_hours(1)));
    let bob = own.known_user(&bob.account);
    assert!(!bob.has(&alice).await);
    let scan = own.app.dynamodb().request("Scan", &json!({"TableName": "DeadLettersTable"})).await.unwrap();
    let scan = json!({"Items": scan["Items"], "Count": 1, "ScannedCount": 1, "ConsumedCapacity": null});
    let folder = Folder::new();
    let file =
        folder.file("kept.json", &serde_json::to_string_pretty(&scan).unwrap().replacen('{', "{\n", 1));
    let (status, printed) = replay(&t, own.app.url(), &file, &[]).await;
    assert_eq!(status, 0, "{printed}");
    assert_eq!(bob.last_msg(&alice).await["body"], "text 1");
}

async fn a_deployed_service_is_reached_over_tls(t: Test) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["feed.example".to_owned(), "localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut request = [0; 8_192];
            let _ = connection.read(&mut request).await;
            let _ = connection
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                .await;
            let _ = connection.shutdown().await;
        }
    });
    let folder = Folder::new();
    let file = folder.file("copies.jsonl", "{\"eventType\":\"1\"}\n{\"eventType\":\"1\"}\n");
    let roots = folder.file("roots.pem", &cert.pem());
    let feed_url = format!("https://localhost:{port}/");
    // The URL of another API, which gets no requests because no line changes members.
    let arguments =
        ["replay", file.to_str().unwrap(), "--url", "https://api.example", "--feed-url", &feed_url];
    let mut command = local(&t, &arguments);
    let output =
        command.env("SSL_CERT_FILE", &roots).env("MESSAGE_COPY_APP_SECRET", "secret").output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("2 applied"), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let mut untrusting = local(&t, &arguments);
    let output = untrusting.env("MESSAGE_COPY_APP_SECRET", "secret").output().await.unwrap();
    assert!(!output.status.success(), "a certificate of nobody's is rejected");
    // Without a secret, and without a terminal to ask for it.
    let mut asks = Command::new("setsid");
    let asks = asks.arg(t.app.executable("local")).args(arguments).env_remove("MESSAGE_COPY_APP_SECRET");
    let output = asks.stdin(Stdio::null()).current_dir(workspace()).output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains("set MESSAGE_COPY_APP_SECRET"), "{printed}");
}

async fn a_user_is_erased_by_a_command(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    own.deliver([&message(&alice, &bob, 1)]).await;
    let output =
        local(&t, &["erase", &bob.account, "--no-wait", "--url", own.app.url()]).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(&format!("1 sessions of {} are erased", bob.account)), "{printed}");
    assert_eq!(session_items(&own, &bob).await[0]["sessionId"]["S"], "/erased");
    assert_eq!(session_items(&own, &bob).await.as_array().map(Vec::len), Some(1), "the marker alone");
    // A service that is not local is not changed until the account has been typed again.
    let mut far = local(&t, &["erase", &bob.account, "--url", "https://api.example"]);
    let output = far.env("MESSAGE_COPY_APP_SECRET", "x").output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains("Type the account again") && printed.contains("nothing is erased"), "{printed}");
}
