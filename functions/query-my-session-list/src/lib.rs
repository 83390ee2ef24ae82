//! queryMySessionList: `GET /v1/sessions`. Returns one page of the caller's list, newest first.

use session_api::{Environment, Operation, Problem, Reply, RequestContext};
use session_model::{
    json::InvalidField,
    reading::{Flag, Limit, ListQuery, SyncPass, SyncToken},
};

/// The operation queryMySessionList.
#[derive(Debug)]
pub struct QueryMySessionList {
    sync_epoch: u32,
}

impl Operation for QueryMySessionList {
    const NAME: &'static str = "queryMySessionList";
    const CONNECTIONS: usize = 2;

    fn configure(environment: &mut Environment) -> Self {
        Self { sync_epoch: environment.parsed("SYNC_EPOCH").unwrap_or_default() }
    }

    async fn handle(&self, request: &RequestContext<'_>) -> Result<Reply, Problem> {
        let caller = request.caller()?;
        request.reject_unknown_query(&[
            "minTimestamp",
            "maxTimestamp",
            "needLastMsg",
            "limit",
            "hasMore",
            "cursor",
        ])?;
        let query = query(request)?;
        let mut list = request.store().sessions_of(&caller).list(&query, request.now()).await?;
        if query.is_of_everything() {
            let sync_pass = SyncPass::after(request.now());
            list.sync_token = Some(SyncToken::new(&caller, self.sync_epoch, sync_pass));
        }
        Ok(Reply::json(&list).compressible())
    }
}

fn query(request: &RequestContext<'_>) -> Result<ListQuery, InvalidField> {
    let (min, max) = (request.query("minTimestamp")?, request.query("maxTimestamp")?);
    let need_last_msg = request.query("needLastMsg")?.unwrap_or(Flag::YES).is_set();
    let limit = request.query("limit")?.unwrap_or(Limit::MAX);
    // The parameter has no effect, as in Yunxin, but a value that is not a flag is still rejected.
    request.query::<Flag>("hasMore")?;
    ListQuery::new(min, max, request.query("cursor")?, limit, need_last_msg)
}
