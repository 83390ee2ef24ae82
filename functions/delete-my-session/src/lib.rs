//! deleteMySession: `DELETE /v1/sessions/{sessionId}`, and `POST /v1/sessions/batch-delete` with `{"sessions": […]}` or
//! `{"sessionIds": […]}`.
//!
//! Hides sessions from the caller's list until a newer message arrives. Ids that never existed count as deleted. With the `version`
//! that the caller has seen, a session that has got a newer message since is not deleted, so the request is safe to repeat. Without
//! a version, a repeat may also delete what arrived in between.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use session_api::{Context, Environment, HttpRequest, Method, Operation, Problem, Reply};
use session_model::{
    Account, AccountCase, SessionId,
    item::{Deleted, Version},
    json::{Fields, InvalidField, InvalidValue},
};
use session_store::StoreError;
use tokio::time::{Instant, timeout_at};

/// The maximum number of sessions in a batch.
const MAX_SESSIONS: usize = 100;
/// The query parameter or body field with the version that the caller has seen.
const VERSION: &str = "version";
/// The number of concurrent deletes. It is large enough to finish 100 of them in a fraction of the deadline, and small enough to
/// need few connections.
const CONCURRENCY: usize = 10;
/// The time limit for all deletes. Sessions that are not deleted by then are reported as failed, before the function's deadline
/// fails the whole request.
const TIME_FOR_ALL: Duration = Duration::from_millis(3_700);

/// The operation deleteMySession.
#[derive(Debug)]
pub struct DeleteMySession;

/// Sessions of the caller.
#[derive(Debug)]
pub struct Request {
    caller: Account,
    sessions: Vec<ToDelete>,
}

/// A session, and the version that the caller has seen, if they say so.
#[derive(Debug)]
struct ToDelete {
    id: SessionId,
    version: Option<Version>,
}

impl Operation for DeleteMySession {
    const NAME: &'static str = "deleteMySession";

    type Request = Request;

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Request, Problem> {
        let caller = request.caller()?;
        let sessions = if request.method() == Method::POST {
            request.no_query()?;
            batch(&request.fields()?, request.account_case())?
        } else {
            let version = request.query(|query| query.read(VERSION))?;
            vec![ToDelete { id: request.session_id()?, version }]
        };
        Ok(Request { caller, sessions })
    }

    async fn handle(&self, request: Request, context: &Context) -> Result<Reply, Problem> {
        let Request { caller, sessions: to_delete } = request;
        let sessions = context.store().sessions_of(&caller);
        let deadline = Instant::now() + TIME_FOR_ALL;
        let delete = |ToDelete { id, version }: ToDelete| async move {
            let deleted = timeout_at(deadline, sessions.delete(&id, version.as_ref(), context.now())).await;
            (id, deleted.unwrap_or_else(|_| Err(StoreError::Unavailable("deadline".into()))))
        };
        let results = stream::iter(to_delete).map(delete).buffered(CONCURRENCY).collect::<Vec<_>>().await;
        Reply::json(&outcome(results)?)
    }
}

/// Reads the sessions of a batch: `sessions` with their versions, or `sessionIds` alone.
fn batch(fields: &Fields, case: AccountCase) -> Result<Vec<ToDelete>, InvalidField> {
    const SESSIONS: &str = "sessions";
    const SESSION_IDS: &str = "sessionIds";
    const SESSION_ID: &str = "sessionId";
    fields.reject_unknown_fields(&[SESSIONS, SESSION_IDS])?;
    let (name, sessions) = match (fields.has(SESSIONS), fields.has(SESSION_IDS)) {
        (true, true) => {
            return Err(InvalidValue::new("must hold sessions or sessionIds, not both").in_body("body"));
        }
        (false, false) => return Err(InvalidValue::new("must hold sessions or sessionIds").in_body("body")),
        (true, false) => {
            let read = |session: &Fields| {
                session.reject_unknown_fields(&[SESSION_ID, VERSION])?;
                let id = session.read(SESSION_ID, |text| case.session_id(text))?;
                Ok(ToDelete { id, version: Some(session.parsed(VERSION)?) })
            };
            (SESSIONS, fields.distinct_objects(SESSIONS, SESSIONS, read, |session| session.id.clone())?)
        }
        (false, true) => {
            let ids = fields.distinct(SESSION_IDS, "ids", |text| case.session_id(text))?;
            (SESSION_IDS, ids.into_iter().map(|id| ToDelete { id, version: None }).collect())
        }
    };
    if sessions.is_empty() || sessions.len() > MAX_SESSIONS {
        return Err(InvalidValue::new("must hold 1 to 100 sessions").in_body(name));
    }
    Ok(sessions)
}

