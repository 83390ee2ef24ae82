//! One request to DynamoDB.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::shortened::shortened;

/// The maximum number of bytes stored of an input. Longer ones are truncated.
const MAX_BYTES: usize = 16 * 1024;

/// A request to DynamoDB, and its outcome.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DbRequest {
    /// The action, such as `UpdateItem`.
    pub action: String,
    /// The table, followed by the index if the request reads one.
    pub table: String,
    /// The item or items, in readable form.
    pub key: String,
    /// `done`, `condition failed`, or the name of an error.
    pub outcome: String,
    read_units: f64,
    write_units: f64,
    duration_ms: f64,
    input: String,
}

impl DbRequest {
    pub(super) fn new(action: &str, input: &Value, status: u16, output: &Value, duration: Duration) -> Self {
        let units = units(&output["ConsumedCapacity"]);
        let reads = matches!(action, "GetItem" | "Query" | "Scan" | "BatchGetItem");
        Self {
            action: action.to_owned(),
            table: table(input),
            key: key(input),
            outcome: outcome(status, output),
            read_units: if reads { units } else { 0.0 },
            write_units: if reads { 0.0 } else { units },
            duration_ms: (duration.as_secs_f64() * 1e5).round() / 1e2,
            input: shortened(&input.to_string(), MAX_BYTES).0,
        }
    }

    /// Whether the request's condition failed.
    #[must_use]
    pub fn is_condition_failed(&self) -> bool {
        self.outcome == CONDITION_FAILED
    }

    /// The read units that DynamoDB reported.
    #[must_use]
    pub fn read_units(&self) -> f64 {
        self.read_units
    }

    /// The write units that DynamoDB reported. A write whose condition fails is billed, but DynamoDB does not report its units.
    #[must_use]
    pub fn write_units(&self) -> f64 {
        self.write_units
    }
}

const CONDITION_FAILED: &str = "condition failed";

fn outcome(status: u16, output: &Value) -> String {
    if status == 200 {
        return "done".to_owned();
    }
    let code = output["__type"].as_str().unwrap_or_default().rsplit('#').next().unwrap_or_default();
    match code {
        "ConditionalCheckFailedException" => CONDITION_FAILED.to_owned(),
        "" => format!("status {status}"),
        code => code.to_owned(),
    }
}

fn units(consumed: &Value) -> f64 {
    let of_one = |of: &Value| of["CapacityUnits"].as_f64().unwrap_or_default();
    consumed.as_array().map_or_else(|| of_one(consumed), |all| all.iter().map(of_one).sum())
}

fn table(input: &Value) -> String {
    let batch = || input["RequestItems"].as_object().and_then(|tables| tables.keys().next());
    let name = input["TableName"].as_str().or_else(|| batch().map(String::as_str)).unwrap_or_default();
    match input["IndexName"].as_str() {
        Some(index) => format!("{name}/{index}"),
        None => name.to_owned(),
    }
}

/// The item or items in readable form: `userId=bob sessionId=p2p|alice`, the condition of a query, or the number of keys.
fn key(input: &Value) -> String {
    if let Some(key) = input["Key"].as_object() {
        return pairs(key.iter());
    }
    if let Some(item) = input["Item"].as_object() {
        return pairs(item.iter().filter(|(name, _)| name.ends_with("Id")));
    }
    if let Some(tables) = input["RequestItems"].as_object() {
        let keys: usize = tables.values().filter_map(|of| Some(of["Keys"].as_array()?.len())).sum();
        return if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") };
    }
    let mut condition = input["KeyConditionExpression"].as_str().unwrap_or_default().to_owned();
    let mut values: Vec<_> = input["ExpressionAttributeValues"].as_object().into_iter().flatten().collect();
    // The longest names come first, because one name may be the beginning of another.
    values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in values {
        condition = condition.replace(name.as_str(), &plain(value));
    }
    condition
}

fn pairs<'a>(attributes: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let mut pairs: Vec<_> = attributes.map(|(name, value)| format!("{name}={}", plain(value))).collect();
    // The user's partition comes before the session, in whatever order the SDK wrote them.
    pairs.sort_by(|one, other| other.cmp(one));
    pairs.join(" ")
}

/// Formats `{"S": "bob"}` as `bob`.
fn plain(value: &Value) -> String {
    let of_kind = value.as_object().and_then(|value| value.values().next());
    of_kind.and_then(Value::as_str).map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(action: &str, input: &Value, status: u16, output: &Value) -> DbRequest {
        DbRequest::new(action, input, status, output, Duration::from_millis(2))
    }

    #[test]
    fn a_write_shows_its_item_and_whether_its_condition_failed() {
        let input =
            json!({"TableName": "T", "Key": {"userId": {"S": "bob"}, "sessionId": {"S": "p2p|alice"}}});
        let done = request("UpdateItem", &input, 200, &json!({"ConsumedCapacity": {"CapacityUnits": 3.0}}));
        assert_eq!((&*done.outcome, done.read_units, done.write_units), ("done", 0.0, 3.0));
        assert_eq!(done.key, "userId=bob sessionId=p2p|alice");
        let code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        assert!(request("UpdateItem", &input, 400, &json!({ "__type": code })).is_condition_failed());
        let throttled = request("UpdateItem", &input, 400, &json!({"__type": "x#ThrottlingException"}));
        assert_eq!(throttled.outcome, "ThrottlingException");
        assert_eq!(request("UpdateItem", &input, 500, &Value::Null).outcome, "status 500");
    }

    #[test]
    fn a_query_shows_its_condition_and_a_batch_its_number_of_keys() {
        let input = json!({
            "TableName": "T", "IndexName": "I", "KeyConditionExpression": "userId = :u AND t < :u2",
            "ExpressionAttributeValues": {":u": {"S": "bob"}, ":u2": {"N": "7"}},
        });
        let query = request("Query", &input, 200, &json!({"ConsumedCapacity": {"CapacityUnits": 1.5}}));
        assert_eq!((&*query.table, &*query.key, query.read_units), ("T/I", "userId = bob AND t < 7", 1.5));
        let input = json!({"RequestItems": {"G": {"Keys": [{}, {}]}}});
        let output = json!({"ConsumedCapacity": [{"CapacityUnits": 1.0}]});
        let batch = request("BatchGetItem", &input, 200, &output);
        assert_eq!((&*batch.table, &*batch.key, batch.read_units), ("G", "2 keys", 1.0));
    }
}
