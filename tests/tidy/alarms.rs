//! The alarms, and the event that fires each of them.

use std::{collections::BTreeSet, fs};

use session_local::{emulator::template::Template, workspace::workspace};
use test_support::alarms::{patterns, resources};

/// Each alarm of the template and the event that fires it, as docs/operations.md describes them.
const ALARMS: [(&str, &str); 16] = [
    ("DeadLetters", "a signed copy could not be applied"),
    ("FeedRejections", "a message copy was rejected, and is **not** stored"),
    ("FeedSilence", "the messaging backend has posted nothing for `FeedSilenceMinutes`"),
    ("FeedErrors", "the feed's Function URL responded 5xx 5 times in 5 minutes"),
    ("FeedThrottles", "Lambda had no concurrency for a request of the feed"),
    ("FeedLatency", "1 % of the copies take over 2 seconds"),
    ("ServerErrors", "the API responded 5xx 5 times in 5 minutes, including errors of the gateway"),
    ("InternalErrors", "the API responded 500"),
    ("Latency", "1 % of the requests take over 2 seconds"),
    ("ClockSkew", "the clock of a function and DynamoDB's differ by more than 20 seconds"),
    ("UnreadableItems", "an item was left out of a response, since it holds what this version never writes"),
    ("DatabaseErrors", "DynamoDB failed or timed out 5 times in 5 minutes, despite retries"),
    ("SessionsReadThrottles", "DynamoDB throttled 10 reads of the sessions table in 5 minutes"),
    ("SessionsWriteThrottles", "DynamoDB throttled 10 writes of the sessions table in 5 minutes"),
    ("GroupsReadThrottles", "DynamoDB throttled 10 reads of the groups table in 5 minutes"),
    ("GroupsWriteThrottles", "DynamoDB throttled 10 writes of the groups table in 5 minutes"),
];

#[test]
fn operations_documents_each_alarm() {
    let declared: BTreeSet<_> = resources("AWS::CloudWatch::Alarm").into_keys().collect();
    let listed: BTreeSet<_> = ALARMS.iter().map(|(name, _)| format!("{name}Alarm")).collect();
    assert_eq!(declared, listed);
    let operations = fs::read_to_string(workspace().join("docs/operations.md")).unwrap();
    for (name, fires) in ALARMS {
        assert!(operations.contains(&format!("| {name} | {fires}")), "docs/operations.md on {name}");
    }
}

#[test]
fn each_alarm_has_one_metric() {
    let mut counted = BTreeSet::new();
    for (id, alarm) in resources("AWS::CloudWatch::Alarm") {
        assert!(alarm.get("Metrics").is_none(), "{id}");
        let metric = alarm["MetricName"].as_str().unwrap();
        // The stack's own metrics are counted from logs.
        if alarm["Namespace"] == "local" {
            assert!(!patterns(metric).is_empty(), "{id} counts nothing");
            counted.insert(metric.to_owned());
        }
    }
    for filter in resources("AWS::Logs::MetricFilter").into_values() {
        let metric = filter["MetricTransformations"][0]["MetricName"].as_str().unwrap();
        assert!(counted.contains(metric), "nobody minds {metric}");
    }
    let functions = Template::of_the_repository().unwrap().functions;
    let groups: BTreeSet<_> = functions.keys().map(|id| id.replace("Function", "LogGroup")).collect();
    for metric in ["ClockSkew", "DatabaseErrors"] {
        assert_eq!(patterns(metric).into_keys().collect::<BTreeSet<_>>(), groups, "{metric}: each function");
    }
}
