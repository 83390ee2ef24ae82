//! updateGroupMembers: `PATCH /v1/groups/{groupId}/members` with `{"groupId", "time", "add": […], "remove": […]}`, and `PUT` with
//! `{"groupId", "time", "members": […]}`.
//!
//! The messaging backend reports which accounts joined and left at a time (`PATCH`), or the whole member list (`PUT`). Late and
//! repeated requests are harmless, because `time` orders them among all membership events.

use std::collections::BTreeSet;

use serde::Serialize;
use session_api::{Context, Environment, HttpRequest, Method, Operation, Problem, Reply, Signature};
use session_model::{
    Account, AccountCase, GroupId, Timestamp,
    group::{Applied, LeftOut, MembershipEvent},
    json::{Fields, InvalidField, InvalidValue},
};
use session_store::StoreError;

/// The maximum number of accounts in one `PATCH`.
const MAX_CHANGES: usize = 1_000;
/// The maximum number of members in one `PUT`: as many as a message copy would contain.
const MAX_MEMBERS: usize = 200;

const GROUP_ID: &str = "groupId";
const TIME: &str = "time";
const MEMBERS: &str = "members";
const ADD: &str = "add";
const REMOVE: &str = "remove";

/// The operation updateGroupMembers.
pub struct UpdateGroupMembers {
    signature: Signature,
}

/// A change of a group's members.
#[derive(Debug)]
pub struct Request {
    group: GroupId,
    event: MembershipEvent,
}

impl Operation for UpdateGroupMembers {
    const NAME: &'static str = "updateGroupMembers";
    const FOR_BACKEND: bool = true;

    type Request = Request;

    fn configure(environment: &mut Environment) -> Self {
        Self { signature: Signature::configure(environment) }
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Request, Problem> {
        self.signature.verify(request, request.body(HttpRequest::MAX_BODY_BYTES)?)?;
        request.no_query()?;
        let body = Body {
            group: request.group_id()?,
            fields: request.fields()?,
            now: request.now(),
            case: request.account_case(),
        };
        let event = if request.method() == Method::PUT { body.whole_list()? } else { body.changes()? };
        Ok(Request { group: body.group, event })
    }

    async fn handle(&self, Request { group, event }: Request, context: &Context) -> Result<Reply, Problem> {
        let applied = context.store().group(&group, context.now()).apply(&event).await?;
        Reply::json(&UpdateGroupMembersResponse::from(applied))
    }
}

/// What was not written. Everything else was.
#[derive(Debug, Serialize)]
struct UpdateGroupMembersResponse {
    /// The items that could not be written because a user's partition is full or an item is damaged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failure>,
    /// The accounts for which something newer or stronger is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    superseded: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Failure {
    /// The user whose session item could not be written; absent for the group item.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    code: u16,
    detail: &'static str,
}

impl From<Applied<StoreError>> for UpdateGroupMembersResponse {
    fn from(Applied { left_out, superseded }: Applied<StoreError>) -> Self {
        let failure = |LeftOut { account, error }| Failure {
            detail: if account.is_some() {
                "the account's own session item cannot be written"
            } else {
                "the group's own item cannot be written"
            },
            account: account.map(|account| account.to_string()),
            code: Problem::from(error).code(),
        };
        Self {
            failed: left_out.into_iter().map(failure).collect(),
            superseded: superseded.iter().map(Account::to_string).collect(),
        }
    }
}

/// A request body that is being read, and the group that the path names.
struct Body {
    group: GroupId,
    fields: Fields,
    now: Timestamp,
    case: AccountCase,
}

impl Body {
    fn whole_list(&self) -> Result<MembershipEvent, InvalidField> {
        self.fields.reject_unknown_fields(&[GROUP_ID, TIME, MEMBERS])?;
        let time = self.time()?;
        let members = self.accounts(MEMBERS)?;
        if members.len() > MAX_MEMBERS {
            return Err(
                InvalidValue::new(format!("must hold at most {MAX_MEMBERS} accounts")).in_body(MEMBERS)
            );
        }
        Ok(MembershipEvent::of_list(&self.group, time, &members))
    }

