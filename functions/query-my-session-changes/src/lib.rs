//! queryMySessionChanges: `GET /v1/sessions/changes`. Returns one page of what has changed in the caller's list since a
//! `syncToken`, deletes included.

use session_api::{Environment, Operation, Problem, Reply, RequestContext};
use session_model::{
    Account, Timestamp,
    json::{InvalidField, InvalidValue},
    reading::{
        Flag, Limit, PageRequest, RecentSessionChanges, SyncPass, SyncToken, TokenRejection, UnverifiedToken,
    },
};

/// The operation queryMySessionChanges.
#[derive(Debug)]
pub struct QueryMySessionChanges {
    sync_epoch: u32,
}

impl Operation for QueryMySessionChanges {
    const NAME: &'static str = "queryMySessionChanges";
    const CONNECTIONS: usize = 2;

    fn configure(environment: &mut Environment) -> Self {
        Self { sync_epoch: environment.parsed("SYNC_EPOCH").unwrap_or_default() }
    }

    async fn handle(&self, request: &RequestContext<'_>) -> Result<Reply, Problem> {
        let caller = request.caller()?;
        request.reject_unknown_query(&["since", "limit", "needLastMsg"])?;
        let of = PageRequest {
            limit: request.query("limit")?.unwrap_or(Limit::MAX),
            need_last_msg: request.query("needLastMsg")?.unwrap_or(Flag::YES).is_set(),
        };
        let sync_pass = self.sync_pass(request.query("since")?, &caller, request.now())?;
        let page = request.store().sessions_of(&caller).changes(&sync_pass, of, request.now()).await?;
        let changes = RecentSessionChanges {
            updated: page.updated,
            deleted: page.deleted,
            has_more: page.has_more,
            sync_token: SyncToken::new(&caller, self.sync_epoch, page.next),
        };
        Ok(Reply::json(&changes).compressible())
    }
}

impl QueryMySessionChanges {
    /// Returns the sync pass that a token continues.
    fn sync_pass(
        &self,
        since: Option<UnverifiedToken>,
        caller: &Account,
        now: Timestamp,
    ) -> Result<SyncPass, Problem> {
        let missing = || -> InvalidField { InvalidValue::new("is required: a list's syncToken").of("since") };
        let token = since.ok_or_else(missing)?;
        match token.sync_pass(caller, self.sync_epoch, now) {
            Ok(sync_pass) => Ok(sync_pass),
            Err(TokenRejection::Expired) => Err(Problem::sync_token_expired()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_continues_for_its_account_in_its_epoch() {
        let (alice, now) = ("alice".parse().unwrap(), Timestamp::from_millis(1_700_000_000_000));
        let sync_pass = |epoch: u32, account: &str| {
            let token = SyncToken::new(&alice, 1, SyncPass::after(now)).to_string().parse().unwrap();
            let operation = QueryMySessionChanges { sync_epoch: epoch };
            operation
                .sync_pass(Some(token), &account.parse().unwrap(), now)
                .map_err(|problem| problem.status())
        };
        assert_eq!(sync_pass(1, "alice"), Ok(SyncPass::after(now)));
        assert_eq!((sync_pass(2, "alice"), sync_pass(1, "bob")), (Err(410), Err(410)));
        let none = QueryMySessionChanges { sync_epoch: 0 }.sync_pass(None, &alice, now).unwrap_err();
        assert_eq!((none.status(), none.detail()), (400, "since is required: a list's syncToken"));
    }
}
