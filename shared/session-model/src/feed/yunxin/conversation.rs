//! The conversation that a copy belongs to.

use super::raw_copy::RawCopy;
use crate::{
    feed::effect::{Effect, FeedEvent},
    id::{Account, GroupId, SessionId, SessionType},
    json::{InvalidField, InvalidValue},
    register::amendments::Amendment,
    time::Timestamp,
};

/// The conversation in which a message was sent.
pub(super) enum Conversation {
    /// From one account to another.
    P2p { from: Account, to: Account },
    /// In a team or super team.
    Group(GroupId),
}

/// The session items of the sender and, if they receive it, of the receiver. There is only one if a user writes to themselves.
pub(super) fn session_items(from: &Account, to: &Account, is_received: bool) -> Vec<(Account, SessionId)> {
    let mut session_items = vec![(from.clone(), SessionId::p2p(to))];
    if is_received && from != to {
        session_items.push((to.clone(), SessionId::p2p(from)));
    }
    session_items
}

impl Conversation {
    pub(super) fn parse(
        copy: &RawCopy<'_>,
        session_type: SessionType,
        from: &Account,
    ) -> Result<Self, InvalidField> {
        // This also rejects a group's id that contains U+FFFD.
        let to = copy.account("to")?;
        if session_type == SessionType::P2p {
            return Ok(Self::P2p { from: from.clone(), to });
        }
        let id = format!("{}|{to}", session_type.as_str());
        id.parse().map(Self::Group).map_err(|reason: InvalidValue| reason.of("to"))
    }

    /// The event of a message in this conversation that was edited or recalled. `latest` is the latest of the event's times.
    ///
    /// The copy does not show who received the message, so both users get the amendment. It shows nothing to a user who does not
    /// have the message.
    pub(super) fn amended(self, amendment: Amendment, latest: Timestamp) -> FeedEvent {
        let effect = match self {
            Self::P2p { from, to } => {
                Effect::AmendP2p { session_items: session_items(&from, &to, true), amendment }
            }
            Self::Group(group) => Effect::AmendGroup { group, amendment },
        };
        FeedEvent { effect, latest, unknown_notice: false }
    }
}