    fn changes(&self) -> Result<MembershipEvent, InvalidField> {
        self.fields.reject_unknown_fields(&[GROUP_ID, TIME, ADD, REMOVE])?;
        let time = self.time()?;
        let some =
            |name| if self.fields.value(name).is_some() { self.accounts(name) } else { Ok(BTreeSet::new()) };
        let (add, remove) = (some(ADD)?, some(REMOVE)?);
        if !add.is_disjoint(&remove) {
            return Err(InvalidValue::new("must not hold an account that add holds too").in_body(REMOVE));
        }
        match add.len() + remove.len() {
            0 => Err(InvalidValue::new("must hold accounts, or remove must").in_body(ADD)),
            1..=MAX_CHANGES => Ok(MembershipEvent::of_changes(time, add, remove)),
            _ => {
                let reason = format!("must hold at most {MAX_CHANGES} accounts, together with remove");
                Err(InvalidValue::new(reason).in_body(ADD))
            }
        }
    }

    /// Returns the event's time, after checking `groupId`. The signature covers only the body, so the body must name the group that
    /// it is for.
    fn time(&self) -> Result<Timestamp, InvalidField> {
        if self.fields.read(GROUP_ID, |text| self.case.group_id(text))? != self.group {
            return Err(InvalidValue::new("must be the group that the path names").in_body(GROUP_ID));
        }
        self.fields.time(TIME, self.now)
    }

    fn accounts(&self, name: &'static str) -> Result<BTreeSet<Account>, InvalidField> {
        let accounts = self.fields.distinct(name, "accounts", |text| self.case.account(text))?;
        Ok(accounts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn parsed<T>(
        parse: fn(&Body) -> Result<MembershipEvent, InvalidField>,
        body: &Value,
        result: fn(MembershipEvent) -> T,
    ) -> Result<T, String> {
        let body = Body {
            group: "team|1".parse().unwrap(),
            fields: Fields::parse(body.to_string().as_bytes()).unwrap(),
            now: Timestamp::from_millis(NOW),
            case: AccountCase::Keep,
        };
        parse(&body).map(result).map_err(|rejection| rejection.to_string())
    }

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("user-{number}")).collect()
    }

    #[test]
    fn a_change_names_its_group_its_time_and_its_accounts() {
        let change = |add: Value, remove: Value| {
            let body = json!({"groupId": "team|1", "time": NOW, "add": add, "remove": remove});
            parsed(Body::changes, &body, |event| (event.joined.len(), event.left.len()))
        };
        assert_eq!(change(json!(["a", "b"]), json!(["c"])), Ok((2, 1)));
        assert_eq!(change(Value::Null, json!(["c"])), Ok((0, 1)));
        assert_eq!(change(json!(numbered(1_000)), json!([])), Ok((1_000, 0)));
        for (add, remove, rejection) in [
            (Value::Null, json!([]), "add must hold accounts, or remove must"),
            (
                json!(numbered(999)),
                json!(["x", "y"]),
                "add must hold at most 1000 accounts, together with remove",
            ),
            (json!(["a"]), json!(["a"]), "remove must not hold an account that add holds too"),
            (json!(["a", "b", "a"]), json!([]), "add must hold valid accounts: number 3 is there twice"),
            (json!([]), json!(["a", ""]), "remove must hold valid accounts: number 2 must not be empty"),
            (json!("a"), json!([]), "add must be an array of strings"),
        ] {
            assert_eq!(change(add, remove), Err(rejection.to_owned()));
        }
        for (body, rejection) in [
            (json!({"time": NOW, "add": ["a"]}), "groupId is required"),
            (
                json!({"groupId": "team|2", "time": NOW, "add": ["a"]}),
                "groupId must be the group that the path names",
            ),
            (json!({"groupId": "team|1", "add": ["a"]}), "time is required"),
            (
                json!({"groupId": "team|1", "time": 5, "add": ["a"]}),
                "time must be a time in milliseconds, not before",
            ),
            (
                json!({"groupId": "team|1", "time": NOW + 300_001, "add": ["a"]}),
                "time must be a time in milliseconds, not more than 5 minutes ahead",
            ),
            (
                json!({"groupId": "team|1", "time": NOW, "members": []}),
                "body must hold no other fields than groupId",
            ),
        ] {
            assert!(parsed(Body::changes, &body, |_| ()).unwrap_err().starts_with(rejection), "{body}");
        }
    }

    #[test]
    fn a_whole_list_may_be_empty_and_has_its_limit() {
        let list = |members: Value| {
            let body = json!({"groupId": "team|1", "time": NOW, "members": members});
            parsed(Body::whole_list, &body, |event| event.list.unwrap().members().len())
        };
        assert_eq!(list(json!([])), Ok(0));
        assert_eq!(list(json!(numbered(200))), Ok(200));
        assert_eq!(list(json!(numbered(201))), Err("members must hold at most 200 accounts".into()));
        assert_eq!(list(Value::Null), Err("members is required".into()));
    }
}
