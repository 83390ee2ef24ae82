//! Message copies in Yunxin's format.

use std::sync::LazyLock;

use serde_json::{Value, json};
use session_model::{
    Timestamp,
    feed::{FeedEvent, FeedSettings, MessageCopy},
};

use crate::test::User;

/// The time that the scenarios' times are relative to.
pub const T0: u64 = 1_700_000_000_000;

/// Moves the times of a message copy from 2023 to now, because a message copy in the window costs less than a late one. All message
/// copies of a run are moved by the same amount, to 4 minutes after the first use of this function. That is as far ahead as clocks
/// may differ, and such times stay in the window for 8 minutes.
pub fn on_time(mut copy: Value) -> Value {
    static LATER: LazyLock<u64> =
        LazyLock::new(|| session_local::emulator::clock::now_ms() - T0 + 4 * 60_000);
    for name in ["msgTimestamp", "sendTime", "deleteTime", "modifyTime"] {
        let time = match &copy[name] {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        if let Some(time) = time {
            copy[name] = (time + *LATER).to_string().into();
        }
    }
    copy
}

/// The current time.
pub fn now() -> Timestamp {
    Timestamp::from_millis(session_local::emulator::clock::now_ms())
}

/// Returns what the model reads from a message copy.
pub fn event_of(copy: &Value) -> FeedEvent {
    let text = copy.to_string();
    let read = MessageCopy::parse(&text).expect("a copy");
    read.event(now(), FeedSettings::default()).expect("an event of sessions")
}

/// A text message from one user to another, sent `at` ms after [`T0`]. Its server id is `m<at>`.
pub fn message(from: &User, to: &User, at: u64) -> Value {
    json!({
        "eventType": "1",
        "convType": "PERSON",
        "fromAccount": from.account,
        "to": to.account,
        "msgTimestamp": (T0 + at).to_string(),
        "msgType": "TEXT",
        "msgidClient": format!("c{at}"),
        "msgidServer": format!("m{at}"),
        "fromClientType": "IOS",
        "body": format!("text {at}"),
    })
}

/// The recall, `deleted` ms after [`T0`], of the message sent `at`.
pub fn recall(from: &User, to: &User, at: u64, deleted: u64) -> Value {
    json!({
        "eventType": "7",
        "from": from.account,
        "to": to.account,
        "msgId": format!("m{at}"),
        "clientId": format!("c{at}"),
        "sendTime": (T0 + at).to_string(),
        "deleteTime": (T0 + deleted).to_string(),
        "fromClientType": "IOS",
        "selfMsg": "1",
    })
}

/// The edit, `edited` ms after [`T0`], of the message sent `at`.
pub fn edit(from: &User, to: &User, at: u64, edited: u64, text: &str) -> Value {
    json!({
        "eventType": "89",
        "from": from.account,
        "to": to.account,
        "msgId": format!("m{at}"),
        "clientId": format!("c{at}"),
        "modifyAccountId": from.account,
        "modifyTime": T0 + edited,
        "text": text,
    })
}

/// The edit of a text message in a group.
pub fn group_edit(from: &User, group: &str, at: u64, edited: u64, text: &str) -> Value {
    let event_type = if group.starts_with("team|") { "90" } else { "91" };
    let edit = with(edit(from, from, at, edited, text), "eventType", event_type);
    with(edit, "to", tid(group))
}

/// A text message in a group, `team|…` or `super_team|…`.
pub fn group_message(from: &User, group: &str, at: u64) -> Value {
    in_group(message(from, from, at), group)
}

/// The recall of a text message in a group.
pub fn group_recall(from: &User, group: &str, at: u64, deleted: u64) -> Value {
    let event_type = if group.starts_with("team|") { "8" } else { "25" };
    let recall = with(recall(from, from, at, deleted), "eventType", event_type);
    with(recall, "to", tid(group))
}

/// A notification in a group, with its number and the users that it names.
pub fn notification(from: &User, group: &str, at: u64, id: u64, named: &[&User]) -> Value {
    let accounts: Vec<_> = named.iter().map(|user| user.account.clone()).collect();
    let attach = json!({"id": id, "data": {"ids": accounts, "tinfo": {"1": "x"}}}).to_string();
    let copy = with(group_message(from, group, at), "msgType", "NOTIFICATION");
    without(with(copy, "attach", attach), "body")
}

/// Adds the team's member list to a message copy, in Yunxin's format.
pub fn listing(copy: Value, members: &[&User]) -> Value {
    let accounts: Vec<_> = members.iter().map(|user| user.account.as_str()).collect();
    with(copy, "tMembers", format!("[{}]", accounts.join(", ")))
}

fn in_group(copy: Value, group: &str) -> Value {
    let conv_type = if group.starts_with("team|") { "TEAM" } else { "SUPER_TEAM" };
    with(with(copy, "convType", conv_type), "to", tid(group))
}

fn tid(group: &str) -> &str {
    group.split_once('|').expect("a group id").1
}

/// Sets one field of a message copy.
pub fn with(mut copy: Value, field: &str, value: impl Into<Value>) -> Value {
    copy[field] = value.into();
    copy
}

/// Removes one field of a message copy.
pub fn without(mut copy: Value, field: &str) -> Value {
    copy.as_object_mut().expect("an object").remove(field);
    copy
}

/// The message that [`message`] creates, as the session shows it.
pub fn shown_message(from: &User, at: u64) -> Value {
    json!({
        "from": from.account,
        "time": T0 + at,
        "type": 0,
        "body": format!("text {at}"),
        "fromClientType": "IOS",
        "msgIdClient": format!("c{at}"),
        "msgIdServer": format!("m{at}"),
    })
}

/// The notice that [`recall`] leaves, as the session shows it.
pub fn shown_recall(from: &User, at: u64, deleted: u64) -> Value {
    json!({
        "from": from.account,
        "time": T0 + deleted,
        "deleteMsgIdClient": format!("c{at}"),
        "deleteMsgIdServer": format!("m{at}"),
        "deleteMsgCreateTime": T0 + at,
        "postscript": "1",
    })
}
