//! What an event of the feed does, whichever feed delivered it.

use crate::{
    group::MembershipEvent,
    id::{Account, GroupId, SessionId},
    json::InvalidField,
    register::{Message, amendments::Amendment},
    time::Timestamp,
};

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
    /// A message is merged into session items of users.
    P2p {
        /// The session items, as their users and session ids.
        session_items: Vec<(Account, SessionId)>,
        /// The message.
        message: Message,
    },
    /// Something happens in a group.
    Group {
        /// The group.
        group: GroupId,
        /// The event in the group.
        event: MembershipEvent,
    },
    /// A message between two users was edited or recalled.
    AmendP2p {
        /// The session items that may show the message, as their users and session ids.
        session_items: Vec<(Account, SessionId)>,
        /// What became of the message.
        amendment: Amendment,
    },
    /// A message in a group was edited or recalled.
    AmendGroup {
        /// The group.
        group: GroupId,
        /// What became of the message.
        amendment: Amendment,
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
