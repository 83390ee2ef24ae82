//! The mapping between stored items and the model.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use session_model::{
    GroupId, GroupItem, MessageId, SessionId, SessionItem, Timestamp,
    group::{ListDigest, ListId, MemberAt, Membership, Rank},
    id::MemberHash,
    item::{Ext, LastMsgType},
    json::JsonText,
    register::{LastMsg, Position, Register, amendments::Amendments},
};

use crate::{
    StoreError,
    codec::schema::{
        CHANGE_TIME, EXT, GROUP_ID, LAST_MSG, LAST_MSG_TYPE, LIST_DIGEST, LIST_ID, LIST_KEY, LISTED_AT,
        MEMBER_AT, MEMBER_HASHES, MEMBER_RANK, MEMBER_SINCE, MEMBERS_VERSION, MSG_ID, MSG_TIME, SESSION_ID,
        UPDATE_TIME,
    },
};

/// An item as the SDK represents it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The values of an item's attributes. An attribute of another type is malformed, and the error names it.
pub(crate) trait Attributes {
    /// A string in JSON form; may be taken out of the item.
    fn text(&mut self, name: &'static str) -> Result<Option<JsonText>, StoreError>;
    /// A string.
    fn string(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, StoreError>;
    /// A number that is not negative.
    fn number(&self, name: &'static str) -> Result<Option<u64>, StoreError>;
    /// Bytes.
    fn bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError>;
    /// A set of member hashes. Empty sets do not exist.
    fn hashes(&self, name: &'static str) -> Result<Option<BTreeSet<MemberHash>>, StoreError>;
}

impl Attributes for Item {
    fn text(&mut self, name: &'static str) -> Result<Option<JsonText>, StoreError> {
        match self.remove(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text.into())),
            Some(_) => Err(StoreError::MalformedItem(name)),
        }
    }

    fn string(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, StoreError> {
        read(self, name, |value| Some(value.as_s().ok()?.into()))
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, StoreError> {
        read(self, name, |value| value.as_n().ok()?.parse().ok())
    }

    fn bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        read(self, name, |value| Some(value.as_b().ok()?.as_ref().to_vec()))
    }

    fn hashes(&self, name: &'static str) -> Result<Option<BTreeSet<MemberHash>>, StoreError> {
        read(self, name, |value| {
            value.as_bs().ok()?.iter().map(|hash| MemberHash::try_from(hash.as_ref()).ok()).collect()
        })
    }
}

/// Reads the value of an attribute, if the attribute exists. It is malformed if `value` returns `None`.
fn read<'a, T>(
    item: &'a Item,
    name: &'static str,
    value: impl FnOnce(&'a AttributeValue) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let Some(attribute) = item.get(name) else { return Ok(None) };
    value(attribute).map(Some).ok_or(StoreError::MalformedItem(name))
}

/// A string attribute.
pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub(crate) fn n(number: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// A binary attribute.
pub(crate) fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// A set of member hashes. Empty sets do not exist.
pub(crate) fn hashes<'a>(hashes: impl IntoIterator<Item = &'a MemberHash>) -> AttributeValue {
    AttributeValue::Bs(hashes.into_iter().map(Blob::new).collect())
}

/// The session that an item belongs to.
pub(crate) fn session_id(item: &impl Attributes) -> Result<SessionId, StoreError> {
    let text = item.string(SESSION_ID)?;
    text.and_then(|text| text.parse().ok()).ok_or(StoreError::MalformedItem(SESSION_ID))
}

/// Reads a session item without its amendments. When it is read to be shown, `lastMsg` contains what they show.
pub(crate) fn session_item(item: &mut impl Attributes) -> Result<SessionItem, StoreError> {
    let update_time = time(item, UPDATE_TIME)?;
    let position = position(item)?;
    let last_msg = last_msg(item, update_time)?;
    let ext = Ext::stored(item.string(EXT)?.unwrap_or_default());
    let placeholder = update_time.filter(|_| last_msg.is_none());
    let register = match (position, last_msg) {
        (Some(position), last_msg) => Some(Register { position, last_msg }),
        (None, None) => None,
        (None, Some(_)) => return Err(StoreError::MalformedItem(MSG_TIME)),
    };
    let change_time = time(item, CHANGE_TIME)?;
    Ok(SessionItem {
        register,
        change_time,
        placeholder,
        ext,
        membership: membership(item)?,
        ..SessionItem::default()
    })
}

fn membership(item: &impl Attributes) -> Result<Option<Membership>, StoreError> {
    let since = time(item, MEMBER_SINCE)?;
    match (time(item, MEMBER_AT)?, item.number(MEMBER_RANK)?.map(Rank::from_number)) {
        (Some(time), Some(Some(rank))) => Ok(Some(Membership { at: MemberAt { time, rank }, since })),
        (None, None) if since.is_none() => Ok(None),
        _ => Err(StoreError::MalformedItem(MEMBER_AT)),
    }
}

/// The group that an item of `Groups` belongs to.
pub(crate) fn group_id(item: &impl Attributes) -> Result<GroupId, StoreError> {
    let text = item.string(GROUP_ID)?;
    text.and_then(|text| text.parse().ok()).ok_or(StoreError::MalformedItem(GROUP_ID))
}

/// Reads a group item without its amendments.
pub(crate) fn group_item(item: &mut impl Attributes) -> Result<GroupItem, StoreError> {
    let update_time = time(item, UPDATE_TIME)?;
    let register = match (position(item)?, last_msg(item, update_time)?) {
        (Some(position), Some(last_msg)) => Some(Register { position, last_msg: Some(last_msg) }),
        (None, None) => None,
        _ => return Err(StoreError::MalformedItem(MSG_TIME)),
    };
    Ok(GroupItem {
        register,
        amendments: Amendments::default(),
        change_time: time(item, CHANGE_TIME)?,
        listed_at: time(item, LISTED_AT)?,
        list_id: item.string(LIST_ID)?.map(ListId::from_stored),
        list_digest: digest(item, LIST_DIGEST)?,
        list_key: digest(item, LIST_KEY)?,
        member_hashes: item.hashes(MEMBER_HASHES)?.unwrap_or_default(),
        members_version: item.number(MEMBERS_VERSION)?.unwrap_or_default(),
    })
}

fn digest(item: &impl Attributes, name: &'static str) -> Result<Option<ListDigest>, StoreError> {
    let Some(bytes) = item.bytes(name)? else { return Ok(None) };
    ListDigest::try_from(&*bytes).map(Some).map_err(|_| StoreError::MalformedItem(name))
}

fn position(item: &impl Attributes) -> Result<Option<Position>, StoreError> {
    match (time(item, MSG_TIME)?, item.string(MSG_ID)?) {
        (Some(time), Some(id)) => Ok(Some(Position { time, id: MessageId::from_canonical(id) })),
        (None, None) => Ok(None),
        _ => Err(StoreError::MalformedItem(MSG_ID)),
    }
}

fn last_msg(
    item: &mut impl Attributes,
    update_time: Option<Timestamp>,
) -> Result<Option<LastMsg>, StoreError> {
    let last_msg_type = item.number(LAST_MSG_TYPE)?.map(LastMsgType::from_number);
    match (last_msg_type, item.text(LAST_MSG)?, update_time) {
        (None, None, _) => Ok(None),
        (Some(Some(LastMsgType::Message)), Some(text), Some(_)) => Ok(Some(LastMsg::Message(text))),
        (Some(Some(LastMsgType::Recall)), Some(notice), Some(at)) => Ok(Some(LastMsg::Recall { at, notice })),
        _ => Err(StoreError::MalformedItem(LAST_MSG_TYPE)),
    }
}

fn time(item: &impl Attributes, name: &'static str) -> Result<Option<Timestamp>, StoreError> {
    Ok(item.number(name)?.map(Timestamp::from_millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, AttributeValue)]) -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn message() -> Vec<(&'static str, AttributeValue)> {
        vec![
            (UPDATE_TIME, n(7u64)),
            (MSG_TIME, n(7u64)),
            (MSG_ID, s("~m")),
            (LAST_MSG, s("{}")),
            (LAST_MSG_TYPE, n(0u64)),
        ]
    }

    #[test]
    fn every_state_of_a_session_item_is_read() {
        let position = Position { time: Timestamp::from_millis(7), id: "m".into() };
        let held = |last_msg| Some(Register { position: position.clone(), last_msg });
        let at = Timestamp::from_millis(9);
        let recall = [
            (UPDATE_TIME, n(9u64)),
            (MSG_TIME, n(7u64)),
            (MSG_ID, s("~m")),
            (LAST_MSG, s("{}")),
            (LAST_MSG_TYPE, n(1u64)),
        ];
        for (attributes, expected) in [
            (&[][..], SessionItem::default()),
            (
                &message(),
                SessionItem { register: held(Some(LastMsg::Message("{}".into()))), ..SessionItem::default() },
            ),
            (
                &recall,
                SessionItem {
                    register: held(Some(LastMsg::Recall { at, notice: "{}".into() })),
                    ..SessionItem::default()
                },
            ),
            (
                &[(MSG_TIME, n(7u64)), (MSG_ID, s("~m"))],
                SessionItem { register: held(None), ..SessionItem::default() },
            ),
            (
                &[(MSG_TIME, n(7u64)), (MSG_ID, s("~m")), (UPDATE_TIME, n(9u64)), (EXT, s("e"))],
                SessionItem {
                    register: held(None),
                    placeholder: Some(at),
                    ext: "e".parse().unwrap(),
                    ..SessionItem::default()
                },
            ),
            (
                &[(UPDATE_TIME, n(9u64)), (EXT, s(""))],
                SessionItem { placeholder: Some(at), ..SessionItem::default() },
            ),
        ] {
            assert_eq!(session_item(&mut item(attributes)), Ok(expected), "{attributes:?}");
        }
    }

    #[test]
    fn a_string_longer_than_today_s_limit_is_read() {
        let long = "x".repeat(Ext::MAX_CHARS + 1);
        let session_item = session_item(&mut item(&[(UPDATE_TIME, n(7u64)), (EXT, s(&*long))])).unwrap();
        assert_eq!(session_item.ext.text(), Some(&*long));
    }

    #[test]
    fn an_unknown_value_is_rejected_with_its_attribute() {
        let with = |name: &'static str, value: AttributeValue| {
            let mut item = item(&message());
            item.insert(name.to_owned(), value);
            session_item(&mut item)
        };
        for (name, value) in [
            (UPDATE_TIME, s("7")),
            (UPDATE_TIME, AttributeValue::N("-7".into())),
            (MSG_TIME, s("7")),
            (MSG_ID, n(1u64)),
            (LAST_MSG, n(1u64)),
            (LAST_MSG_TYPE, n(2u64)),
            (EXT, n(1u64)),
        ] {
            assert_eq!(with(name, value.clone()), Err(StoreError::MalformedItem(name)), "{value:?}");
        }
        for (absent, named) in [
            (UPDATE_TIME, LAST_MSG_TYPE),
            (MSG_TIME, MSG_ID),
            (MSG_ID, MSG_ID),
            (LAST_MSG, LAST_MSG_TYPE),
            (LAST_MSG_TYPE, LAST_MSG_TYPE),
        ] {
            let mut item = item(&message());
            item.remove(absent);
            assert_eq!(session_item(&mut item), Err(StoreError::MalformedItem(named)), "without {absent}");
        }
        assert_eq!(session_id(&item(&[(SESSION_ID, s("bare"))])), Err(StoreError::MalformedItem(SESSION_ID)));
    }
}
