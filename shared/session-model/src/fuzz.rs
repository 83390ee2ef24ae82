//! Fuzz targets for everything that this crate parses: nothing panics, and what is parsed is valid. `cargo test` runs a small
//! corpus; tests/fuzz searches for more inputs.

use std::str::from_utf8;

use serde_json::{Value, json};

use super::time::Timestamp;
use crate::{
    feed::{Effect, FeedSettings, MessageCopy},
    id::{Account, AccountCase, GroupId, SessionId},
    item::Version,
    json::Fields,
    reading::{Cursor, Flag, Limit, ListQuery, UnverifiedToken},
    register::{
        LastMsgBytes,
        amendments::{Amendment, Amendments},
    },
};

/// A fuzz target: its name, and the function that reads the input.
pub type Target = (&'static str, fn(&[u8]));

/// All fuzz targets of this crate.
pub const TARGETS: &[Target] = &[
    ("copy", copy),
    ("notice", notice),
    ("members", members),
    ("amendments", amendments),
    ("cursor", cursor),
    ("sync-token", sync_token),
    ("list-query", list_query),
    ("ids", ids),
    ("version", version),
];

/// When copies arrive: a time in 2026.
const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

/// Checks that what is read of a message copy is fit to be stored.
fn read_copy(copy: &str) {
    let Ok(copy) = MessageCopy::parse(copy) else { return };
    let _ = copy.server_id();
    for account_case in [AccountCase::Keep, AccountCase::Lower] {
        let settings = FeedSettings { account_case, ..FeedSettings::default() };
        let Ok(event) = copy.event(NOW, settings) else { continue };
        let (text, time) = match event.effect {
            Effect::P2p { message, session_items } => {
                assert!((1..=2).contains(&session_items.len()));
                (message.text, message.position.time)
            }
            Effect::Group { event, .. } => match event.message {
                Some(message) => (message.text, message.position.time),
                None => continue,
            },
            Effect::AmendP2p { amendment, .. } | Effect::AmendGroup { amendment, .. } => match amendment {
                Amendment::Recall(recall) => (recall.notice.text(), recall.at),
                Amendment::Edit(_) => continue,
            },
        };
        assert!(text.plain().len() <= LastMsgBytes::default().most_stored());
        assert!(serde_json::from_str::<Value>(&text.plain()).is_ok_and(|value| value.is_object()));
        assert!(time <= NOW.later_by(24 * 60 * 60 * 1_000), "{time}");
    }
}

fn copy(input: &[u8]) {
    if let Ok(text) = from_utf8(input) {
        read_copy(text);
    }
}

fn notice(input: &[u8]) {
    let Ok(attach) = from_utf8(input) else { return };
    for conv_type in ["TEAM", "SUPER_TEAM"] {
        let copy = json!({
            "eventType": "1", "convType": conv_type, "msgType": "NOTIFICATION", "fromAccount": "a", "to": "1",
            "msgTimestamp": "1779999999999", "msgidServer": "7", "attach": attach, "tMembers": attach,
        });
        read_copy(&copy.to_string());
    }
}

fn members(input: &[u8]) {
    let Ok(fields) = Fields::parse(input) else { return };
    let _ = fields.reject_unknown_fields(&["groupId", "time", "add", "remove", "members"]);
    let _ = fields.read("groupId", |text| AccountCase::Lower.group_id(text));
    let _ = fields.time("time", NOW);
    for name in ["add", "remove", "members"] {
        let accounts = fields.distinct(name, "accounts", |text| AccountCase::Lower.account(text));
        assert!(accounts.is_err() || fields.texts(name).is_ok());
    }
}

fn amendments(input: &[u8]) {
    let Some(amendments) = from_utf8(input).ok().and_then(|text| Amendments::from_stored(text).ok()) else {
        return;
    };
    let stored = amendments.to_stored();
    assert_eq!(
        stored.map_or(Ok(Amendments::default()), |stored| Amendments::from_stored(&stored)),
        Ok(amendments)
    );
}

fn cursor(input: &[u8]) {
    // Tries the input as it is, and as what a base64 text decodes to.
    let plain = base64_simd::URL_SAFE_NO_PAD.encode_to_string(input);
    for text in from_utf8(input).into_iter().chain([&*plain]) {
        let Ok(cursor) = text.parse::<Cursor>() else { continue };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}

fn sync_token(input: &[u8]) {
    let Ok(account) = "alice".parse::<Account>() else { return };
    let plain = base64_simd::URL_SAFE_NO_PAD.encode_to_string(input);
    for text in from_utf8(input).into_iter().chain([&*plain]) {
        let Ok(token) = text.parse::<UnverifiedToken>() else { continue };
        let _ = token.sync_pass(&account, 0, NOW);
    }
}

fn list_query(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    let mut values = text.split('&');
    let mut next = || values.next().filter(|value| !value.is_empty());
    let (min, max) = (next().map(str::parse::<Timestamp>), next().map(str::parse::<Timestamp>));
    let (limit, flag) = (next().map(str::parse::<Limit>), next().map(str::parse::<Flag>));
    let cursor = next().and_then(|text| text.parse::<Cursor>().ok());
    let (Ok(min), Ok(max)) = (min.transpose(), max.transpose()) else { return };
    let (Ok(limit), Ok(flag)) = (limit.transpose(), flag.transpose()) else { return };
    let need_last_msg = flag.unwrap_or(Flag::YES).is_set();
    let Ok(query) = ListQuery::new(min, max, cursor, limit.unwrap_or(Limit::MAX), need_last_msg) else {
        return;
    };
    assert!((1..=100).contains(&query.limit().get()));
    assert!(query.range().min() <= query.range().max(), "{query:?}");
}

fn ids(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    if let Ok(id) = text.parse::<SessionId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(group) = text.parse::<GroupId>() {
        assert_eq!(group.as_str(), text);
    }
    let lower = AccountCase::Lower.account(text);
    assert_eq!(lower.is_ok(), text.parse::<Account>().is_ok());
}

fn version(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    if let Ok(version) = text.parse::<Version>() {
        assert_eq!(version.to_string(), text);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_holds() {
        fuzz_corpus::run(super::TARGETS);
    }
}
