//! eraseUser: `POST /v1/users/erase` with `{"account"}`. Deletes everything in the user's partition, about 1,000 session items per
//! request, and returns `{"erased", "remaining"}`. The backend repeats the request until `remaining` is false, which takes at least 10
//! minutes from the first request on: that long, something from before may be under way. `Retry-After` says when to repeat it.
//!
//! The operation is safe to repeat. It leaves a marker with the time of the erasure for 31 days, so that late and repeated events
//! do not bring anything back. It does not delete:
//!
//! - the group items of the user's groups, which belong to the groups; they stop naming the user;
//! - what the user wrote to others, which is stored in the session items of those users;
//! - dead letters, which expire by themselves.

use std::time::Duration;

use serde::Serialize;
use session_api::{Context, Environment, HttpRequest, Operation, Problem, Reply, Signature};
use session_model::{
    Account, AccountCase,
    json::{Fields, InvalidField},
};
use session_store::Erased;

/// The maximum difference between `CurTime` and the current time, in either direction. An old signed request must not erase what
/// was stored since.
const MAX_AGE: Duration = Duration::from_mins(15);
/// The number of session items after which the rest is left to the next request, as it is after the time `WITHIN`. A function must
/// respond within 4 seconds.
const MAX_ITEMS: usize = 1_000;
const WITHIN: Duration = Duration::from_secs(3);

/// The field with the account.
const ACCOUNT: &str = "account";

/// The operation eraseUser.
pub struct EraseUser {
    signature: Signature,
}

impl Operation for EraseUser {
    const NAME: &'static str = "eraseUser";
    const FOR_BACKEND: bool = true;

    type Request = Account;

    fn configure(environment: &mut Environment) -> Self {
        Self { signature: Signature::configure(environment) }
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Account, Problem> {
        self.signature.verify_recent(request, request.body(HttpRequest::MAX_BODY_BYTES)?, MAX_AGE)?;
        request.no_query()?;
        Ok(account(&request.fields()?, request.account_case())?)
    }

    async fn handle(&self, user: Account, context: &Context) -> Result<Reply, Problem> {
        let sessions = context.store().sessions_of(&user);
        let Erased { session_items, again_in } = sessions.erase(MAX_ITEMS, WITHIN, context.now()).await?;
        let reply = Reply::json(&EraseUserResponse { erased: session_items, remaining: again_in.is_some() })?;
        Ok(match again_in {
            // Rounded up, so that the wait is over by then.
            Some(wait) => reply.with_retry_after(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            None => reply,
        })
    }
}

#[derive(Debug, Serialize)]
struct EraseUserResponse {
    erased: usize,
    remaining: bool,
}

fn account(fields: &Fields, case: AccountCase) -> Result<Account, InvalidField> {
    fields.reject_unknown_fields(&[ACCOUNT])?;
    fields.read(ACCOUNT, |text| case.account(text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_body_names_one_account_and_nothing_else() {
        let parsed = |body: &Value| {
            let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
            account(&fields, AccountCase::Lower)
                .map(|account| account.to_string())
                .map_err(|rejection| rejection.to_string())
        };
        assert_eq!(parsed(&json!({"account": "Alice"})), Ok("alice".into()));
        for (body, rejection) in [
            (json!({}), "account is required"),
            (json!({"account": ""}), "account must not be empty"),
            (json!({"account": 7}), "account must be a string"),
            (json!({"account": "a/b"}), "account must not contain '/'"),
            (json!({"account": "a", "all": true}), "body must hold no other fields than account"),
        ] {
            assert_eq!(parsed(&body), Err(rejection.to_owned()), "{body}");
        }
    }
}
