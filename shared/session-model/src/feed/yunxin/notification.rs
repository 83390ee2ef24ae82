//! What a group's notification reports about its members.

use std::{borrow::Cow, collections::BTreeSet};

use super::{broken, members, named::Named, raw_copy::RawCopy};
use crate::{
    id::{Account, AccountCase},
    json::{InvalidField, InvalidValue, JsonObject, JsonValue},
};

const ATTACH: &str = "attach";

/// The accounts that joined and left, according to a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notice {
    /// The accounts that are members from then on.
    pub(super) joined: BTreeSet<Account>,
    /// The accounts that are not members any more.
    pub(super) left: BTreeSet<Account>,
    /// Whether the group is dismissed, so that everybody leaves.
    pub(super) dismissed: bool,
    /// Whether its kind is not known to this service. It is processed like any other message.
    pub(super) unknown: bool,
}

/// The kind of a notification, by its number. Yunxin has one set of numbers for teams and another for super teams. Its own samples
/// of super teams contain the teams' numbers. No number has two meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Added,
    Kicked,
    Left,
    Dismissed,
    ApplicationAccepted,
    OwnerChanged,
    InvitationAccepted,
    /// Information, managers, muting: nobody joins or leaves.
    OfNoMembers,
}

impl Kind {
    fn of(number: JsonValue<'_>) -> Option<Self> {
        Some(match &*number.whole_number()? {
            "0" | "401" => Self::Added,
            "1" | "402" => Self::Kicked,
            "2" | "403" => Self::Left,
            "4" | "405" => Self::Dismissed,
            "5" | "410" => Self::ApplicationAccepted,
            "6" | "406" => Self::OwnerChanged,
            "9" | "411" => Self::InvitationAccepted,
            "3" | "404" | "7" | "407" | "8" | "408" | "10" | "409" => Self::OfNoMembers,
            _ => return None,
        })
    }
}

impl Notice {
    /// Parses a message of type NOTIFICATION. One that must name accounts and does not is rejected, because accepting it would
    /// silently lose a change of members.
    ///
    /// With a list of members (`is_listed`), no accounts are considered except those in the list and those that the notification
    /// names.
    pub(super) fn parse(copy: &RawCopy<'_>, from: &Account, is_listed: bool) -> Result<Self, InvalidField> {
        let Some(attach) = copy.value(ATTACH) else { return Ok(Self::default()) };
        let text = attach.string_or_json();
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let case = copy.settings.account_case;
        let notice = match JsonValue::parse(&text) {
            Some(value) => Self::of_whole(&value.object().unwrap_or_default(), case, from, is_listed),
            None => Self::of_broken(&broken::read(&text), case, from, is_listed),
        };
        notice.map_err(|reason| reason.of(ATTACH))
    }

    /// Whether accounts leave by it.
    pub(super) fn has_leavers(&self) -> bool {
        self.dismissed || !self.left.is_empty()
    }

    fn of_whole(
        attach: &JsonObject<'_>,
        case: AccountCase,
        from: &Account,
        is_listed: bool,
    ) -> Result<Self, InvalidValue> {
        let data = attach.object("data").unwrap_or_default();
        let number = attach.get("id").filter(|id| id.whole_number().is_some());
        let Some(number) = number else {
            // The notification of a new super team contains only the information about it.
            let owner = [owner(attach), owner_in(attach), owner_in(&data)].into_iter().flatten().next();
            let Some(owner) = owner else { return Ok(Self { unknown: true, ..Self::default() }) };
            let joined = if is_listed { BTreeSet::new() } else { founders(from, Some(owner), case)? };
            return Ok(Self { joined, ..Self::default() });
        };
        let Some(kind) = Kind::of(number) else {
            return Ok(Self { unknown: true, ..Self::default() });
        };
        let named =
            Named { number: Some(number), ids: data.get("ids"), id: data.get("id"), is_broken: false };
        let mut notice = Self::of_kind(kind, &named, case, from, is_listed)?;
        if kind == Kind::Added && !is_listed {
            // A group's creator is not among the accounts that are added.
            notice.joined.append(&mut founders(from, owner_in(&data), case)?);
        }
        Ok(notice)
    }

