//! The recall of a message.

use serde_json::json;

use super::{Conversation, position, sides};
use crate::{Account, Entry, Fields, InvalidField, LastMsg, Position, SessionId, SessionType, Timestamp};

/// A message was recalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Where the message was said.
    pub conversation: Conversation,
    /// The place of the recalled message.
    pub position: Position,
    /// When it was recalled.
    pub at: Timestamp,
    /// What the session shows of it, as JSON text: who and when, nothing of the content.
    pub notice: String,
}

impl Recall {
    pub(super) fn parse(
        fields: &Fields,
        session_type: SessionType,
        now: Timestamp,
    ) -> Result<Self, InvalidField> {
        let from: Account = fields.parsed("from")?;
        let position = position(fields, "sendTime", "msgId", now)?;
        let at = fields.time("deleteTime", now)?;
        let mut notice = json!({
            "from": from.as_str(),
            "time": at,
            "deleteMsgIdServer": position.id,
            "deleteMsgCreateTime": position.time,
        });
        if let Some(id) = fields.optional_text("clientId")? {
            notice["deleteMsgIdClient"] = id.into();
        }
        let conversation = Conversation::parse(fields, session_type, &from)?;
        Ok(Self { conversation, position, at, notice: notice.to_string() })
    }

    /// What the recall says of its session, the same on every side.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let last_msg = LastMsg::Recall { at: self.at, notice: self.notice.as_str().into() };
        Entry { position: self.position.clone(), last_msg }
    }

    /// The rows that the recall of a p2p message shows in. The copy does not tell whether the receiver had blocked the
    /// sender, so both sides' own; none for a recall in a group.
    #[must_use]
    pub fn p2p_sides(&self) -> Vec<(Account, SessionId)> {
        match &self.conversation {
            Conversation::P2p { from, to } => sides(from, to),
            Conversation::Group(_) => Vec::new(),
        }
    }
}
