//! The message copy: the feed that Yunxin posts, one event per request.
//!
//! Field names and values are Yunxin's. A copy is signed, so it is never rejected for its content. It is applied, or it does not
//! concern sessions and is ignored, or something that it needs cannot be read and it is stored as a dead letter. Fields that are
//! not needed are not parsed, so new or malformed fields of the feed are harmless.

mod broken;
mod conversation;
mod edit;
mod members;
mod message;
mod named;
mod notification;
mod raw_copy;
mod recall;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::{
    feed::{
        FeedSettings,
        effect::{FeedEvent, NotApplied},
    },
    id::SessionType,
    json::{InvalidField, InvalidValue, JsonObject, JsonValue},
    time::Timestamp,
};

use raw_copy::RawCopy;

/// A copy as received, whose fields are not parsed yet.
#[derive(Clone, Debug)]
pub struct MessageCopy<'a>(JsonObject<'a>);

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
    pub fn event(&self, now: Timestamp, settings: FeedSettings) -> Result<FeedEvent, NotApplied> {
        let copy = RawCopy { fields: &self.0, settings, now };
        if copy.value("eventType").is_none() && copy.value("convType").is_none() {
            return Err(NotApplied::Ignored("there is neither eventType nor convType"));
        }
        match &*copy.text("eventType")? {
            "1" => Ok(message::ReceivedMessage::parse(&copy)?.into_event()),
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
