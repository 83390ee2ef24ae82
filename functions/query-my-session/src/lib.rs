//! queryMySession: `GET /v1/sessions/{sessionId}`. Returns one session of the caller, or 404 if it does not exist or is deleted.

use session_api::{Context, Environment, HttpRequest, Operation, Problem, Reply};
use session_model::{Account, SessionId};

/// The operation queryMySession.
#[derive(Debug)]
pub struct QueryMySession;

/// One session of the caller.
#[derive(Debug)]
pub struct Request {
    caller: Account,
    id: SessionId,
}

impl Operation for QueryMySession {
    const NAME: &'static str = "queryMySession";

    type Request = Request;

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Request, Problem> {
        let caller = request.caller()?;
        request.no_query()?;
        Ok(Request { caller, id: request.session_id()? })
    }

    async fn handle(&self, Request { caller, id }: Request, context: &Context) -> Result<Reply, Problem> {
        let session = context.store().sessions_of(&caller).get(&id).await?;
        Reply::json(&session.ok_or_else(Problem::no_such_session)?)
    }
}
