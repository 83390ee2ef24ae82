//! queryMySession: `GET /v1/sessions/{sessionId}`. Returns one session of the caller, or 404 if it does not exist or is deleted.

use session_api::{Environment, Operation, Problem, Reply, RequestContext};

/// The operation queryMySession.
#[derive(Debug)]
pub struct QueryMySession;

impl Operation for QueryMySession {
    const NAME: &'static str = "queryMySession";

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    async fn handle(&self, request: &RequestContext<'_>) -> Result<Reply, Problem> {
        let caller = request.caller()?;
        request.reject_unknown_query(&[])?;
        let id = request.session_id()?;
        let session = request.store().sessions_of(&caller).get(&id).await?;
        Ok(Reply::json(&session.ok_or_else(Problem::no_such_session)?))
    }
}
