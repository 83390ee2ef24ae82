//! deleteMySession: `DELETE /v1/sessions/{sessionId}`, and `POST /v1/sessions/batch-delete` with `{"sessionIds": […]}`.
//! Hides sessions from the caller's list until a newer message comes. Idempotent; ids that never existed count as
//! deleted.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use session_api::{Call, Environment, Method, Operation, Problem, Reply};
use session_model::{AccountCase, Fields, InvalidField, InvalidValue, SessionId};
use session_store::StoreError;
use tokio::time::{Instant, timeout_at};

const MAX_IDS: usize = 100;
/// How many deletes run at once: enough to end 100 of them in a fraction of the deadline, few enough connections.
const AT_ONCE: usize = 10;
/// What is not deleted by then is reported as failed, before the deadline takes the whole answer.
const TIME_FOR_ALL: Duration = Duration::from_millis(3_700);

/// The operation.
#[derive(Debug)]
pub struct DeleteMySession;

impl Operation for DeleteMySession {
    const NAME: &'static str = "deleteMySession";

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Reply, Problem> {
        let caller = call.caller()?;
        let ids = if call.method() == Method::POST {
            session_ids(&call.fields(Call::MAX_BODY_BYTES)?, call.account_case())?
        } else {
            vec![call.session_id()?]
        };
        let sessions = call.store().sessions_of(&caller);
        let deadline = Instant::now() + TIME_FOR_ALL;
        let delete = |id: SessionId| async move {
            let deleted = timeout_at(deadline, sessions.delete(&id, call.now())).await;
            (id, deleted.unwrap_or_else(|_| Err(StoreError::Unavailable("deadline".into()))))
        };
        let results = stream::iter(ids).map(delete).buffered(AT_ONCE).collect::<Vec<_>>().await;
        outcome(results).map(|outcome| Reply::json(&outcome))
    }
}

fn session_ids(fields: &Fields, case: AccountCase) -> Result<Vec<SessionId>, InvalidField> {
    const NAME: &str = "sessionIds";
    fields.only(&[NAME])?;
    let texts = fields.texts(NAME)?;
    if texts.is_empty() || texts.len() > MAX_IDS {
        return Err(InvalidValue::new("must hold 1 to 100 session ids").of(NAME));
    }
    fields.distinct(NAME, "ids", |text| case.session_id(text))
}

/// What was deleted, and what the store could not delete now.
#[derive(Debug, Serialize)]
struct Outcome {
    deleted: Vec<SessionId>,
    failed: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    session_id: SessionId,
    code: u16,
    detail: String,
}

/// When nothing could be deleted, that is a problem of the whole call.
fn outcome(results: Vec<(SessionId, Result<(), StoreError>)>) -> Result<Outcome, Problem> {
    let mut outcome = Outcome { deleted: Vec::new(), failed: Vec::new() };
    let mut worst: Option<Problem> = None;
    for (session_id, result) in results {
        match result.map_err(Problem::from) {
            Ok(()) => outcome.deleted.push(session_id),
            Err(problem) => {
                let (code, detail) = (problem.code(), problem.detail().to_owned());
                outcome.failed.push(Failure { session_id, code, detail });
                // Of several, the one that tells that repeating helps.
                if worst.as_ref().is_none_or(|worst| worst.status() != 503) {
                    worst = Some(problem);
                }
            }
        }
    }
    match worst {
        Some(problem) if outcome.deleted.is_empty() => Err(problem),
        _ => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(ids: &serde_json::Value) -> Result<usize, String> {
        let fields = Fields::parse(json!({"sessionIds": ids}).to_string().as_bytes()).unwrap();
        session_ids(&fields, AccountCase::Lower).map(|ids| ids.len()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn one_bad_id_refuses_them_all() {
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
            let refusal = parsed(&ids).unwrap_err();
            assert!(refusal.starts_with(&format!("sessionIds {reason}")), "{ids}: {refusal}");
        }
    }

    #[test]
    fn a_part_that_failed_is_told_and_a_whole_is_a_problem() {
        let id = |text: &str| text.parse::<SessionId>().unwrap();
        let throttled = || Err(StoreError::Throttled("T".into()));
        let part = outcome(vec![(id("p2p|a"), Ok(())), (id("p2p|b"), throttled())]).unwrap();
        let detail = "the database is busy; safe to repeat";
        assert_eq!(
            json!(part),
            json!({"deleted": ["p2p|a"], "failed": [{"sessionId": "p2p|b", "code": 503, "detail": detail}]})
        );
        assert_eq!(outcome(vec![(id("p2p|b"), throttled())]).unwrap_err().status(), 503);
        let malformed = || Err(StoreError::MalformedItem("ext"));
        let all = vec![(id("p2p|a"), malformed()), (id("p2p|b"), throttled()), (id("p2p|c"), malformed())];
        assert_eq!(outcome(all).unwrap_err().status(), 503, "repeating helps with one of them");
    }
}
