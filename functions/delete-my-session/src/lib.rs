//! deleteMySession: `DELETE /v1/sessions/{sessionId}`, and `POST /v1/sessions/batch-delete` with `{"sessionIds": […]}`.
//!
//! Hides sessions from the caller's list until a newer message arrives. The operation is idempotent, and ids that never existed
//! count as deleted. With `upTo`, in the query or in the body, a session whose `updateTime` is after `upTo` is not deleted, because
//! the caller has not seen what it shows.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use session_api::{Context, Environment, HttpRequest, Method, Operation, Problem, Reply};
use session_model::{
    Account, AccountCase, SessionId, Timestamp,
    json::{Fields, InvalidField, InvalidValue},
};
use session_store::{Deleted, StoreError};
use tokio::time::{Instant, timeout_at};

const MAX_IDS: usize = 100;
/// The query parameter or body field with the `updateTime` that the caller sees.
const UP_TO: &str = "upTo";
/// The number of concurrent deletes. It is large enough to finish 100 of them in a fraction of the deadline, and small enough to
/// need few connections.
const CONCURRENCY: usize = 10;
/// The time limit for all deletes. Sessions that are not deleted by then are reported as failed, before the function's deadline
/// fails the whole request.
const TIME_FOR_ALL: Duration = Duration::from_millis(3_700);

/// The operation deleteMySession.
#[derive(Debug)]
pub struct DeleteMySession;

/// Sessions of the caller, and the time up to which they are to be deleted.
#[derive(Debug)]
pub struct Request {
    caller: Account,
    ids: Vec<SessionId>,
    up_to: Option<Timestamp>,
}

impl Operation for DeleteMySession {
    const NAME: &'static str = "deleteMySession";

    type Request = Request;

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Request, Problem> {
        let caller = request.caller()?;
        let (ids, up_to) = if request.method() == Method::POST {
            request.no_query()?;
            batch(&request.fields()?, request.account_case())?
        } else {
            let up_to = request.query(|query| query.read(UP_TO))?;
            (vec![request.session_id()?], up_to)
        };
        Ok(Request { caller, ids, up_to })
    }

    async fn handle(&self, request: Request, context: &Context) -> Result<Reply, Problem> {
        let Request { caller, ids, up_to } = request;
        let sessions = context.store().sessions_of(&caller);
        let deadline = Instant::now() + TIME_FOR_ALL;
        let delete = |id: SessionId| async move {
            let deleted = timeout_at(deadline, sessions.delete(&id, up_to, context.now())).await;
            (id, deleted.unwrap_or_else(|_| Err(StoreError::Unavailable("deadline".into()))))
        };
        let results = stream::iter(ids).map(delete).buffered(CONCURRENCY).collect::<Vec<_>>().await;
        Reply::json(&outcome(results)?)
    }
}

/// Reads the session ids of a batch, and the time up to which they are to be deleted.
fn batch(fields: &Fields, case: AccountCase) -> Result<(Vec<SessionId>, Option<Timestamp>), InvalidField> {
    const NAME: &str = "sessionIds";
    fields.reject_unknown_fields(&[NAME, UP_TO])?;
    let texts = fields.texts(NAME)?;
    if texts.is_empty() || texts.len() > MAX_IDS {
        return Err(InvalidValue::new("must hold 1 to 100 session ids").in_body(NAME));
    }
    let ids = fields.distinct(NAME, "ids", |text| case.session_id(text))?;
    Ok((ids, fields.optional_time(UP_TO)?))
}

/// The deleted sessions, the sessions that are kept because they are newer than `upTo`, and those that the store could not delete
/// now.
#[derive(Debug, Serialize)]
struct DeleteMySessionResponse {
    deleted: Vec<SessionId>,
    newer: Vec<SessionId>,
    failed: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    session_id: SessionId,
    code: u16,
    detail: String,
}

