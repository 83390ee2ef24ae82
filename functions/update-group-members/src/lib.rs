//! updateGroupMembers: `PATCH /v1/groups/{groupId}/members` with `{"groupId", "time", "add": […], "remove": […]}`, and `PUT`
//! with `{"groupId", "time", "members": […]}`. The messaging backend tells who joined and left at a time, or who all the
//! members are. Late and repeated calls are harmless: `time` orders them among all membership events.

use std::collections::BTreeSet;

use session_api::{Call, Environment, Method, Operation, Problem, Reply, Signature};
use session_model::{Account, Fields, GroupId, InvalidField, InvalidValue, MemberList, Timestamp};

/// The longest body, in bytes: 256 KB.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// How many accounts one `PATCH` names at most.
const MAX_CHANGES: usize = 1_000;
/// How many members one `PUT` names at most: as many as a message copy would.
const MAX_MEMBERS: usize = 200;

/// The operation.
pub struct UpdateGroupMembers {
    signature: Signature,
}

impl Operation for UpdateGroupMembers {
    const NAME: &'static str = "updateGroupMembers";
    const FOR_BACKEND: bool = true;

    fn configure(environment: &mut Environment) -> Self {
        Self { signature: Signature::configure(environment) }
    }

    async fn answer(&self, call: &Call) -> Result<Reply, Problem> {
        self.signature.verify(call, call.body(MAX_BODY_BYTES)?)?;
        let group = call.group_id()?;
        let fields = call.fields(MAX_BODY_BYTES)?;
        let store = call.store().group(&group, call.now());
        if call.method() == Method::PUT {
            store.put_members(&whole_list(&fields, &group, call.now())?).await?;
        } else {
            let (time, joined, left) = changes(&fields, &group, call.now())?;
            store.update_members(time, &joined, &left).await?;
        }
        Ok(Reply::default())
    }
}

fn whole_list(fields: &Fields, group: &GroupId, now: Timestamp) -> Result<MemberList, InvalidField> {
    fields.only(&["groupId", "time", "members"])?;
    check_group(fields, group)?;
    let time = fields.time("time", now)?;
    let members = accounts(fields, "members")?;
    if members.len() > MAX_MEMBERS {
        return Err(InvalidValue::new(format!("must hold at most {MAX_MEMBERS} accounts")).of("members"));
    }
    Ok(MemberList::new(group, time, &members))
}

type Changes = (Timestamp, BTreeSet<Account>, BTreeSet<Account>);

fn changes(fields: &Fields, group: &GroupId, now: Timestamp) -> Result<Changes, InvalidField> {
    fields.only(&["groupId", "time", "add", "remove"])?;
    check_group(fields, group)?;
    let time = fields.time("time", now)?;
    let some = |name| if fields.value(name).is_some() { accounts(fields, name) } else { Ok(BTreeSet::new()) };
    let (add, remove) = (some("add")?, some("remove")?);
    if !add.is_disjoint(&remove) {
        return Err(InvalidValue::new("must not hold an account that add holds too").of("remove"));
    }
    match add.len() + remove.len() {
        0 => Err(InvalidValue::new("must hold accounts, or remove must").of("add")),
        1..=MAX_CHANGES => Ok((time, add, remove)),
        _ => {
            Err(InvalidValue::new(format!("must hold at most {MAX_CHANGES} accounts, together with remove"))
                .of("add"))
        }
    }
}

/// The signature covers the body alone, so the body must say which group it is for.
fn check_group(fields: &Fields, group: &GroupId) -> Result<(), InvalidField> {
    if fields.parsed::<GroupId>("groupId")? == *group {
        Ok(())
    } else {
        Err(InvalidValue::new("must be the group that the path names").of("groupId"))
    }
}

fn accounts(fields: &Fields, name: &'static str) -> Result<BTreeSet<Account>, InvalidField> {
    let mut accounts = BTreeSet::new();
    for (index, text) in fields.texts(name)?.into_iter().enumerate() {
        let refusal = |reason: String| {
            InvalidValue::new(format!("must hold valid accounts: number {} {reason}", index + 1)).of(name)
        };
        let account: Account = text.parse().map_err(|reason: InvalidValue| refusal(reason.to_string()))?;
        if !accounts.insert(account) {
            return Err(refusal("is there twice".into()));
        }
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TIME: u64 = 1_700_000_000_000;

    fn parsed<T>(
        parse: fn(&Fields, &GroupId, Timestamp) -> Result<T, InvalidField>,
        body: &Value,
    ) -> Result<T, String> {
        let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        parse(&fields, &"team|1".parse().unwrap(), Timestamp::from_millis(TIME))
            .map_err(|refusal| refusal.to_string())
    }

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("user-{number}")).collect()
    }

    #[test]
    fn a_change_names_its_group_its_time_and_its_accounts() {
        let change = |add: Value, remove: Value| {
            let body = json!({"groupId": "team|1", "time": TIME, "add": add, "remove": remove});
            parsed(changes, &body).map(|(_, add, remove)| (add.len(), remove.len()))
        };
        assert_eq!(change(json!(["a", "b"]), json!(["c"])), Ok((2, 1)));
        assert_eq!(change(Value::Null, json!(["c"])), Ok((0, 1)));
        assert_eq!(change(json!(numbered(1_000)), json!([])), Ok((1_000, 0)));
        for (add, remove, refusal) in [
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
            assert_eq!(change(add, remove), Err(refusal.to_owned()));
        }
        for (body, refusal) in [
            (json!({"time": TIME, "add": ["a"]}), "groupId is required"),
            (
                json!({"groupId": "team|2", "time": TIME, "add": ["a"]}),
                "groupId must be the group that the path names",
            ),
            (json!({"groupId": "team|1", "add": ["a"]}), "time is required"),
            (
                json!({"groupId": "team|1", "time": 5, "add": ["a"]}),
                "time must be a time in milliseconds, not before",
            ),
            (
                json!({"groupId": "team|1", "time": TIME, "members": []}),
                "body must hold no other fields than groupId",
            ),
        ] {
            assert!(parsed(changes, &body).unwrap_err().starts_with(refusal), "{body}");
        }
    }

    #[test]
    fn a_whole_list_may_be_empty_and_has_its_limit() {
        let list = |members: Value| {
            let body = json!({"groupId": "team|1", "time": TIME, "members": members});
            parsed(whole_list, &body).map(|list| list.members().len())
        };
        assert_eq!(list(json!([])), Ok(0));
        assert_eq!(list(json!(numbered(200))), Ok(200));
        assert_eq!(list(json!(numbered(201))), Err("members must hold at most 200 accounts".into()));
        assert_eq!(list(Value::Null), Err("members is required".into()));
    }
}
