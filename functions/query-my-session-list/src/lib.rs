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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session_api::testing;
    use session_model::Timestamp;

    use super::*;

    fn parsed(query: &str) -> Result<Request, (u16, String)> {
        let event = json!({
            "rawQueryString": query,
            "requestContext": {"http": {"method": "GET"}, "authorizer": {"jwt": {"claims": {"sub": "alice"}}}},
        });
        let operation: QueryMySessionList = testing::operation();
        testing::parse(&operation, &event.to_string(), Timestamp::from_millis(9))
            .map_err(|problem| (problem.status(), problem.detail().to_owned()))
    }

    #[test]
    fn a_page_without_parameters_is_the_first_of_everything() {
        let Request { caller, query } = parsed("").unwrap();
        assert_eq!((caller.as_str(), query.limit()), ("alice", Limit::MAX));
        assert!(query.is_of_everything() && query.page().need_last_msg);
        let query = parsed("limit=7&needLastMsg=0&minTimestamp=5&hasMore=1").unwrap().query;
        assert_eq!((query.limit().get(), query.page().need_last_msg), (7, false));
        assert_eq!(query.range().min(), Timestamp::from_millis(5));
    }

    #[test]
    fn bad_parameters_are_named() {
        for (query, detail) in [
            ("limit=0", "limit must be a whole number from 1 to 100"),
            ("hasMore=2", "hasMore must be 0 or 1"),
            ("cursor=x", "cursor must be"),
            ("minTimestamp=6&maxTimestamp=5", "minTimestamp must not be above maxTimestamp"),
            (
                "limt=5",
                "limt is not known; known here: minTimestamp, maxTimestamp, needLastMsg, limit, hasMore, cursor",
            ),
        ] {
            let (status, found) = parsed(query).unwrap_err();
            assert!(status == 400 && found.starts_with(detail), "{query}: {found}");
        }
    }
}
