//! The merge rule: what a session item or group item shows after events that arrive late, twice and out of order.
//!
//! An item shows **the newest message that came to it, amended by what is known of that message**: its recall if there is one, else
//! its edits.
//!
//! The newest message is in a [`Register`]: one position of the message order, and the content at that position. A message replaces
//! what is held if its [`Position`] is greater. Recalls and edits name their message by its id alone, and never move a register;
//! [`amendments`] has their laws. A user who deletes a session leaves a tombstone at the held position.
//!
//! What is shown is a function of the set of events, so they may arrive in any order and any number of times. No wall clock takes
//! part.
//!
//! Two registers can describe one session: a user's own item of a group, and the group item. The greater one is shown. The order is
//! by position, then by kind: message < recall < tombstone. Of two recalls of one message, the one with the greater time wins, then
//! the one with the greater notice.

pub mod amendments;
pub(crate) mod last_msg;
pub(crate) mod limits;

pub use limits::LastMsgBytes;

use std::borrow::Cow;

use crate::{id::MessageId, json::JsonText, time::Timestamp};

/// A message's position in the order of a session: by time, and at equal times by server id in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When the message was sent (`msgTimestamp`).
    pub time: Timestamp,
    /// The message's server id (`msgidServer`).
    pub id: MessageId,
}

/// A message, as the sessions that receive it show it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Its position.
    pub position: Position,
    /// Its content, as JSON text for the app.
    pub text: JsonText,
}

/// What a session shows as its last message, as JSON text for the app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LastMsg {
    /// The message itself.
    Message(JsonText),
    /// The notice that it was recalled, without any of its content.
    Recall {
        /// When it was recalled. It is the session's `updateTime` from then on.
        at: Timestamp,
        /// The recall notice that is shown.
        notice: JsonText,
    },
}

/// The state of a session: the newest known position, and the content at that position.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// The newest position.
    pub position: Position,
    /// What is shown. `None` is a tombstone: the user deleted the session when this was the newest position.
    pub last_msg: Option<LastMsg>,
}

impl Message {
    /// Whether this is newer than the held register, and replaces it.
    #[must_use]
    pub fn is_newer_than(&self, held: Option<&Register>) -> bool {
        held.is_none_or(|held| self.position > held.position)
    }
}

impl Register {
    /// Creates the register of a session that was deleted at this position.
    #[must_use]
    pub fn tombstone(position: Position) -> Self {
        Self { position, last_msg: None }
    }

    /// Whether this is strictly greater than `other`, so that it is shown instead.
    #[must_use]
    pub fn supersedes(&self, other: &Self) -> bool {
        self.order() > other.order()
    }

    fn order(&self) -> (&Position, u8, Option<(Timestamp, Cow<'_, str>)>) {
        match &self.last_msg {
            Some(LastMsg::Message(_)) => (&self.position, 0, None),
            Some(LastMsg::Recall { at, notice }) => (&self.position, 1, Some((*at, notice.plain()))),
            None => (&self.position, 2, None),
        }
    }

    /// The `updateTime` of a session that shows this register, or `None` for a tombstone.
    #[must_use]
    pub fn update_time(&self) -> Option<Timestamp> {
        match self.last_msg {
            Some(LastMsg::Message(_)) => Some(self.position.time),
            Some(LastMsg::Recall { at, .. }) => Some(at),
            None => None,
        }
    }
}

impl From<Message> for Register {
    fn from(Message { position, text }: Message) -> Self {
        Self { position, last_msg: Some(LastMsg::Message(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(time: u64, id: &str) -> Position {
        Position { time: Timestamp::from_millis(time), id: id.into() }
    }

    fn message(time: u64, id: &str) -> Register {
        Message { position: position(time, id), text: "".into() }.into()
    }

    fn recalled(time: u64, id: &str, at: u64, notice: &str) -> Register {
        let last_msg = LastMsg::Recall { at: Timestamp::from_millis(at), notice: notice.into() };
        Register { position: position(time, id), last_msg: Some(last_msg) }
    }

    #[test]
    fn the_order_is_time_then_id_then_kind_then_recall() {
        let ascending = [
            Register::tombstone(position(1, "10")),
            message(2, "9"),
            recalled(2, "9", 3, "z"),
            recalled(2, "9", 4, "a"),
            recalled(2, "9", 4, "b"),
            Register::tombstone(position(2, "9")),
            message(2, "10"),
            message(3, "0"),
        ];
        for pair in ascending.windows(2) {
            assert!(pair[1].supersedes(&pair[0]) && !pair[0].supersedes(&pair[1]), "{pair:?}");
        }
        assert!(!ascending[0].supersedes(&ascending[0]));
    }
}
