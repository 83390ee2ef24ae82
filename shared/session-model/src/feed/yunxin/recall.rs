//! Recalls of messages.

use super::{conversation::Conversation, raw_copy::RawCopy};
use crate::{
    feed::effect::{FeedEvent, NotApplied},
    id::SessionType,
    register::{
        amendments::{Amendment, Recall},
        last_msg::Shown,
    },
};

/// Parses a recall. The notice says who recalled the message and when, and nothing of its content. `sendTime` may be absent, because
/// the message is named by its id alone.
pub(super) fn parse(copy: &RawCopy<'_>, session_type: SessionType) -> Result<FeedEvent, NotApplied> {
    let from = copy.account("from")?;
    let conversation = Conversation::parse(copy, session_type, &from)?;
    let (sent, at) = (copy.optional_time("sendTime")?, copy.time("deleteTime")?);
    let ids = copy.ids_of_another("msgId", "clientId")?;
    let mut shown = Shown::new(from.as_str());
    shown.number("time", at);
    shown.id("deleteMsgIdClient", ids.client.as_ref());
    shown.id("deleteMsgIdServer", Some(&ids.server));
    if let Some(sent) = sent {
        shown.number("deleteMsgCreateTime", sent);
    }
    let limits = copy.settings.last_msg_bytes;
    let notice = shown.recall(|name| copy.value(name), limits).into_fields().into();
    let recall = Recall { id: ids.message_id(), sent, at, notice, limits };
    Ok(conversation.amended(Amendment::Recall(recall), at.max(sent.unwrap_or(at))))
}