/// The deleted sessions, the sessions that are kept because they have a newer version, and those that the store could not delete
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
    use session_model::Timestamp;

    use super::*;

    fn parsed(body: &serde_json::Value) -> Result<Vec<(String, Option<String>)>, String> {
        let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        let sessions = batch(&fields, AccountCase::Lower).map_err(|rejection| rejection.to_string())?;
        let session =
            |ToDelete { id, version }| (id.to_string(), version.map(|version: Version| version.to_string()));
        Ok(sessions.into_iter().map(session).collect())
    }

    #[test]
    fn each_session_of_a_batch_has_its_version() {
        let sessions =
            json!([{"sessionId": "p2p|A", "version": "7-9"}, {"sessionId": "team|1", "version": "0"}]);
        assert_eq!(
            parsed(&json!({ "sessions": sessions })),
            Ok(vec![("p2p|a".into(), Some("7-9".into())), ("team|1".into(), Some("0".into()))])
        );
        let one = |session: serde_json::Value| parsed(&json!({"sessions": [session]})).unwrap_err();
        let wrong = "sessions must hold valid sessions: number 1 has: ";
        for (session, reason) in [
            (json!({"sessionId": "p2p|a"}), "version is required"),
            (json!({"version": "0"}), "sessionId is required"),
            (json!({"sessionId": "p2p|a", "version": 0}), "version must be a string"),
            (
                json!({"sessionId": "p2p|a", "version": "7"}),
                "version must be the version of a session as it was returned",
            ),
            (json!({"sessionId": "a", "version": "0"}), "sessionId must be one of p2p|<accid>"),
            (
                json!({"sessionId": "p2p|a", "version": "0", "upTo": 7}),
                "body must hold no other fields than sessionId, version",
            ),
        ] {
            let rejection = one(session.clone());
            assert!(rejection.starts_with(&format!("{wrong}{reason}")), "{session}: {rejection}");
        }
        assert_eq!(one(json!("p2p|a")), "sessions must be an array of objects");
        let twice = json!([{"sessionId": "p2p|a", "version": "0"}, {"sessionId": "p2p|A", "version": "7-9"}]);
        assert_eq!(
            parsed(&json!({ "sessions": twice })).unwrap_err(),
            "sessions must hold valid sessions: number 2 is there twice"
        );
    }

    #[test]
    fn a_batch_is_of_sessions_or_of_ids() {
        let both = json!({"sessions": [{"sessionId": "p2p|a", "version": "0"}], "sessionIds": ["p2p|a"]});
        assert_eq!(parsed(&both), Err("body must hold sessions or sessionIds, not both".into()));
        assert_eq!(parsed(&json!({})), Err("body must hold sessions or sessionIds".into()));
        assert_eq!(parsed(&json!({"sessions": null})), Err("sessions is required".into()));
        let null = json!({"sessions": null, "sessionIds": ["p2p|a"]});
        assert_eq!(parsed(&null), Err("body must hold sessions or sessionIds, not both".into()));
        let other = json!({"sessionIds": ["p2p|a"], "upTo": 7});
        assert_eq!(parsed(&other), Err("body must hold no other fields than sessions, sessionIds".into()));
        assert_eq!(parsed(&json!({"sessions": []})), Err("sessions must hold 1 to 100 sessions".into()));
    }

    #[test]
    fn one_bad_id_rejects_all() {
        let parsed =
            |ids: &serde_json::Value| parsed(&json!({ "sessionIds": ids })).map(|sessions| sessions.len());
        let many = |count: usize| json!((0..count).map(|n| format!("p2p|{n}")).collect::<Vec<_>>());
        assert_eq!(parsed(&many(1)), Ok(1));
        assert_eq!(parsed(&many(100)), Ok(100));
        for (ids, reason) in [
            (many(0), "must hold 1 to 100 sessions"),
            (many(101), "must hold 1 to 100 sessions"),
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
        let Request { caller, sessions } = parsed("version=7-9").unwrap();
        assert_eq!((caller.as_str(), sessions[0].id.as_str(), sessions.len()), ("alice", "p2p|bob", 1));
        assert_eq!(sessions[0].version, Some("7-9".parse().unwrap()));
        assert_eq!(parsed("").unwrap().sessions[0].version, None);
        assert_eq!(
            parsed("version=7").unwrap_err().detail(),
            "version must be the version of a session as it was returned"
        );
        assert_eq!(parsed("upTo=7").unwrap_err().detail(), "upTo is not known; known here: version");
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
