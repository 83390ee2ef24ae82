//! The events of the benchmarks, the data behind them, and the correct responses.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use session_local::{
    backend::{
        client::{team_message, text_message},
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET, sign},
    },
    emulator::clock,
};
use session_model::{
    Timestamp,
    reading::{SyncPass, SyncToken},
};

/// The ext of a third of all sessions.
pub const EXT: &str = r#"{"pinned":true,"muted":false}"#;

/// The user with this number of p2p sessions.
pub fn user(sessions: u64) -> String {
    format!("user-{sessions}")
}

/// The user with 100 p2p sessions and this number of groups.
pub fn member(groups: u64) -> String {
    format!("member-{groups}")
}

/// The id of a group.
pub fn group(number: u64) -> String {
    format!("team|{number}")
}

/// The peer of a user's session, by the session's number, from the oldest. Ids do not sort in the order of the times.
pub fn peer(number: u64, count: u64) -> String {
    format!("peer{:07}", number * 7_919 % count)
}

/// The time of the last write to the session with this number.
pub fn time(number: u64) -> u64 {
    1_700_000_000_000 + number * 60_000
}

/// The last message of the session with this number. The whole item has about 700 bytes.
pub fn message(from: &str, number: u64) -> String {
    let message = json!({
        "from": from, "time": time(number), "type": 0, "fromClientType": "IOS",
        "msgIdClient": format!("3f1c8a52-77b0-4c0e-9a55-{number:012x}"), "msgIdServer": (8_200_000_000 + number).to_string(),
        "body": "Shall we meet at the usual place at half past seven? I can bring the tickets and the book you asked for.",
        "attach": r#"{"trace":"0af7651916cd43dd8448eb211c80319c","flags":1}"#,
        "ext": r#"{"mentions":[],"reply":null,"priority":"normal"}"#,
    });
    message.to_string()
}

/// A measured operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    List,
    ListOfOne,
    ListOfGroups,
    Changes,
    Get,
    SetExt,
    RecordP2p,
    RecordGroup,
}

impl Operation {
    pub const ALL: [Self; 8] = [
        Self::List,
        Self::ListOfOne,
        Self::ListOfGroups,
        Self::Changes,
        Self::Get,
        Self::SetExt,
        Self::RecordP2p,
        Self::RecordGroup,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list of 100",
            Self::ListOfOne => "list of 1",
            Self::ListOfGroups => "list among 100 groups",
            Self::Changes => "changes, none",
            Self::Get => "get",
            Self::SetExt => "set ext",
            Self::RecordP2p => "record p2p",
            Self::RecordGroup => "record to a group",
        }
    }

    /// The function that implements the operation.
    pub fn function(self) -> &'static str {
        match self {
            Self::List | Self::ListOfOne | Self::ListOfGroups => "query-my-session-list",
            Self::Changes => "query-my-session-changes",
            Self::Get => "query-my-session",
            Self::SetExt => "update-my-session",
            Self::RecordP2p | Self::RecordGroup => "record-message",
        }
    }

    /// Creates an event for the operation. Recorded messages are new each time.
    pub fn event(self) -> String {
        let now = clock::now_ms();
        match self {
            Self::List => list(&user(USUAL), 0),
            Self::ListOfOne => list(&user(1), 0),
            Self::ListOfGroups => list(&member(GROUPS), 0),
            Self::Changes => changes(&user(1)),
            Self::Get => on_session("GET", None),
            Self::SetExt => on_session("PATCH", Some(json!({ "ext": EXT }))),
            Self::RecordP2p => recorded(&text_message("writer", "reader", TEXT, now)),
            Self::RecordGroup => recorded(&team_message("writer", "written", &[], TEXT, now)),
        }
    }

    /// Fails if a response is wrong.
    pub fn check(self, response: &[u8]) -> Result<()> {
        let body = body(response)?;
        match self {
            Self::List => check_list(&body, USUAL, USUAL),
            Self::ListOfOne => check_list(&body, 1, 1),
            Self::ListOfGroups => {
                let listed = body["sessionList"].as_array().map_or(0, Vec::len);
                ensure!(listed == 100 && body["hasMore"] == true, "{listed} sessions");
                Ok(())
            }
            Self::Changes => {
                ensure!(
                    body["updated"] == json!([]) && body["deleted"] == json!([]),
                    "something changed: {body}"
                );
                Ok(())
            }
            Self::Get | Self::SetExt => {
                ensure!(body["sessionId"] == session_id(), "another session: {body}");
                ensure!(
                    body["lastMsg"] == message(&peer(SESSION, USUAL), SESSION),
                    "another message: {body}"
                );
                ensure!(body["ext"] == EXT, "another ext: {body}");
                Ok(())
            }
            Self::RecordP2p | Self::RecordGroup => Ok(()),
        }
    }
}

/// The number of sessions of the user in the usual events.
pub const USUAL: u64 = 10_000;
/// The number of groups of the user with many groups.
pub const GROUPS: u64 = 100;
/// The number of the session in the usual events.
const SESSION: u64 = 4_998;
const TEXT: &str = "Shall we meet at the usual place at half past seven? I can bring the tickets.";

