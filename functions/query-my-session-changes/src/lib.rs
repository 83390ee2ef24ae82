//! queryMySessionChanges: `GET /v1/sessions/changes`. What has changed in the caller's list since a `syncToken`, deletes included: one page.

use session_api::{Environment, Operation, Problem, Reply, RequestContext};
use session_model::{
    Account, Flag, InvalidField, InvalidValue, Limit, PageRequest, Pass, RecentSessionChanges, SyncToken,
    Timestamp, TokenRejection, UnverifiedToken,
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

    async fn answer(&self, call: &RequestContext<'_>) -> Result<Reply, Problem> {
        let caller = call.caller()?;
        call.reject_unknown_query(&["since", "limit", "needLastMsg"])?;
        let of = PageRequest {
            limit: call.query("limit")?.unwrap_or(Limit::MAX),
            need_last_msg: call.query("needLastMsg")?.unwrap_or(Flag::YES).is_set(),
        };
        let pass = self.pass(call.query("since")?, &caller, call.now())?;
        let page = call.store().sessions_of(&caller).changes(&pass, of, call.now()).await?;
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
    /// The pass that a token goes on with.
    fn pass(
        &self,
        since: Option<UnverifiedToken>,
        caller: &Account,
        now: Timestamp,
    ) -> Result<Pass, Problem> {
        let missing = || -> InvalidField { InvalidValue::new("is required: a list's syncToken").of("since") };
        let token = since.ok_or_else(missing)?;
        match token.pass(caller, self.sync_epoch, now) {
            Ok(pass) => Ok(pass),
            Err(TokenRejection::Expired) => Err(Problem::sync_token_expired()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_on_for_its_account_in_its_epoch() {
        let (alice, now) = ("alice".parse().unwrap(), Timestamp::from_millis(1_700_000_000_000));
        let pass = |epoch: u32, account: &str| {
            let token = SyncToken::new(&alice, 1, Pass::after(now)).to_string().parse().unwrap();
            let operation = QueryMySessionChanges { sync_epoch: epoch };
            operation.pass(Some(token), &account.parse().unwrap(), now).map_err(|problem| problem.status())
        };
        assert_eq!(pass(1, "alice"), Ok(Pass::after(now)));
        assert_eq!((pass(2, "alice"), pass(1, "bob")), (Err(410), Err(410)));
        let none = QueryMySessionChanges { sync_epoch: 0 }.pass(None, &alice, now).unwrap_err();
        assert_eq!((none.status(), none.detail()), (400, "since is required: a list's syncToken"));
    }
}
