//! Posts one line, with retries, until its outcome is known.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use serde_json::Value;
use tokio::time::sleep;

use super::{Line, input::What};
use crate::backend::client::{Feed, is_transient};

/// The maximum number of attempts per line. The pauses between them add up to about 1 minute.
const MAX_TRIES: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The outcome of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostResult {
    /// The line was applied.
    Applied,
    /// The line does not concern sessions.
    Ignored,
    /// The service could not apply the line, or not fully, and stored it as a dead letter. Contains the reason.
    DeadLettered(String),
    /// The line was rejected. Contains the reason.
    Rejected(String),
}

/// The reason why nothing more can be posted.
#[derive(Debug)]
pub struct Stopped(pub(super) String);

/// Posts a line. On a 429, a 5xx or a connection failure it is retried, with growing pauses.
pub(super) async fn post(feed: &Feed, line: &Line) -> Result<PostResult, Stopped> {
    let mut pause = FIRST_PAUSE;
    let mut last = String::new();
    let mut reached = true;
    for tried in 0..MAX_TRIES {
        if tried > 0 {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let sent = match &line.what {
            What::Nothing(_) => return Ok(PostResult::Rejected("it is not a JSON object".to_owned())),
            What::Copy(body) => feed.post_bytes(body.clone()).await,
            What::Members { method, group_id, body } => {
                feed.update_members_bytes(method.clone(), group_id, body.clone()).await
            }
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                (last, reached) = (format!("{error:#}"), false);
                continue;
            }
        };
        let (status, after) = (response.status(), retry_after(&response));
        let Ok(text) = response.text().await else {
            (last, reached) = ("the response broke off".to_owned(), false);
            continue;
        };
        if !is_transient(status) {
            return outcome(status, &text);
        }
        (last, reached) = (described(status, &text), true);
        pause = pause.max(after);
    }
    if reached { Ok(PostResult::Rejected(format!("{last}, {MAX_TRIES} times"))) } else { Err(Stopped(last)) }
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default()).min(LONGEST_PAUSE)
}

fn outcome(status: StatusCode, text: &str) -> Result<PostResult, Stopped> {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    if status == StatusCode::FORBIDDEN {
        // An error in one signature is an error in all of them.
        return Err(Stopped(described(status, text)));
    }
    if status != StatusCode::OK {
        return Ok(PostResult::Rejected(described(status, text)));
    }
    Ok(if body["result"] == "dead-lettered" {
        PostResult::DeadLettered(body["reason"].as_str().unwrap_or_default().to_owned())
    } else if body["result"] == "ignored" {
        PostResult::Ignored
    } else if body["failed"].is_array() {
        PostResult::Rejected(format!("not for all: {}", body["failed"]))
    } else {
        PostResult::Applied
    })
}

/// The status and the error message for people.
fn described(status: StatusCode, text: &str) -> String {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let detail = body["detail"].as_str().or_else(|| body["message"].as_str()).unwrap_or(text);
    format!("{} {detail}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_gives_the_result_of_a_line() {
        let of = |status: u16, text: &str| {
            outcome(StatusCode::from_u16(status).unwrap(), text).map_err(|Stopped(reason)| reason)
        };
        assert_eq!(of(200, "{}"), Ok(PostResult::Applied));
        assert_eq!(of(200, r#"{"result":"applied"}"#), Ok(PostResult::Applied));
        assert_eq!(of(200, r#"{"result":"ignored","reason":"x"}"#), Ok(PostResult::Ignored));
        assert_eq!(
            of(200, r#"{"result":"dead-lettered","reason":"to is missing"}"#),
            Ok(PostResult::DeadLettered("to is missing".into()))
        );
        let part = r#"{"failed":[{"account":"bob"}]}"#;
        assert_eq!(of(200, part), Ok(PostResult::Rejected(r#"not for all: [{"account":"bob"}]"#.into())));
        assert_eq!(
            of(400, r#"{"detail":"time is required"}"#),
            Ok(PostResult::Rejected("400 time is required".into()))
        );
        assert_eq!(of(404, r#"{"message":"Not Found"}"#), Ok(PostResult::Rejected("404 Not Found".into())));
        assert_eq!(of(403, r#"{"detail":"CheckSum does not fit"}"#), Err("403 CheckSum does not fit".into()));
        assert!(is_transient(StatusCode::TOO_MANY_REQUESTS) && is_transient(StatusCode::BAD_GATEWAY));
        assert!(!is_transient(StatusCode::OK) && !is_transient(StatusCode::FORBIDDEN));
    }
}
