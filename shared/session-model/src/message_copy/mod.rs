//! The message copy: the feed that Yunxin posts, one event a call.
//!
//! Field names and values are Yunxin's. What a copy says is parsed as far as this service needs it; the rest is left
//! unread, so new fields of the feed do no harm.

mod members;
mod message;
mod notification;
mod recall;

pub use message::{GroupMessage, Message};
pub use notification::MemberChange;
pub use recall::Recall;

use crate::{
    Account, Fields, GroupId, InvalidField, InvalidValue, Position, SessionId, SessionType, Timestamp,
};

/// One event of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `eventType` 1: a message of a session.
    Message(Message),
    /// `eventType` 7, 8, 25: a message was recalled.
    Recall(Recall),
    /// Anything else the feed sends: logins, calls, chat rooms, system notifications, and what Yunxin adds one day.
    NotOurs,
}

impl Event {
    /// Parses a message copy that arrived at `now`.
    pub fn parse(fields: &Fields, now: Timestamp) -> Result<Self, InvalidField> {
        match fields.scalar("eventType")?.as_str() {
            "" => Err(InvalidValue::new("must not be empty").of("eventType")),
            "1" => Ok(Message::parse(fields, now)?.map_or(Self::NotOurs, Self::Message)),
            "7" => Ok(Self::Recall(Recall::parse(fields, SessionType::P2p, now)?)),
            "8" => Ok(Self::Recall(Recall::parse(fields, SessionType::Team, now)?)),
            "25" => Ok(Self::Recall(Recall::parse(fields, SessionType::SuperTeam, now)?)),
            _ => Ok(Self::NotOurs),
        }
    }
}

/// Where a message was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// To an account; the sender stands beside it.
    P2p {
        /// Who said it.
        from: Account,
        /// To whom.
        to: Account,
    },
    /// In a team or super team.
    Group(GroupId),
}

impl Conversation {
    fn parse(fields: &Fields, session_type: SessionType, from: &Account) -> Result<Self, InvalidField> {
        if session_type == SessionType::P2p {
            return Ok(Self::P2p { from: from.clone(), to: fields.parsed("to")? });
        }
        let text = format!("{}|{}", session_type.as_str(), fields.text("to")?);
        Ok(Self::Group(text.parse().map_err(|reason: InvalidValue| reason.of("to"))?))
    }
}

/// The rows of a p2p conversation: each side's own, one when somebody writes to himself.
fn sides(from: &Account, to: &Account) -> Vec<(Account, SessionId)> {
    let mut sides = vec![(from.clone(), SessionId::p2p(to))];
    if from != to {
        sides.push((to.clone(), SessionId::p2p(from)));
    }
    sides
}

