//! The log lines that the template's alarms count.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use session_local::emulator::template::Template;

/// Returns the template's resources of a type, including all alarms.
pub fn resources(kind: &str) -> BTreeMap<String, Value> {
    let mut parameters: HashMap<&str, String> = Template::something_given();
    parameters.insert("FeedSilenceMinutes", "5".to_owned());
    Template::resources(kind, &parameters).expect("the template is understood")
}

/// Returns the patterns of the log lines that a metric counts, by the log group that they apply to.
pub fn patterns(metric: &str) -> BTreeMap<String, String> {
    let filters = resources("AWS::Logs::MetricFilter").into_values();
    let of_metric = filters.filter(|filter| filter["MetricTransformations"][0]["MetricName"] == metric);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    of_metric.map(|filter| (text(&filter["LogGroupName"]), text(&filter["FilterPattern"]))).collect()
}
