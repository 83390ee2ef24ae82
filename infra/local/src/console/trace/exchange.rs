//! One request and its response.

use std::{fmt::Write, io::Read, time::Duration};

use flate2::read::GzDecoder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{request::DbRequest, shortened::shortened};
use crate::{
    cost::prices::{BILLED_MS, OperationUsage, Prices},
    shell,
};

/// The maximum number of bytes stored of a body or response. Longer ones are truncated.
const MAX_BYTES: usize = 64 * 1024;

/// A request that has arrived.
pub struct TracedRequest {
    /// The gateway's id of the request.
    pub request_id: String,
    /// The HTTP method.
    pub method: String,
    /// The path with its query, as received.
    pub path: String,
    /// The headers, as the function gets them.
    pub headers: Map<String, Value>,
    /// Whether the console sent it in the background, to show new data.
    pub in_background: bool,
}

/// The response to a request, and how the request was handled.
#[derive(Default)]
pub struct TracedResponse {
    /// The operation, if a route matched.
    pub operation: Option<String>,
    /// The user named by the token.
    pub user: Option<String>,
    /// The event that the function received.
    pub event: Option<Value>,
    /// The body, as received.
    pub body: Vec<u8>,
    /// The function's memory, in MB.
    pub memory_mb: u64,
    /// Whether the deployed service bills it as a request of the HTTP API.
    pub through_api: bool,
    /// The HTTP status.
    pub status: u16,
    /// The response's headers.
    pub headers: Map<String, Value>,
    /// The response's body, as sent.
    pub response: Vec<u8>,
    /// The time until the response.
    pub duration: Duration,
}

/// A request with its response, log line and requests to DynamoDB.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedExchange {
    number: u64,
    request_id: String,
    /// The time it arrived, in ms.
    at: u64,
    method: String,
    path: String,
    in_background: bool,
    headers: Map<String, Value>,
    operation: Option<String>,
    user: Option<String>,
    event: Option<Value>,
    body: String,
    /// The length of the body, if it is not stored whole or is not UTF-8 text.
    body_bytes: Option<usize>,
    status: Option<u16>,
    response_headers: Map<String, Value>,
    response: Option<String>,
    response_bytes: Option<usize>,
    /// The size of the response with its headers, as sent.
    sent_bytes: usize,
    duration_ms: Option<f64>,
    requests: Vec<DbRequest>,
    log: Option<Value>,
    memory_mb: u64,
    through_api: bool,
}

/// The summary of a request for lists.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    number: u64,
    at: u64,
    method: String,
    path: String,
    in_background: bool,
    operation: Option<String>,
    user: Option<String>,
    status: Option<u16>,
    duration_ms: Option<f64>,
    requests: usize,
    conditions_failed: usize,
    read_units: f64,
    write_units: f64,
}

impl RecordedExchange {
    pub(super) fn new(number: u64, at: u64, arrived: TracedRequest) -> Self {
        Self {
            number,
            request_id: arrived.request_id,
            at,
            method: arrived.method,
            path: arrived.path,
            in_background: arrived.in_background,
            headers: without_token(arrived.headers),
            operation: None,
            user: None,
            event: None,
            body: String::new(),
            body_bytes: None,
            status: None,
            response_headers: Map::new(),
            response: None,
            response_bytes: None,
            sent_bytes: 0,
            duration_ms: None,
            requests: Vec::new(),
            log: None,
            memory_mb: 0,
            through_api: true,
        }
    }

