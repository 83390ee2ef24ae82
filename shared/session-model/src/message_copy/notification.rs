//! What a notification of a group says of its members.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Account, Fields, InvalidField, InvalidValue, SessionType};

/// Who joined and who left, as a notification says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// Those who are members from then on.
    pub joined: BTreeSet<Account>,
    /// Those who are members no more.
    pub left: BTreeSet<Account>,
    /// Whether the group is dismissed: everybody leaves.
    pub dismissed: bool,
}

impl MemberChange {
    /// Reads the `attach` of a notification, `{"id": n, "data": {…}}` as JSON text; any other message changes nothing. One
    /// that must name accounts and does not is refused: to take it would lose a change of members silently.
    pub(super) fn parse(
        fields: &Fields,
        session_type: SessionType,
        from: &Account,
    ) -> Result<Self, InvalidField> {
        if session_type == SessionType::P2p || fields.text("msgType")? != "NOTIFICATION" {
            return Ok(Self::default());
        }
        // What is no notification of Yunxin's is a message like any other.
        let attach =
            fields.optional_text("attach")?.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let Some(attach) = attach else { return Ok(Self::default()) };
        let Some(id) = attach["id"].as_u64() else { return Ok(Self::default()) };
        let named = || accounts(&attach["data"]);
        let sender = || BTreeSet::from([from.clone()]);
        let joined = |joined| Self { joined, ..Self::default() };
        let left = |left| Self { left, ..Self::default() };
        Ok(match (session_type, id) {
            // Pulled in; application accepted, where the sender is the manager.
            (SessionType::Team, 0 | 5) | (SessionType::SuperTeam, 401 | 410) => joined(named()?),
            // Kicked.
            (SessionType::Team, 1) | (SessionType::SuperTeam, 402) => left(named()?),
            // Left.
            (SessionType::Team, 2) | (SessionType::SuperTeam, 403) => left(sender()),
            // Invitation accepted.
            (SessionType::Team, 9) | (SessionType::SuperTeam, 411) => joined(sender()),
            (SessionType::Team, 4) | (SessionType::SuperTeam, 405) => {
                Self { dismissed: true, ..Self::default() }
            }
            // Information, owner, managers, muting, and what Yunxin adds one day: nobody joins or leaves.
            _ => Self::default(),
        })
    }
}

/// The accounts in question: `ids`, a list, or `id`, one.
fn accounts(data: &Value) -> Result<BTreeSet<Account>, InvalidField> {
    let refusal =
        |reason: &str| InvalidValue::new(format!("must name accounts in data.ids: {reason}")).of("attach");
    let names = match (&data["ids"], &data["id"]) {
        (Value::Array(names), _) => names.as_slice(),
        (Value::Null, name @ Value::String(_)) => std::slice::from_ref(name),
        _ => return Err(refusal("there is no list of them")),
    };
    let parsed = names.iter().map(|name| {
        let name = name.as_str().ok_or_else(|| refusal("one is no string"))?;
        name.parse().map_err(|reason: InvalidValue| refusal(&format!("one {reason}")))
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(session_type: SessionType, attach: &Value) -> Result<String, String> {
        let copy = json!({"msgType": "NOTIFICATION", "attach": attach.to_string()});
        let fields = Fields::parse(copy.to_string().as_bytes()).unwrap();
        let change = MemberChange::parse(&fields, session_type, &"boss".parse().unwrap());
        let names = |accounts: &BTreeSet<Account>| {
            accounts.iter().map(Account::to_string).collect::<Vec<_>>().join("+")
        };
        change
            .map(|change| format!("{}/{}/{}", names(&change.joined), names(&change.left), change.dismissed))
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn every_notification_says_who_is_meant() {
        for (team, super_team, expected) in [
            (0, 401, "a+b//false"),
            (1, 402, "/a+b/false"),
            (2, 403, "/boss/false"),
            (3, 404, "//false"),
            (4, 405, "//true"),
            (5, 410, "a+b//false"),
            (6, 406, "//false"),
            (7, 407, "//false"),
            (8, 408, "//false"),
            (9, 411, "boss//false"),
            (10, 409, "//false"),
            (99, 499, "//false"),
        ] {
            let data = json!({"ids": ["b", "a"], "tinfo": {"1": "7"}, "uinfos": [{"1": "boss"}]});
            let attach = |id: u64| json!({"id": id, "data": data});
            assert_eq!(change(SessionType::Team, &attach(team)).as_deref(), Ok(expected), "team {team}");
            assert_eq!(
                change(SessionType::SuperTeam, &attach(super_team)).as_deref(),
                Ok(expected),
                "{super_team}"
            );
            assert_eq!(
                change(SessionType::SuperTeam, &attach(team)).as_deref(),
                Ok("//false"),
                "other numbers"
            );
        }
        for id in [5, 410] {
            let one = json!({"id": id, "data": {"id": "a"}});
            let session_type = if id == 5 { SessionType::Team } else { SessionType::SuperTeam };
            assert_eq!(change(session_type, &one).as_deref(), Ok("a//false"));
        }
    }

    #[test]
    fn a_notification_that_names_nobody_it_must_is_refused() {
        for attach in [
            json!({"id": 0}),
            json!({"id": 0, "data": {}}),
            json!({"id": 1, "data": {"ids": "a"}}),
            json!({"id": 1, "data": {"ids": [1]}}),
            json!({"id": 1, "data": {"ids": ["a/b"]}}),
        ] {
            assert!(change(SessionType::Team, &attach).unwrap_err().starts_with("attach must"), "{attach}");
        }
        for attach in [json!(null), json!({}), json!({"id": "0"}), json!([])] {
            assert_eq!(change(SessionType::Team, &attach).as_deref(), Ok("//false"), "{attach}");
        }
    }
}
