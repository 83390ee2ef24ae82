//! Faults of a function, and of the database behind it. Each fault fails one request, which may be repeated.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use test_support::{
    copies::{T0, message, on_time, shown_message, with},
    fault_proxy::{Fault, FaultProxy},
    response::Response,
    scenarios,
    test::Test,
};

scenarios![
    a_killed_function_fails_at_most_one_request,
    a_stopped_function_fails_one_request,
    a_panic_fails_one_request_and_not_the_process,
    a_function_that_exits_fails_one_request,
    a_waiting_function_responds_by_its_deadline,
    a_throttling_database_is_a_503_and_a_retry_completes,
    a_failing_database_is_a_503_and_a_retry_completes,
    a_hanging_database_is_a_503_within_the_deadline,
    a_lost_response_is_not_applied_twice,
    every_request_to_a_failing_database_may_be_retried,
    concurrent_requests_run_in_separate_processes,
    a_function_reports_all_missing_configuration,
];

async fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().await;
    assert!(status.unwrap().success());
}

/// Starts a separate service, whose functions get no other requests.
async fn alone(t: &Test) -> Test {
    Test::at(t.app.behind(t.app.dynamodb().endpoint()).await)
}

fn processes(t: &Test, function: &str) -> Vec<u32> {
    t.app.service().function(function).expect("the function").idle_processes()
}

async fn a_killed_function_fails_at_most_one_request(t: Test) {
    let t = alone(&t).await;
    let bob = t.user("bob");
    bob.list("").await;
    let [process] = processes(&t, "QueryMySessionListFunction")[..] else { panic!("one process") };
    signal("KILL", process).await;
    let first = bob.try_list("").await;
    assert!([200, 500].contains(&first.status), "{}", first.status);
    bob.list("").await;
    assert!(!processes(&t, "QueryMySessionListFunction").contains(&process), "it was replaced");
}

async fn a_stopped_function_fails_one_request(t: Test) {
    let t = alone(&t).await;
    let bob = t.user("bob");
    bob.list("").await;
    let [process] = processes(&t, "QueryMySessionListFunction")[..] else { panic!("one process") };
    signal("STOP", process).await;
    let response = bob.try_list("").await;
    assert_eq!((response.status, response.body), (500, json!({"message": "Internal Server Error"})));
    bob.list("").await;
}

/// The feed waits for 5 s. A cold start and the network take a part of that.
async fn assert_in_time(t: &Test, response: &Response) {
    let line = t.app.logs.of(&response.request_id).await;
    assert!(line["durationMs"].as_f64().unwrap() < 4_700.0, "{line}");
}

async fn misbehaving(t: &Test, how: &str) -> (Test, Response) {
    let t = Test::at(t.app.with_function("query-my-session", "misbehaving").await);
    let response = t.user("bob").try_get(how).await;
    (t, response)
}

async fn a_panic_fails_one_request_and_not_the_process(t: Test) {
    let (t, response) = misbehaving(&t, "p2p|panic").await;
    response.is_problem(503, "the request was interrupted; safe to retry");
    assert_eq!(t.app.logs.of(&response.request_id).await["cause"], "panic");
    let before = processes(&t, "QueryMySessionFunction");
    t.user("bob").try_get("p2p|fine").await.ok();
    assert_eq!(processes(&t, "QueryMySessionFunction"), before, "no cold start");
    let logged = t.app.logs.all();
    assert!(logged.contains("misbehaving/main.rs:") && !logged.contains("a secret"), "{logged}");
}

async fn a_function_that_exits_fails_one_request(t: Test) {
    let (t, response) = misbehaving(&t, "p2p|exit").await;
    assert_eq!((response.status, response.body), (500, json!({"message": "Internal Server Error"})));
    t.user("bob").try_get("p2p|fine").await.ok();
}

async fn a_waiting_function_responds_by_its_deadline(t: Test) {
    let (t, response) = misbehaving(&t, "p2p|wait").await;
    response.is_problem(503, "no response in time; safe to retry");
    assert_in_time(&t, &response).await;
    t.user("bob").try_get("p2p|fine").await.ok();
}

/// Runs every operation under a fault of the database, and then again without it.
async fn under(t: &Test, fault: Fault, detail: &str) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let t = Test::at(t.app.behind(proxy.endpoint()).await);
    let (alice, bob) = t.alice_and_bob();
    let id = alice.session_id();
    t.deliver([&message(&alice, &bob, 1)]).await;
    // The requests under the fault run concurrently, because each may take the whole deadline.
    proxy.set(fault);
    let (copy, ext) = (message(&alice, &bob, 2), json!({"ext": "x"}));
    let ids = json!({"sessionIds": [id, "p2p|other"]});
    let (posted, listed, got, patched, deleted, batch) = tokio::join!(
        t.post(&copy),
        bob.try_list(""),
        bob.try_get(&id),
        bob.patch(&id, &ext),
        bob.try_delete("p2p|other"),
        bob.batch_delete(&ids),
    );
    for response in [posted, listed, got, patched, deleted, batch] {
        response.is_problem(503, detail);
        assert_in_time(&t, &response).await;
        assert!(!response.body.to_string().contains("internal text"));
    }
    proxy.set(Fault::None);
    t.deliver([&copy]).await;
    assert_eq!(bob.last_msg(&alice).await, shown_message(&alice, 2));
    assert_eq!(bob.patch(&id, &ext).await.ok()["ext"], "x");
    assert_eq!(bob.listed().await, [&*id]);
    bob.delete(&alice).await;
    assert!(!bob.has(&alice).await && alice.has(&bob).await);
    assert!(!t.app.logs.all().contains("internal text"), "nor is it logged");
}