    pub(super) fn responded(&mut self, responded: TracedResponse) {
        let zipped = responded.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip");
        let header_bytes: usize = responded
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.as_str().unwrap_or_default().len() + 4)
            .sum();
        self.sent_bytes = header_bytes + responded.response.len();
        let text = if zipped { unzipped(&responded.response) } else { responded.response };
        let (response, response_bytes) = shortened(&String::from_utf8_lossy(&text), MAX_BYTES);
        (self.response, self.response_bytes) = (Some(response), response_bytes);
        let (body, body_bytes) = shortened(&String::from_utf8_lossy(&responded.body), MAX_BYTES);
        let is_text = std::str::from_utf8(&responded.body).is_ok();
        (self.body, self.body_bytes) = (body, body_bytes.or((!is_text).then_some(responded.body.len())));
        self.event = responded.event.map(|event| self.shown_event(event));
        self.operation = responded.operation;
        self.user = responded.user;
        self.status = Some(responded.status);
        self.response_headers = responded.headers;
        self.duration_ms = Some((responded.duration.as_secs_f64() * 1e5).round() / 1e2);
        self.memory_mb = responded.memory_mb;
        self.through_api = responded.through_api;
    }

    pub(super) fn logged(&mut self, line: Value) {
        self.log = Some(line);
    }

    pub(super) fn requested(&mut self, request: DbRequest) {
        self.requests.push(request);
    }

    /// The request's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The method and the path with its query.
    #[must_use]
    pub fn line(&self) -> (&str, &str) {
        (&self.method, &self.path)
    }

    /// A header of the request.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(Value::as_str)
    }

    /// The user, if a token named one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The body, which is empty if there is none. Returns none if the body is not stored whole or is not UTF-8 text.
    #[must_use]
    pub fn whole_body(&self) -> Option<&str> {
        self.body_bytes.is_none().then_some(&*self.body)
    }

    /// Whether the messaging backend signed the request.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.headers.contains_key("checksum")
    }

    /// Whether the response has been recorded, and the log line too if a function was invoked.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.status.is_some() && (self.event.is_none() || self.log.is_some())
    }

    pub(super) fn requests(&self) -> &[DbRequest] {
        &self.requests
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            number: self.number,
            at: self.at,
            method: self.method.clone(),
            path: self.path.clone(),
            in_background: self.in_background,
            operation: self.operation.clone(),
            user: self.user.clone(),
            status: self.status,
            duration_ms: self.duration_ms,
            requests: self.requests.len(),
            conditions_failed: self.requests.iter().filter(|request| request.is_condition_failed()).count(),
            read_units: self.requests.iter().map(DbRequest::read_units).sum(),
            write_units: self.requests.iter().map(DbRequest::write_units).sum(),
        }
    }

    pub(super) fn dollars_of_a_million(&self, prices: &Prices) -> Option<f64> {
        let line = self.log.as_ref()?;
        let exchange = OperationUsage {
            name: "",
            read_units: line["readUnits"].as_f64()?,
            write_units: line["writeUnits"].as_f64()?,
            response_bytes: u64::try_from(self.sent_bytes).ok()?,
            logged_bytes: u64::try_from(line.to_string().len()).ok()?,
            memory_mb: self.memory_mb,
            through_api: self.through_api,
        };
        Some(prices.of_a_million(&exchange, Duration::from_millis(BILLED_MS)).total())
    }

    /// The request as a shell command. The command obtains a token and does not contain one.
    #[must_use]
    pub fn curl(&self, url: &str, token_command: &str) -> String {
        let signed_or_typed = ["content-type", "appkey", "curtime", "md5", "checksum"];
        let headers: Vec<_> = signed_or_typed
            .into_iter()
            .filter_map(|name| Some((name, self.header(name)?.to_owned())))
            .collect();
        let body = Some(&*self.body).filter(|body| !body.is_empty());
        let mut command = shell::curl(&self.method, &format!("{url}{}", self.path), &headers, body);
        if let Some(user) = &self.user {
            // Within double quotes, the shell runs the command for the token.
            let _ =
                write!(command, " -H \"Authorization: Bearer $({token_command} {})\"", shell::quoted(user));
        }
        command
    }

    /// Returns the event without the token. A long body is replaced by its length, because it is shown separately.
    fn shown_event(&self, mut event: Value) -> Value {
        if let Some(headers) = event["headers"].as_object_mut() {
            *headers = without_token(std::mem::take(headers));
        }
        if event["body"].as_str().is_some_and(|body| body.len() > MAX_BYTES) {
            event["body"] = format!("({} bytes)", self.body_bytes.unwrap_or_default()).into();
        }
        event
    }
}

/// Returns the headers with the token hidden.
fn without_token(mut headers: Map<String, Value>) -> Map<String, Value> {
    if let Some(authorization) = headers.get_mut("authorization") {
        *authorization = "Bearer (not shown)".into();
    }
    headers
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match GzDecoder::new(bytes).read_to_end(&mut text) {
        Ok(_) => text,
        Err(_) => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange() -> RecordedExchange {
        let headers = json!({"authorization": "Bearer abc.def.ghi", "content-type": "application/json"});
        let arrived = TracedRequest {
            request_id: "r-1".into(),
            method: "PATCH".into(),
            path: "/v1/sessions/p2p%7Cbob".into(),
            headers: headers.as_object().unwrap().clone(),
            in_background: false,
        };
        let mut exchange = RecordedExchange::new(1, 5, arrived);
        exchange.responded(TracedResponse {
            user: Some("o'neil".into()),
            event: Some(json!({"headers": headers, "body": "x"})),
            body: r#"{"ext":"it's"}"#.into(),
            status: 200,
            ..TracedResponse::default()
        });
        exchange
    }

    #[test]
    fn no_token_is_shown() {
        let shown = serde_json::to_string(&exchange()).unwrap();
        assert!(!shown.contains("abc.def.ghi"), "{shown}");
        assert!(shown.contains("application/json"));
    }

    #[test]
    fn a_shell_command_quotes_its_arguments() {
        let curl = exchange().curl("http://127.0.0.1:8080", "cargo local token");
        let expected = concat!(
            r"curl -s -X PATCH 'http://127.0.0.1:8080/v1/sessions/p2p%7Cbob' ",
            r"-H 'content-type: application/json' ",
            r#"--data-binary '{"ext":"it'\''s"}' "#,
            r#"-H "Authorization: Bearer $(cargo local token 'o'\''neil')""#
        );
        assert_eq!(curl, expected);
    }

    #[test]
    fn a_long_body_is_stored_in_part_and_not_repeated() {
        let mut exchange = exchange();
        exchange.responded(TracedResponse {
            event: Some(json!({"body": "x".repeat(MAX_BYTES + 1)})),
            body: "é".repeat(MAX_BYTES).into_bytes(),
            response: "y".repeat(MAX_BYTES + 7).into_bytes(),
            ..TracedResponse::default()
        });
        assert_eq!(exchange.whole_body(), None);
        assert_eq!(
            (exchange.body_bytes, exchange.response_bytes),
            (Some(2 * MAX_BYTES), Some(MAX_BYTES + 7))
        );
        assert!(serde_json::to_string(&exchange).unwrap().len() < 3 * MAX_BYTES);
        exchange.responded(TracedResponse { body: vec![b'{', 0xff], ..TracedResponse::default() });
        assert_eq!(exchange.whole_body(), None, "a body that is not text is not repeated");
    }
}
