//! queryMySessionChanges: `GET /v1/sessions/changes`. Returns one page of what has changed in the caller's list since a
//! `syncToken`, deletes included.

use session_api::{Context, Environment, HttpRequest, Operation, Problem, Reply};
use session_model::{
    Account, Timestamp,
    json::InvalidValue,
    reading::{
        Flag, Limit, PageRequest, RecentSessionChanges, SyncPass, SyncToken, TokenRejection, UnverifiedToken,
    },
};

/// The parameter with the sync token.
const SINCE: &str = "since";

/// The operation queryMySessionChanges.
#[derive(Debug)]
pub struct QueryMySessionChanges {
    sync_epoch: u32,
}

/// A page of what has changed in the caller's list.
#[derive(Debug)]
pub struct Request {
    caller: Account,
    sync_pass: SyncPass,
    page: PageRequest,
}

impl Operation for QueryMySessionChanges {
    const NAME: &'static str = "queryMySessionChanges";
    const CONNECTIONS: usize = 2;

    type Request = Request;

    fn configure(environment: &mut Environment) -> Self {
        Self { sync_epoch: environment.parsed("SYNC_EPOCH").unwrap_or_default() }
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Request, Problem> {
        let caller = request.caller()?;
        let (token, page) = request.query(|query| {
            let token: Option<UnverifiedToken> = query.read(SINCE)?;
            let limit = query.read("limit")?.unwrap_or(Limit::MAX);
            let need_last_msg = query.read("needLastMsg")?.unwrap_or(Flag::YES).is_set();
            Ok((token, PageRequest { limit, need_last_msg }))
        })?;
        let token = token.ok_or_else(|| InvalidValue::new("is required: a list's syncToken").of(SINCE))?;
        Ok(Request { sync_pass: self.sync_pass(token, &caller, request.now())?, caller, page })
    }

    async fn handle(&self, request: Request, context: &Context) -> Result<Reply, Problem> {
        let Request { caller, sync_pass, page } = request;
        let page = context.store().sessions_of(&caller).changes(&sync_pass, page, context.now()).await?;
        let page = page.ok_or_else(Problem::sync_token_expired)?;
        let changes = RecentSessionChanges {
            updated: page.updated,
            deleted: page.deleted,
            has_more: page.has_more,
            sync_token: SyncToken::new(&caller, self.sync_epoch, page.next),
        };
        Ok(Reply::json(&changes)?.compressible())
    }
}

impl QueryMySessionChanges {
    /// Returns the sync pass that a token continues.
    fn sync_pass(
        &self,
        token: UnverifiedToken,
        caller: &Account,
        now: Timestamp,
    ) -> Result<SyncPass, Problem> {
        match token.sync_pass(caller, self.sync_epoch, now) {
            Ok(sync_pass) => Ok(sync_pass),
            Err(TokenRejection::Expired) => Err(Problem::sync_token_expired()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session_api::testing;

    use super::*;

    #[test]
    fn a_token_continues_for_its_account_in_its_epoch() {
        let (alice, now) = ("alice".parse().unwrap(), Timestamp::from_millis(1_700_000_000_000));
        let of_start = SyncPass::after(now);
        let parsed = |epoch: u32, account: &str, query: &str| {
            let event = json!({
                "rawQueryString": query,
                "requestContext": {"http": {"method": "GET"}, "authorizer": {"jwt": {"claims": {"sub": account}}}},
            });
            testing::parse(&QueryMySessionChanges { sync_epoch: epoch }, &event.to_string(), now)
        };
        let since = format!("since={}", SyncToken::new(&alice, 1, of_start.clone()));
        assert_eq!(parsed(1, "alice", &since).unwrap().sync_pass, of_start);
        assert_eq!(parsed(2, "alice", &since).unwrap_err().status(), 410);
        assert_eq!(parsed(1, "bob", &since).unwrap_err().status(), 410);
        let missing = parsed(1, "alice", "limit=5").unwrap_err();
        assert_eq!((missing.status(), missing.detail()), (400, "since is required: a list's syncToken"));
    }
}
