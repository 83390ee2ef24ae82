//! Recalls of messages.

use super::{
    conversation::{Conversation, session_items},
    raw_copy::RawCopy,
};
use crate::{
    feed::effect::{Effect, FeedEvent, NotApplied},
    group::MembershipEvent,
    id::SessionType,
    register::{Entry, LastMsg, last_msg::Shown},
};

/// Parses a recall. The session shows who recalled the message and when, and nothing of its content.
pub(super) fn parse(copy: &RawCopy<'_>, session_type: SessionType) -> Result<FeedEvent, NotApplied> {
    let from = copy.account("from")?;
    let conversation = Conversation::parse(copy, session_type, &from)?;
    let (time, at) = (copy.time("sendTime")?, copy.time("deleteTime")?);
    let ids = copy.ids_of_another("msgId", "clientId")?;
    let mut shown = Shown::new(from.as_str());
    shown.number("time", at);
    shown.id("deleteMsgIdClient", ids.client.as_ref());
    shown.id("deleteMsgIdServer", Some(&ids.server));
    shown.number("deleteMsgCreateTime", time);
    shown.recall(|name| copy.value(name));
    let last_msg = LastMsg::Recall { at, notice: shown.into_json().into() };
    let entry = Entry { position: ids.position(time), last_msg };
    // The copy does not show whether the receiver had blocked the sender, so the session items of both show the notice.
    let effect = match conversation {
        Conversation::P2p { from, to } => {
            Effect::P2p { session_items: session_items(&from, &to, true), entry }
        }
        Conversation::Group(group) => Effect::Group { group, event: MembershipEvent::of_entry(entry) },
    };
    Ok(FeedEvent { effect, latest: time.max(at), unknown_notice: false })
}