async fn a_throttling_database_is_a_503_and_a_retry_completes(t: Test) {
    under(&t, Fault::Throttle, "the database throttled the request; safe to retry").await;
}

async fn a_failing_database_is_a_503_and_a_retry_completes(t: Test) {
    under(&t, Fault::InternalError, "the database did not respond; safe to retry").await;
}

async fn a_hanging_database_is_a_503_within_the_deadline(t: Test) {
    under(&t, Fault::Hang, "the database did not respond; safe to retry").await;
}

async fn a_lost_response_is_not_applied_twice(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let t = Test::at(t.app.behind(proxy.endpoint()).await);
    let (alice, bob) = t.alice_and_bob();
    let again = on_time(with(message(&alice, &bob, 2), "body", "once"));
    t.deliver([&on_time(message(&alice, &bob, 1))]).await;
    proxy.set(Fault::LoseResponse);
    t.post(&again).await.is_problem(503, "the database did not respond");
    bob.try_delete(&alice.session_id()).await.is_problem(503, "the database did not respond");
    proxy.set(Fault::None);
    t.deliver([&again]).await;
    assert!(!bob.has(&alice).await, "the delete was done, and the repeated message is not newer");
    assert_eq!(alice.last_msg(&bob).await["body"], "once");
}

async fn concurrent_requests_run_in_separate_processes(t: Test) {
    let t = alone(&t).await;
    let bob = t.user("bob");
    let lists = futures_util::future::join_all((0..6).map(|_| bob.list(""))).await;
    assert!(lists.iter().all(|list| list["sessionList"] == Value::Array(vec![])));
    let first = processes(&t, "QueryMySessionListFunction");
    assert!(first.len() > 1, "{first:?}");
    bob.list("").await;
    assert_eq!(processes(&t, "QueryMySessionListFunction").len(), first.len(), "idle ones are reused");
}

async fn a_function_reports_all_missing_configuration(t: Test) {
    let bundle = std::env::temp_dir().join("no-certificates.pem");
    std::fs::write(&bundle, "none").unwrap();
    for (executable, operation, more) in [
        ("query-my-session", "queryMySession", ""),
        // If there is a Runtime API, this function responds with 503 instead.
        (
            "record-message",
            "recordMessage",
            "; MESSAGE_COPY_APP_KEY is not set; MESSAGE_COPY_APP_SECRET is not set; DEAD_LETTERS_TABLE is not set",
        ),
    ] {
        let mut function = Command::new(t.app.executable(executable));
        function
            .env_clear()
            .env("AWS_CA_BUNDLE", &bundle)
            .env("GROUPS_TABLE", "x")
            .env("ACCOUNT_CASE", "upper");
        let output = function.output().await.unwrap();
        assert!(!output.status.success());
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&line["level"], &line["operation"]), (&json!("ERROR"), &json!(operation)));
        let missing = "cannot start: AWS_LAMBDA_RUNTIME_API is not set; AWS_ACCESS_KEY_ID is not set; \
                       AWS_SECRET_ACCESS_KEY is not set; AWS_CA_BUNDLE holds no valid PEM certificates; \
                       ACCOUNT_CASE is not valid: must be keep or lower; AWS_REGION is not set; \
                       SESSIONS_TABLE is not set";
        assert_eq!(line["message"], format!("{missing}{more}"));
    }
}

async fn every_request_to_a_failing_database_may_be_retried(t: Test) {
    let bob = t.user("bob");
    let since = bob.list("").await["syncToken"].as_str().unwrap().to_owned();
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    let bob = behind.known_user(&bob.account);
    proxy.set(Fault::InternalError);
    let (id, group) = ("p2p|alice", "team|7");
    let change = json!({"groupId": group, "time": T0, "add": ["carol"]});
    let list = json!({"groupId": group, "time": T0, "members": ["carol"]});
    for response in [
        bob.try_list("").await,
        bob.try_changes(&format!("since={since}")).await,
        bob.try_get(id).await,
        bob.patch(id, &json!({"ext": "x"})).await,
        bob.try_delete(id).await,
        bob.batch_delete(&json!({"sessionIds": [id]})).await,
        behind.try_update_members(Method::PATCH, group, &change).await,
        behind.try_update_members(Method::PUT, group, &list).await,
    ] {
        response.is_problem(503, "the database did not respond; safe to retry");
        assert_eq!(response.body["type"], "urn:session-service:unavailable");
    }
}
