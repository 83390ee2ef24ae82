//! Edits of messages, and the further text of an answer that an AI goes on writing.

use super::{conversation::Conversation, raw_copy::RawCopy};
use crate::{
    feed::effect::{FeedEvent, NotApplied},
    id::SessionType,
    register::{
        amendments::{Amendment, Edit},
        last_msg::Field,
    },
};

/// The name of a field in the copy of an edit.
fn name(field: Field) -> &'static str {
    match field {
        Field::Body => "text",
        Field::Ext => "extension",
        Field::Attach => "attachment",
        Field::SubType => "subType",
    }
}

/// Parses an edit. The copy contains the message's id but not its time.
pub(super) fn parse(copy: &RawCopy<'_>, session_type: SessionType) -> Result<FeedEvent, NotApplied> {
    let from = copy.account("from")?;
    let conversation = Conversation::parse(copy, session_type, &from)?;
    let time = copy.time("modifyTime")?;
    let id = copy.ids_of_another("msgId", "clientId")?.message_id();
    let limits = copy.settings.last_msg_bytes;
    let text = |field: Field| {
        let value = copy.value(name(field))?;
        Some((field, limits.text(field.name(), &value.string_or_json())))
    };
    let edit = Edit { id, time, texts: Field::ALL.into_iter().filter_map(text).collect(), limits };
    if edit.texts.is_empty() {
        return Err(NotApplied::Ignored("the edit changes nothing that is shown"));
    }
    Ok(conversation.amended(Amendment::Edit(edit), time))
}
