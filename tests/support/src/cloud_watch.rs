//! Logs, metrics and alarms of the local cloud.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::deployment::{Deployment, STACK};

impl Deployment {
    /// Returns the JSON lines in a log group of the stack.
    pub async fn log_lines(&self, logical_id: &str) -> Vec<Value> {
        let groups = self.logs("DescribeLogGroups", &json!({})).await;
        let groups = groups["logGroups"].as_array().expect("log groups");
        let mut names = groups.iter().filter_map(|group| group["logGroupName"].as_str());
        let name = names.find(|name| name.ends_with(&format!("/{STACK}/{logical_id}"))).expect("the group");
        let found = self.logs("FilterLogEvents", &json!({ "logGroupName": name })).await;
        let messages = found["events"].as_array().expect("events").iter();
        messages.filter_map(|event| serde_json::from_str(event["message"].as_str()?).ok()).collect()
    }

    /// Puts a value of a metric of the stack, with the current time.
    pub async fn put_metric(&self, name: &str, value: u32) {
        let data = json!({"Namespace": STACK, "MetricData": [{"MetricName": name, "Value": value}]});
        self.metrics("PutMetricData", &data).await;
    }

    /// Returns the state of the alarm on a metric of the stack.
    pub async fn alarm_state(&self, metric: &str) -> String {
        let alarms = self.metrics("DescribeAlarms", &json!({})).await;
        let alarms = alarms["MetricAlarms"].as_array().expect("alarms").iter();
        let mut of_metric =
            alarms.filter(|alarm| alarm["Namespace"] == STACK && alarm["MetricName"] == metric);
        of_metric.next().expect("the alarm")["StateValue"].as_str().expect("a state").to_owned()
    }

    async fn logs(&self, action: &str, input: &Value) -> Value {
        self.aws("logs", &format!("Logs_20140328.{action}"), input).await
    }

    async fn metrics(&self, action: &str, input: &Value) -> Value {
        self.aws("monitoring", &format!("GraniteServiceVersion20100801.{action}"), input).await
    }

    /// Sends a request of AWS's JSON protocol. It is retried, because the cloud fails on listings while other stacks are created or
    /// deleted.
    async fn aws(&self, service: &str, target: &str, input: &Value) -> Value {
        const TRIES: u32 = 20;
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut status = StatusCode::OK;
        for _ in 0..TRIES {
            let request = session_local::http::client()
                .post(self.cloud.endpoint())
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-target", target)
                .header("authorization", &authorization)
                .body(input.to_string());
            let response = request.send().await.expect("the emulated cloud responds");
            status = response.status();
            if status.is_success() {
                return response.json().await.expect("JSON");
            }
            sleep(Duration::from_millis(250)).await;
        }
        panic!("{target}: {status}");
    }
}