    fn of_broken(
        named: &Named<'_>,
        case: AccountCase,
        from: &Account,
        is_listed: bool,
    ) -> Result<Self, InvalidValue> {
        let Some(number) = named.number else {
            return Err(InvalidValue::new("must be JSON, at least as far as its number"));
        };
        let Some(kind) = Kind::of(number) else {
            return Ok(Self { unknown: true, ..Self::default() });
        };
        let mut notice = Self::of_kind(kind, named, case, from, is_listed)?;
        if kind == Kind::Added && !is_listed {
            notice.joined.insert(from.clone());
        }
        Ok(notice)
    }

    fn of_kind(
        kind: Kind,
        named: &Named<'_>,
        case: AccountCase,
        from: &Account,
        is_listed: bool,
    ) -> Result<Self, InvalidValue> {
        let sender = || BTreeSet::from([from.clone()]);
        let joined = |joined| Self { joined, ..Self::default() };
        let left = |left| Self { left, ..Self::default() };
        Ok(match kind {
            Kind::Added => joined(named.accounts(case)?),
            Kind::ApplicationAccepted => joined(named.applicants(case)?),
            Kind::Kicked => left(named.accounts(case)?),
            Kind::Left => left(sender()),
            Kind::InvitationAccepted => joined(sender()),
            Kind::Dismissed => Self { dismissed: true, ..Self::default() },
            // The owner who hands over may have left, and an operator's account need not be a member.
            Kind::OwnerChanged if !is_listed => joined(named.new_owner(case)?),
            Kind::OwnerChanged | Kind::OfNoMembers => Self::default(),
        })
    }
}

impl Named<'_> {
    /// The accounts in `ids`, of which there must be at least one.
    fn accounts(&self, case: AccountCase) -> Result<BTreeSet<Account>, InvalidValue> {
        let rejection = |reason: &str| InvalidValue::new(format!("must name accounts in data.ids: {reason}"));
        let ids = self.ids.ok_or_else(|| rejection("there are none"))?;
        let accounts = members::parse(ids, case).map_err(|reason| rejection(&reason.to_string()))?;
        accounts.filter(|accounts| !accounts.is_empty()).ok_or_else(|| rejection("there are none"))
    }

    /// The accounts whose application was accepted: those in `ids`, or the one in `id`.
    fn applicants(&self, case: AccountCase) -> Result<BTreeSet<Account>, InvalidValue> {
        match (self.ids, self.id) {
            (None, Some(id)) => Ok(BTreeSet::from([one(id, case)?])),
            _ => self.accounts(case),
        }
    }

    fn new_owner(&self, case: AccountCase) -> Result<BTreeSet<Account>, InvalidValue> {
        match self.id {
            Some(id) => Ok(BTreeSet::from([one(id, case)?])),
            None if self.is_broken => Err(InvalidValue::new("must name the new owner in data.id")),
            None => Ok(BTreeSet::new()),
        }
    }
}

/// Parses a value that is one account.
fn one(value: JsonValue<'_>, case: AccountCase) -> Result<Account, InvalidValue> {
    let text = value.text().ok_or_else(|| InvalidValue::new("must name an account by a string"))?;
    case.account(&text).map_err(|reason| InvalidValue::new(format!("must name accounts, and one {reason}")))
}

/// The sender and the owner of a group that was just created.
fn founders(
    from: &Account,
    owner: Option<JsonValue<'_>>,
    case: AccountCase,
) -> Result<BTreeSet<Account>, InvalidValue> {
    let owner = owner.map(|owner| one(owner, case)).transpose()?;
    Ok([from.clone()].into_iter().chain(owner).collect())
}

/// The owner in Yunxin's information about a team, whose fields have numbers as names.
fn owner<'a>(information: &JsonObject<'a>) -> Option<JsonValue<'a>> {
    information.get("5").filter(|owner| owner.string() != Some(Cow::Borrowed("")))
}

