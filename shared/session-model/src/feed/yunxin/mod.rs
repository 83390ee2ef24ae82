//! The message copy: the feed that Yunxin posts, one event per request.
//!
//! Field names and values are Yunxin's. A copy is signed, so it is never rejected for its content. It is applied, or it does not
//! concern sessions and is ignored, or something that it needs cannot be read and it is stored as a dead letter. Fields that are
//! not needed are not parsed, so new or malformed fields of the feed are harmless.

mod broken;
mod edit;
mod members;
mod message;
mod notification;
mod raw_copy;
mod recall;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::{
    group::MembershipEvent,
    id::{Account, AccountCase, GroupId, SessionId, SessionType},
    json::{InvalidField, InvalidValue, JsonObject, JsonValue},
    register::{Entry, edits::Edit},
    time::Timestamp,
};

use raw_copy::RawCopy;

/// A copy as received, whose fields are not parsed yet.
#[derive(Clone, Debug)]
pub struct MessageCopy<'a>(JsonObject<'a>);

/// One event of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// What the event does.
    pub effect: Effect,
    /// The latest of the event's times.
    pub latest: Timestamp,
    /// Whether it is a notification of a kind that is not known (yet), which is processed like any other message.
    pub unknown_notice: bool,
}

/// What an event does to sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// An entry is merged into session items of users.
    P2p {
        /// The session items, as their users and session ids.
        session_items: Vec<(Account, SessionId)>,
        /// The entry.
        entry: Entry,
    },
    /// Something happens in a group.
    Group {
        /// The group.
        group: GroupId,
        /// The event in the group.
        event: MembershipEvent,
    },
    /// A message between two users was edited.
    EditP2p {
        /// The session items that show the message, as their users and session ids.
        session_items: Vec<(Account, SessionId)>,
        /// The edit.
        edit: Edit,
    },
    /// A message in a group was edited.
    EditGroup {
        /// The group.
        group: GroupId,
        /// The edit.
        edit: Edit,
    },
}

/// The reason why a signed copy is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// It does not concern sessions: logins, calls, chat rooms, system notifications, and what Yunxin may add in the future.
    Ignored(&'static str),
    /// Something that it needs is missing or cannot be read.
    Unreadable(InvalidField),
}

impl From<InvalidField> for NotApplied {
    fn from(rejection: InvalidField) -> Self {
        Self::Unreadable(rejection)
    }
}

impl<'a> MessageCopy<'a> {
    /// Parses a body as far as the names of its fields. A byte order mark in front of it is ignored.
    pub fn parse(body: &'a str) -> Result<Self, InvalidField> {
        let object = JsonValue::parse(body.trim_start_matches('\u{feff}')).and_then(JsonValue::object);
        object.map(Self).ok_or_else(|| InvalidValue::new("must be a JSON object").of("body"))
    }

    /// The server id of the message that the copy is about, if it is readable.
    #[must_use]
    pub fn server_id(&self) -> Option<Cow<'a, str>> {
        let id = self.0.get("msgidServer").or_else(|| self.0.get("msgId"))?.text()?;
        raw_copy::whole_id(id).ok()
    }

    /// Parses the event of a copy that arrived at `now`.
    pub fn event(&self, now: Timestamp, case: AccountCase) -> Result<FeedEvent, NotApplied> {
        let copy = RawCopy { fields: &self.0, case, now };
        if copy.value("eventType").is_none() && copy.value("convType").is_none() {
            return Err(NotApplied::Ignored("there is neither eventType nor convType"));
        }
        match &*copy.text("eventType")? {
            "1" => Ok(message::Message::parse(&copy)?.into_event()),
            "7" => recall::parse(&copy, SessionType::P2p),
            "8" => recall::parse(&copy, SessionType::Team),
            "25" => recall::parse(&copy, SessionType::SuperTeam),
            "89" => edit::parse(&copy, SessionType::P2p),
            "90" => edit::parse(&copy, SessionType::Team),
            "91" => edit::parse(&copy, SessionType::SuperTeam),
            _ => Err(NotApplied::Ignored("eventType is none of 1, 7, 8, 25, 89, 90, 91")),
        }
    }
}

/// The conversation in which a message was sent.
enum Conversation {
    /// From one account to another.
    P2p { from: Account, to: Account },
    /// In a team or super team.
    Group(GroupId),
}

/// The session items of the sender and, if they receive it, of the receiver. There is only one if a user writes to themselves.
fn session_items(from: &Account, to: &Account, is_received: bool) -> Vec<(Account, SessionId)> {
    let mut session_items = vec![(from.clone(), SessionId::p2p(to))];
    if is_received && from != to {
        session_items.push((to.clone(), SessionId::p2p(from)));
    }
    session_items
}

impl Conversation {
    fn parse(copy: &RawCopy<'_>, session_type: SessionType, from: &Account) -> Result<Self, InvalidField> {
        // This also rejects a group's id that contains U+FFFD.
        let to = copy.account("to")?;
        if session_type == SessionType::P2p {
            return Ok(Self::P2p { from: from.clone(), to });
        }
        let id = format!("{}|{to}", session_type.as_str());
        id.parse().map(Self::Group).map_err(|reason: InvalidValue| reason.of("to"))
    }
}