/// The session of the get and set ext events.
pub fn session_id() -> String {
    format!("p2p|{}", peer(SESSION, USUAL))
}

/// An event for a page of 100 of a user's list, from a time on (0: the newest).
pub fn list(user: &str, max_timestamp: u64) -> String {
    let query = format!("limit=100&minTimestamp=0&maxTimestamp={max_timestamp}&needLastMsg=1");
    let mut event = event("GET", "/v1/sessions", "/v1/sessions", Some(user), json!({}));
    event["rawQueryString"] = query.as_str().into();
    event["queryStringParameters"] = json!({"limit": "100", "minTimestamp": "0", "maxTimestamp": max_timestamp.to_string(), "needLastMsg": "1"});
    event.to_string()
}

/// An event for a user's changes of the last minutes.
fn changes(user: &str) -> String {
    let sync_pass = SyncPass::after(Timestamp::from_millis(clock::now_ms()));
    let token = user.parse().map(|account| SyncToken::new(&account, 0, sync_pass).to_string());
    let query = format!("since={}&limit=100", token.unwrap_or_default());
    let path = "/v1/sessions/changes";
    let mut event = event("GET", path, path, Some(user), json!({}));
    event["rawQueryString"] = query.into();
    event.to_string()
}

/// Fails if a page is wrong. The user has `count` sessions, and the page begins below number `newest`.
pub fn check_list(body: &Value, count: u64, newest: u64) -> Result<()> {
    let sessions = body["sessionList"].as_array().context("no sessionList")?;
    ensure!(sessions.len() as u64 == count.min(100), "{} sessions", sessions.len());
    ensure!(body["hasMore"] == (newest > 100), "hasMore is {}", body["hasMore"]);
    for (index, session) in (0..).zip(sessions) {
        let number = newest - 1 - index;
        let peer = peer(number, count);
        ensure!(session["sessionId"] == format!("p2p|{peer}"), "number {index} is {}", session["sessionId"]);
        ensure!(session["updateTime"] == time(number), "number {index} has another time");
        ensure!(session["lastMsg"] == message(&peer, number), "number {index} has another message");
        let ext = number.is_multiple_of(3).then_some(EXT);
        ensure!(session["ext"].as_str() == ext, "number {index} has another ext");
    }
    Ok(())
}

/// Returns the body of a response with status 200.
pub fn body(response: &[u8]) -> Result<Value> {
    let response: Value = serde_json::from_slice(response).context("the response is not JSON")?;
    if response["statusCode"] != 200 {
        bail!("it responds {response}");
    }
    let text = response["body"].as_str().unwrap_or_default();
    let bytes = if response["isBase64Encoded"] == true {
        base64_simd::STANDARD.decode_to_vec(text)?
    } else {
        text.as_bytes().to_vec()
    };
    serde_json::from_slice(&bytes).context("the body is not JSON")
}

fn on_session(method: &str, body: Option<Value>) -> String {
    let path = format!("/v1/sessions/{}", session_id());
    let headers = json!({"content-type": "application/json"});
    let mut event = event(method, "/v1/sessions/{sessionId}", &path, Some(&user(USUAL)), headers);
    event["pathParameters"] = json!({"sessionId": session_id()});
    if let Some(body) = body {
        event["body"] = body.to_string().into();
    }
    event.to_string()
}

fn recorded(copy: &Value) -> String {
    let (body, cur_time) = (copy.to_string(), clock::now_ms().to_string());
    let (md5, check_sum) = sign(LOCAL_APP_SECRET, &body, &cur_time);
    let headers = json!({
        "content-type": "application/json", "appkey": LOCAL_APP_KEY, "curtime": cur_time, "md5": md5, "checksum": check_sum,
    });
    let mut event = event("POST", "/v1/messages", "/v1/messages", None, headers);
    event["body"] = body.into();
    event.to_string()
}

/// Creates an event as API Gateway does, in payload format 2.0.
fn event(method: &str, route: &str, path: &str, user: Option<&str>, more: Value) -> Value {
    let mut headers = json!({
        "accept": "*/*", "host": "abcdefghij.execute-api.us-east-1.amazonaws.com", "user-agent": "benchmark",
        "x-forwarded-for": "192.0.2.1", "x-forwarded-port": "443", "x-forwarded-proto": "https",
    });
    if let (Some(headers), Value::Object(more)) = (headers.as_object_mut(), more) {
        headers.extend(more);
    }
    let key = format!("{method} {route}");
    let mut event = json!({
        "version": "2.0", "routeKey": key, "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdefghij", "domainName": "abcdefghij.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abcdefghij", "requestId": "benchmark=", "routeKey": key, "stage": "$default",
            "time": "01/Jan/2026:00:00:10 +0000", "timeEpoch": 1_767_225_610_000_u64,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "benchmark"},
        },
        "isBase64Encoded": false,
    });
    if let Some(user) = user {
        event["requestContext"]["authorizer"] = json!({"jwt": {"scopes": null, "claims": {
            "iss": "https://issuer.example", "aud": "app", "sub": user, "iat": "1767225600", "exp": "1767268800",
        }}});
    }
    event
}
