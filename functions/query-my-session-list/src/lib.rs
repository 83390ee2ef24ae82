//! queryMySessionList: `GET /v1/sessions`. One page of the caller's list, newest first.

use session_api::{Environment, Operation, Problem, Reply, RequestContext};
use session_model::{Flag, InvalidField, Limit, ListQuery, Pass, SyncToken};

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

    async fn answer(&self, call: &RequestContext<'_>) -> Result<Reply, Problem> {
        let caller = call.caller()?;
        call.reject_unknown_query(&[
            "minTimestamp",
            "maxTimestamp",
            "needLastMsg",
            "limit",
            "hasMore",
            "cursor",
        ])?;
        let query = query(call)?;
        let mut list = call.store().sessions_of(&caller).list(&query, call.now()).await?;
        if query.is_of_everything() {
            let pass = Pass::after(call.now());
            list.sync_token = Some(SyncToken::new(&caller, self.sync_epoch, pass));
        }
        Ok(Reply::json(&list).compressible())
    }
}

fn query(call: &RequestContext<'_>) -> Result<ListQuery, InvalidField> {
    let (min, max) = (call.query("minTimestamp")?, call.query("maxTimestamp")?);
    let need_last_msg = call.query("needLastMsg")?.unwrap_or(Flag::YES).is_set();
    let limit = call.query("limit")?.unwrap_or(Limit::MAX);
    // Without effect, as in Yunxin; a value that is no flag is rejected all the same.
    call.query::<Flag>("hasMore")?;
    ListQuery::new(min, max, call.query("cursor")?, limit, need_last_msg)
}