/// Builds the response. If all deletes failed, the whole request fails with one of their problems.
fn outcome(
    results: Vec<(SessionId, Result<Deleted, StoreError>)>,
) -> Result<DeleteMySessionResponse, Problem> {
    let mut outcome = DeleteMySessionResponse { deleted: Vec::new(), newer: Vec::new(), failed: Vec::new() };
    let mut worst: Option<Problem> = None;
    for (session_id, result) in results {
        match result.map_err(Problem::from) {
            Ok(Deleted::Done) => outcome.deleted.push(session_id),
            Ok(Deleted::Newer) => outcome.newer.push(session_id),
            Err(problem) => {
                let (code, detail) = (problem.code(), problem.detail().to_owned());
                outcome.failed.push(Failure { session_id, code, detail });
                // A 503 takes precedence over other problems, because it means that repeating the request helps.
                if worst.as_ref().is_none_or(|worst| worst.status() != 503) {
                    worst = Some(problem);
                }
            }
        }
    }
    match worst {
        Some(problem) if outcome.deleted.is_empty() && outcome.newer.is_empty() => Err(problem),
        _ => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session_api::testing;

    use super::*;

    fn parsed(ids: &serde_json::Value) -> Result<usize, String> {
        let fields = Fields::parse(json!({"sessionIds": ids}).to_string().as_bytes()).unwrap();
        batch(&fields, AccountCase::Lower)
            .map(|(ids, _)| ids.len())
            .map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn a_batch_has_one_up_to_for_all() {
        let up_to = |value: serde_json::Value| {
            let body = json!({"sessionIds": ["p2p|a"], "upTo": value}).to_string();
            let batch = batch(&Fields::parse(body.as_bytes()).unwrap(), AccountCase::Keep);
            batch.map(|(_, up_to)| up_to.map(Timestamp::as_millis)).map_err(|rejection| rejection.to_string())
        };
        assert_eq!(
            (up_to(json!(null)), up_to(json!(7)), up_to(json!(7.0))),
            (Ok(None), Ok(Some(7)), Ok(Some(7)))
        );
        for value in [json!(-1), json!(1.5), json!([7]), json!("soon")] {
            assert!(up_to(value.clone()).unwrap_err().starts_with("upTo must be a time in milli"), "{value}");
        }
    }

    #[test]
    fn one_bad_id_rejects_all() {
        let many = |count: usize| json!((0..count).map(|n| format!("p2p|{n}")).collect::<Vec<_>>());
        assert_eq!(parsed(&many(1)), Ok(1));
        assert_eq!(parsed(&many(100)), Ok(100));
        for (ids, reason) in [
            (many(0), "must hold 1 to 100 session ids"),
            (many(101), "must hold 1 to 100 session ids"),
            (json!(null), "is required"),
            (json!("p2p|a"), "must be an array of strings"),
            (json!(["p2p|a", 5]), "must be an array of strings"),
            (json!(["p2p|a", "p2p|b", "p2p|a"]), "must hold valid ids: number 3 is there twice"),
            (json!(["p2p|a", "p2p|A"]), "must hold valid ids: number 2 is there twice"),
            (json!(["p2p|a", "b"]), "must hold valid ids: number 2 must be one of p2p|<accid>"),
        ] {
            let rejection = parsed(&ids).unwrap_err();
            assert!(rejection.starts_with(&format!("sessionIds {reason}")), "{ids}: {rejection}");
        }
    }

    #[test]
    fn one_session_is_named_by_the_path() {
        let parsed = |query: &str| {
            let event = json!({
                "rawQueryString": query, "pathParameters": {"sessionId": "p2p|bob"},
                "requestContext": {"http": {"method": "DELETE"}, "authorizer": {"jwt": {"claims": {"sub": "alice"}}}},
            });
            testing::parse(&DeleteMySession, &event.to_string(), Timestamp::from_millis(9))
        };
        let Request { caller, ids, up_to } = parsed("upTo=7").unwrap();
        assert_eq!((caller.as_str(), ids[0].as_str(), ids.len()), ("alice", "p2p|bob", 1));
        assert_eq!((up_to, parsed("").unwrap().up_to), (Some(Timestamp::from_millis(7)), None));
        assert_eq!(parsed("upto=7").unwrap_err().detail(), "upto is not known; known here: upTo");
    }

    #[test]
    fn a_partial_failure_is_listed_and_a_total_one_is_a_problem() {
        let id = |text: &str| text.parse::<SessionId>().unwrap();
        let throttled = || Err(StoreError::Throttled("T".into()));
        let done = || Ok(Deleted::Done);
        let part = outcome(vec![
            (id("p2p|a"), done()),
            (id("p2p|b"), throttled()),
            (id("p2p|c"), Ok(Deleted::Newer)),
        ]);
        let part = part.unwrap();
        let detail = "the database throttled the request; safe to retry";
        assert_eq!(
            json!(part),
            json!({"deleted": ["p2p|a"], "newer": ["p2p|c"], "failed": [{"sessionId": "p2p|b", "code": 503, "detail": detail}]})
        );
        assert_eq!(outcome(vec![(id("p2p|b"), throttled())]).unwrap_err().status(), 503);
        let malformed = || Err(StoreError::MalformedItem("ext"));
        let all = vec![(id("p2p|a"), malformed()), (id("p2p|b"), throttled()), (id("p2p|c"), malformed())];
        assert_eq!(outcome(all).unwrap_err().status(), 503, "repeating helps with one of them");
    }
}