fn owner_in<'a>(object: &JsonObject<'a>) -> Option<JsonValue<'a>> {
    owner(&object.object("tinfo")?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{feed::FeedSettings, time::Timestamp};

    /// The accounts that join and leave by a notification of the account `boss`.
    fn notice(attach: &Value, is_listed: bool) -> Result<String, String> {
        let copy = json!({ "attach": attach }).to_string();
        let fields = JsonValue::parse(&copy).unwrap().object().unwrap();
        let copy = RawCopy { fields: &fields, settings: FeedSettings::default(), now: Timestamp::default() };
        let notice = Notice::parse(&copy, &"boss".parse().unwrap(), is_listed);
        let names = |accounts: &BTreeSet<Account>| {
            accounts.iter().map(Account::to_string).collect::<Vec<_>>().join("+")
        };
        let read = |notice: Notice| {
            let odd = if notice.unknown { " unknown" } else { "" };
            let dismissed = if notice.dismissed { " dismissed" } else { "" };
            format!("{}/{}{dismissed}{odd}", names(&notice.joined), names(&notice.left))
        };
        notice.map(read).map_err(|rejection| rejection.to_string())
    }

    /// The result for an attachment that is given as a string.
    fn of_text(attach: &str, is_listed: bool) -> Result<String, String> {
        notice(&json!(attach), is_listed)
    }

    #[test]
    fn every_notification_type_names_its_members() {
        for (team, super_team, unlisted, listed) in [
            (0, 401, "a+b+boss+owner/", "a+b/"),
            (1, 402, "/a+b", "/a+b"),
            (2, 403, "/boss", "/boss"),
            (3, 404, "/", "/"),
            (4, 405, "/ dismissed", "/ dismissed"),
            (5, 410, "a+b/", "a+b/"),
            (6, 406, "c/", "/"),
            (7, 407, "/", "/"),
            (8, 408, "/", "/"),
            (9, 411, "boss/", "boss/"),
            (10, 409, "/", "/"),
            (99, 499, "/ unknown", "/ unknown"),
        ] {
            for number in [team, super_team] {
                let data = json!({"ids": ["b", "a"], "id": "c", "tinfo": {"1": "7", "5": "owner"}, "uinfos": [{"1": "x"}]});
                let attach = json!({"id": number, "data": data});
                for attach in [attach.to_string().into(), attach] {
                    assert_eq!(notice(&attach, false).as_deref(), Ok(unlisted), "{number}");
                    assert_eq!(notice(&attach, true).as_deref(), Ok(listed), "{number}");
                }
            }
        }
    }

    #[test]
    fn one_account_may_stand_without_a_list_and_as_a_number() {
        assert_eq!(notice(&json!({"id": 5, "data": {"id": "a"}}), false).as_deref(), Ok("a/"));
        assert_eq!(notice(&json!({"id": 1, "data": {"ids": [7, "8"]}}), false).as_deref(), Ok("/7+8"));
        let long = r#"{"id": 6, "data": {"id": 90071992547409931}}"#;
        assert_eq!(of_text(long, false).as_deref(), Ok("90071992547409931/"));
        assert_eq!(notice(&json!({"id": 6, "data": {}}), false).as_deref(), Ok("/"), "nobody is named");
    }

    #[test]
    fn the_creator_of_a_group_is_a_member() {
        for attach in [
            json!({"5": "owner", "1": "7"}),
            json!({"tinfo": {"5": "owner"}}),
            json!({"data": {"tinfo": {"5": "owner"}}}),
        ] {
            assert_eq!(notice(&attach, false).as_deref(), Ok("boss+owner/"), "{attach}");
            assert_eq!(notice(&attach, true).as_deref(), Ok("/"), "{attach}");
        }
        let added = |owner: Value| json!({"id": 401, "data": {"ids": ["a"], "tinfo": {"5": owner}}});
        assert_eq!(notice(&added(json!(7)), false).as_deref(), Ok("7+a+boss/"));
        assert_eq!(notice(&added(json!("")), false).as_deref(), Ok("a+boss/"));
    }

    #[test]
    fn an_unknown_notification_is_an_ordinary_message() {
        for attach in [json!({}), json!([]), json!("[1]"), json!("5"), json!({"id": "0"}), json!({"id": 1.5})]
        {
            assert_eq!(notice(&attach, false).as_deref(), Ok("/ unknown"), "{attach}");
        }
        for attach in [json!(null), json!(""), json!(" ")] {
            assert_eq!(notice(&attach, false).as_deref(), Ok("/"), "{attach}");
        }
    }

    #[test]
    fn a_notification_without_its_accounts_is_rejected() {
        for attach in [
            json!({"id": 0}),
            json!({"id": 0, "data": {}}),
            json!({"id": 0, "data": []}),
            json!({"id": 1, "data": {"ids": "a"}}),
            json!({"id": 1, "data": {"ids": []}}),
            json!({"id": 1, "data": {"ids": [null]}}),
            json!({"id": 1, "data": {"ids": ["a/b"]}}),
            json!({"id": 1, "data": {"ids": ["cut \u{fffd}"]}}),
            json!({"id": 1, "data": {"ids": (0..1_001).collect::<Vec<_>>()}}),
            json!({"id": 5, "data": {"id": {}}}),
            json!({"id": 6, "data": {"id": "a\nb"}}),
            json!({"5": "a/b"}),
            json!({"id": 401, "data": {"ids": ["a"], "tinfo": {"5": []}}}),
        ] {
            let rejection = notice(&attach, false).unwrap_err();
            assert!(rejection.starts_with("attach must"), "{attach}: {rejection}");
        }
    }

    #[test]
    fn half_a_character_in_an_unread_field_is_harmless() {
        let kick = r#"{"id": 1, "data": {"ids": ["a"], "uinfos": [{"1": "a", "3": "\ud83d"}], "x": 1e999}}"#;
        assert_eq!(of_text(kick, false).as_deref(), Ok("/a"));
    }

    #[test]
    fn a_truncated_attachment_counts_up_to_its_end() {
        let kick = r#"{"data": {"ids": ["a", "b"], "uinfos": [{"1": "a"}]}, "id": 1, "x": 1}"#;
        let number_ends = kick.find(r#", "x""#).unwrap() + 1;
        for end in 0..kick.len() {
            let read = of_text(&kick[..end], false);
            match end {
                0 => assert_eq!(read.as_deref(), Ok("/"), "no attachment"),
                _ if end < number_ends => assert!(read.is_err(), "{}: {read:?}", &kick[..end]),
                _ => assert_eq!(read.as_deref(), Ok("/a+b"), "{}", &kick[..end]),
            }
        }
        let kick = r#"{"id": 12, "data": {"id": "c", "ids": ["a", "b"], "uinfos": []}}"#;
        for (number, ids_needed) in [("1", true), ("2", false), ("0", true), ("3", false)] {
            let kick = kick.replace("12", number);
            let ids_end = kick.find(r#", "uinfos""#).unwrap();
            for end in 1..kick.len() {
                let read = of_text(&kick[..end], true);
                let number_known = end > kick.find(',').unwrap();
                let ids_known = end >= ids_end;
                assert_eq!(read.is_ok(), number_known && (!ids_needed || ids_known), "{}", &kick[..end]);
                if let (true, Ok(read)) = (ids_needed, read) {
                    assert!(read.contains("a+b"), "{}: {read:?}", &kick[..end]);
                }
            }
        }
        assert_eq!(of_text(r#"{"id": 0, "data": {"ids": ["a"], "#, false).as_deref(), Ok("a+boss/"));
        assert_eq!(of_text(r#"{"id": 99, "data": {"#, false).as_deref(), Ok("/ unknown"));
        assert!(of_text(r#"{"id": 6, "data": {"tinfo""#, false).is_err(), "the new owner may come behind");
        assert_eq!(of_text(r#"{"id": 6, "data": {"tinfo""#, true).as_deref(), Ok("/"), "the list names them");
        assert!(of_text(r#"{"data": {"x": {"ids": ["a"]}, "id": 1, "#, false).is_err(), "not in its place");
        assert!(of_text("{id: 1, data: {ids: [a]}}", false).is_err(), "nearly JSON");
    }
}