/// A message's position, from the fields that hold its time and its server id.
fn position(
    fields: &Fields,
    time_name: &'static str,
    id_name: &'static str,
    now: Timestamp,
) -> Result<Position, InvalidField> {
    Ok(Position { time: fields.time(time_name, now)?, id: fields.non_empty_text(id_name)?.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::LastMsg;

    const NOW: u64 = 1_700_000_000_000;

    fn parse(copy: &Value) -> Result<Event, InvalidField> {
        Event::parse(&Fields::parse(copy.to_string().as_bytes())?, Timestamp::from_millis(NOW))
    }

    fn message() -> Value {
        json!({
            "eventType": "1", "convType": "PERSON", "fromAccount": "alice", "to": "bob", "msgTimestamp": "1699999999000",
            "msgType": "TEXT", "msgidClient": "c-1", "msgidServer": "s-1", "body": "hello", "fromClientType": "IOS",
            "fromNick": "Alice", "ip": "203.0.113.7", "resendFlag": "0",
        })
    }

    fn recall(event_type: &str) -> Value {
        json!({
            "eventType": event_type, "from": "alice", "to": "bob", "msgId": "s-1", "clientId": "c-1",
            "sendTime": "1699999999000", "deleteTime": "1699999999500", "fromClientType": "IOS", "selfMsg": "1",
        })
    }

    fn with(mut copy: Value, name: &str, value: Value) -> Value {
        copy[name] = value;
        copy
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_message_becomes_the_last_message_of_both_sides() {
        let Event::Message(message) = parse(&message()).unwrap() else { panic!("not a message") };
        let entry = message.entry();
        assert_eq!(
            entry.position,
            Position { time: Timestamp::from_millis(1_699_999_999_000), id: "s-1".into() }
        );
        let LastMsg::Message(text) = entry.last_msg else { panic!("not a message") };
        assert_eq!(
            json(&text.plain()),
            json!({"from": "alice", "time": 1_699_999_999_000_u64, "type": 0, "body": "hello", "fromClientType": "IOS",
                   "msgIdClient": "c-1", "msgIdServer": "s-1"})
        );
        let texts: Vec<_> = message.p2p_sides().iter().map(|(user, id)| format!("{user} {id}")).collect();
        assert_eq!(texts, ["alice p2p|bob", "bob p2p|alice"]);
    }

    #[test]
    fn a_blocked_message_is_its_sender_s_alone_and_one_to_oneself_is_one_row() {
        let sides = |copy: &Value| match parse(copy).unwrap() {
            Event::Message(message) => {
                message.p2p_sides().iter().map(|(user, id)| format!("{user} {id}")).collect()
            }
            other => panic!("{other:?}"),
        };
        let blocked: Vec<String> = sides(&with(message(), "blacklist", json!("1")));
        assert_eq!(blocked, ["alice p2p|bob"]);
        assert_eq!(sides(&with(message(), "to", json!("alice"))), ["alice p2p|alice"]);
    }

    #[test]
    fn every_message_type_has_its_number_and_an_unknown_one_none() {
        let types = [
            ("TEXT", json!(0)),
            ("PICTURE", json!(1)),
            ("AUDIO", json!(2)),
            ("VIDEO", json!(3)),
            ("LOCATION", json!(4)),
            ("NOTIFICATION", json!(5)),
            ("FILE", json!(6)),
            ("TIPS", json!(10)),
            ("NRTC_NETCALL", json!(12)),
            ("CUSTOM", json!(100)),
            ("HOLOGRAM", Value::Null),
        ];
        for (name, number) in types {
            let Event::Message(message) = parse(&with(message(), "msgType", json!(name))).unwrap() else {
                panic!()
            };
            let LastMsg::Message(text) = message.entry().last_msg else { panic!() };
            assert_eq!(json(&text.plain())["type"], number, "{name}");
        }
    }

    #[test]
    fn a_recall_leaves_a_notice_without_content() {
        let Event::Recall(recall) = parse(&recall("7")).unwrap() else { panic!("not a recall") };
        let entry = recall.entry();
        assert_eq!(
            entry.position,
            Position { time: Timestamp::from_millis(1_699_999_999_000), id: "s-1".into() }
        );
        let LastMsg::Recall { at, notice } = entry.last_msg else { panic!("not a recall") };
        assert_eq!(at, Timestamp::from_millis(1_699_999_999_500));
        assert_eq!(
            json(&notice.plain()),
            json!({"from": "alice", "time": 1_699_999_999_500_u64, "deleteMsgIdClient": "c-1",
                   "deleteMsgIdServer": "s-1", "deleteMsgCreateTime": 1_699_999_999_000_u64})
        );
        assert_eq!(recall.p2p_sides().len(), 2);
    }

    #[test]
    fn every_conversation_and_event_type_is_told_apart() {
        let conversation = |copy: &Value| match parse(copy).unwrap() {
            Event::Message(Message { conversation, .. }) | Event::Recall(Recall { conversation, .. }) => {
                match conversation {
                    Conversation::P2p { from, to } => format!("{from} to {to}"),
                    Conversation::Group(id) => id.to_string(),
                }
            }
            Event::NotOurs => "not ours".into(),
        };
        let conv_type = |name: &str| conversation(&with(message(), "convType", json!(name)));
        assert_eq!(conv_type("PERSON"), "alice to bob");
        assert_eq!(conv_type("TEAM"), "team|bob");
        assert_eq!(conv_type("SUPER_TEAM"), "super_team|bob");
        assert_eq!(conv_type("CUSTOM_PERSON"), "not ours");
        assert_eq!(conv_type("CUSTOM_TEAM"), "not ours");
        assert_eq!(conversation(&recall("7")), "alice to bob");
        assert_eq!(conversation(&recall("8")), "team|bob");
        assert_eq!(conversation(&recall("25")), "super_team|bob");
        for event_type in ["2", "3", "4", "5", "6", "9", "14", "99", "login"] {
            assert_eq!(conversation(&json!({"eventType": event_type})), "not ours");
        }
    }

    #[test]
    fn the_list_of_a_team_is_effective_after_its_notification() {
        let listed = |id: u64, members: &str| {
            let attach = json!({"id": id, "data": {"ids": ["b", "c"]}}).to_string();
            let copy = with(with(message(), "convType", json!("TEAM")), "msgType", json!("NOTIFICATION"));
            let copy = with(with(copy, "attach", json!(attach)), "tMembers", json!(members));
            let Event::Message(message) = parse(&copy).unwrap() else { panic!("not a message") };
            let names = |accounts: Vec<&Account>| {
                accounts.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("")
            };
            let message = message.in_group().unwrap();
            let mut list: Vec<_> = message.list.as_ref().unwrap().members().values().collect();
            list.sort();
            (names(list), names(message.left.iter().collect()))
        };
        for (case, id, members, list, left) in [
            ("pulled in", 0, "[a]", "abc", ""),
            ("kicked", 1, "[a, b, c]", "a", "bc"),
            ("left", 2, "[alice, b]", "b", "alice"),
            ("dismissed", 4, "[a, b]", "", "ab"),
            ("renamed", 3, "[a, b]", "ab", ""),
        ] {
            assert_eq!(listed(id, members), (list.to_owned(), left.to_owned()), "{case}");
        }
    }

    #[test]
    fn a_refusal_names_the_field() {
        let day_ahead = (NOW + 24 * 60 * 60 * 1000 + 1).to_string();
        let too_long = "x".repeat(256);
        for (field, value) in [
            ("eventType", Value::Null),
            ("eventType", json!("")),
            ("eventType", json!(true)),
            ("convType", Value::Null),
            ("convType", json!("")),
            ("convType", json!("CHATROOM")),
            ("fromAccount", Value::Null),
            ("fromAccount", json!("")),
            ("fromAccount", json!("a/b")),
            ("fromAccount", json!("a\nb")),
            ("fromAccount", json!(too_long)),
            ("fromAccount", json!(5)),
            ("to", Value::Null),
            ("to", json!("")),
            ("msgTimestamp", Value::Null),
            ("msgTimestamp", json!("")),
            ("msgTimestamp", json!("-1")),
            ("msgTimestamp", json!("soon")),
            ("msgTimestamp", json!("946684799999")),
            ("msgTimestamp", json!(day_ahead)),
            ("msgType", Value::Null),
            ("msgidClient", Value::Null),
            ("msgidServer", Value::Null),
            ("msgidServer", json!("")),
            ("msgidServer", json!([])),
            ("body", json!({})),
            ("attach", json!(1)),
            ("ext", json!([])),
            ("tMembers", json!("[")),
        ] {
            let refused = parse(&with(message(), field, value.clone())).unwrap_err();
            assert_eq!(refused.field, field, "{value}: {refused}");
        }
        for (field, value) in [
            ("from", Value::Null),
            ("to", json!("")),
            ("msgId", Value::Null),
            ("msgId", json!("")),
            ("sendTime", json!("0")),
            ("deleteTime", json!(day_ahead)),
            ("clientId", json!(7)),
        ] {
            let refused = parse(&with(recall("7"), field, value.clone())).unwrap_err();
            assert_eq!(refused.field, field, "{value}: {refused}");
        }
        assert_eq!(
            parse(&with(with(message(), "convType", json!("TEAM")), "to", json!("a|b"))).unwrap_err().field,
            "to"
        );
    }
}
