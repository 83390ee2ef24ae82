//! queryMySessionList: `GET /v1/sessions`. Returns one page of the caller's list, newest first.

use session_api::{Context, Environment, HttpRequest, Operation, Problem, Query, Reply};
use session_model::{
    Account,
    json::InvalidField,
    reading::{Flag, Limit, ListQuery, SyncPass, SyncToken},
};

/// The operation queryMySessionList.
#[derive(Debug)]
pub struct QueryMySessionList {
    sync_epoch: u32,
}

/// A page of the caller's list.
#[derive(Debug)]
pub struct Request {
    caller: Account,
    query: ListQuery,
}

impl Operation for QueryMySessionList {
    const NAME: &'static str = "queryMySessionList";
    const CONNECTIONS: usize = 2;

    type Request = Request;

    fn configure(environment: &mut Environment) -> Self {
        Self { sync_epoch: environment.parsed("SYNC_EPOCH").unwrap_or_default() }
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Request, Problem> {
        Ok(Request { caller: request.caller()?, query: request.query(list_query)? })
    }

    async fn handle(&self, Request { caller, query }: Request, context: &Context) -> Result<Reply, Problem> {
        let mut list = context.store().sessions_of(&caller).list(&query, context.now()).await?;
        if query.is_of_everything() {
            let sync_pass = SyncPass::after(context.now());
            list.sync_token = Some(SyncToken::new(&caller, self.sync_epoch, sync_pass));
        }
        Ok(Reply::json(&list)?.compressible())
    }
}

fn list_query(query: &mut Query<'_, '_>) -> Result<ListQuery, InvalidField> {
    let (min, max) = (query.read("minTimestamp")?, query.read("maxTimestamp")?);
    let need_last_msg = query.read("needLastMsg")?.unwrap_or(Flag::YES).is_set();
    let limit = query.read("limit")?.unwrap_or(Limit::MAX);
    // The parameter has no effect, as in Yunxin, but a value that is not a flag is still rejected.
    query.read::<Flag>("hasMore")?;
    ListQuery::new(min, max, query.read("cursor")?, limit, need_last_msg)
}
