//! The alarms count what the service logs.

use serde_json::{Value, json};
use session_local::backend::signing::LOCAL_APP_KEY;

use test_support::{
    alarms::patterns,
    copies::message,
    fault_proxy::{Fault, FaultProxy},
    response::Response,
    scenarios,
    test::Test,
};

scenarios![the_log_has_what_the_alarms_count, alarms_work_at_log_level_warn,];
scenarios![DEPLOYED: alarms_fire];

/// Whether a line matches a pattern such as `{ $.outcome = "dead-lettered" }`. A `*` at the end of the value stands for any text,
/// and a `*` alone for any value.
fn matches(pattern: &str, line: &Value) -> bool {
    let inner = pattern
        .strip_prefix("{ $.")
        .and_then(|rest| rest.strip_suffix(" }"))
        .expect("a pattern of one field");
    let (field, wanted) = inner.split_once(" = ").expect("a comparison");
    let Some(value) = line.get(field) else { return false };
    if wanted == "*" {
        return true;
    }
    let wanted = wanted.trim_matches('"');
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    wanted.strip_suffix('*').map_or_else(|| text == wanted, |start| text.starts_with(start))
}

/// Sends requests whose log lines alarms count. Returns the metric, the log group and the response of each.
async fn provoked(t: &Test) -> Vec<(&'static str, &'static str, Response)> {
    let (alice, bob) = t.alice_and_bob();
    let copy = message(&alice, &bob, 1);
    t.deliver([&copy]).await;
    let dead_lettered = t.post(&json!({"eventType": "1"})).await;
    let forged = t.post_by(&t.app.feed.signed_by(LOCAL_APP_KEY, "other"), copy.to_string()).await;
    t.damage_item(&bob, &alice.session_id(), "lastMsgType", json!({"N": "2"})).await;
    vec![
        ("DeadLetters", "RecordMessageLogGroup", dead_lettered),
        ("FeedRejections", "RecordMessageLogGroup", forged),
        ("UnreadableItems", "QueryMySessionListLogGroup", bob.try_list("").await),
    ]
}

async fn the_log_has_what_the_alarms_count(t: Test) {
    let mut provoked = provoked(&t).await;
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    proxy.set(Fault::InternalError);
    let timed_out = behind.user("bob").try_list("").await;
    provoked.push(("DatabaseErrors", "QueryMySessionListLogGroup", timed_out));
    for (metric, group, response) in provoked {
        let logs = if metric == "DatabaseErrors" { &behind.app.logs } else { &t.app.logs };
        let line = logs.of(&response.request_id).await;
        let pattern = &patterns(metric)[group];
        assert!(matches(pattern, &line), "{metric}: {pattern} does not find {line}");
        let fine = json!({"level": "INFO", "status": 200});
        assert!(!matches(pattern, &fine), "{metric}: {pattern} finds everything");
    }
    // Functions compare clocks on AWS only. A unit test next to the log line checks its form.
    assert!(patterns("ClockSkew").values().all(|pattern| pattern == "{ $.clockSkewMs = * }"));
}

/// The local cloud does not count log lines. Each line is therefore searched for in its log group, with its alarm's pattern, and
/// the metric is then set by hand.
async fn alarms_fire(t: Test) {
    let cloud = t.app.deployment();
    for (metric, group, _) in provoked(&t).await {
        let pattern = &patterns(metric)[group];
        let lines = cloud.log_lines(group).await;
        assert!(
            lines.iter().any(|line| matches(pattern, line)),
            "{metric}: {pattern} finds nothing in {lines:?}"
        );
        assert_ne!(cloud.alarm_state(metric).await, "ALARM", "{metric}");
        cloud.put_metric(metric, 1).await;
        assert_eq!(cloud.alarm_state(metric).await, "ALARM", "{metric}");
    }
    for (metric, value) in
        [("ServerErrors", 5), ("InternalErrors", 1), ("ClockSkew", 1), ("DatabaseErrors", 5)]
    {
        cloud.put_metric(metric, value).await;
        assert_eq!(cloud.alarm_state(metric).await, "ALARM", "{metric}");
    }
}

/// Lambda's log filter reads `level` in lines that have a `timestamp`. At WARN, all of these lines must pass it.
async fn alarms_work_at_log_level_warn(t: Test) {
    let bob = t.user("bob");
    let rejected = [
        ("WARN", bob.try_get("p2p|nobody").await),
        ("WARN", bob.try_list("limit=0").await),
        ("WARN", t.send(t.feed_request(reqwest::Method::POST).body("unsigned")).await),
    ];
    let alarming = provoked(&t)
        .await
        .into_iter()
        .map(|(metric, _, response)| (if metric == "DeadLetters" { "ERROR" } else { "WARN" }, response));
    for (level, response) in rejected.into_iter().chain(alarming) {
        let line = t.app.logs.of(&response.request_id).await;
        assert_eq!(line["level"], level, "{line}");
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(timestamp.contains('T') && timestamp.ends_with('Z'), "{timestamp}");
    }
    let fine = t.app.logs.of(&bob.try_list("").await.request_id).await;
    assert_eq!(fine["level"], "INFO");
}
