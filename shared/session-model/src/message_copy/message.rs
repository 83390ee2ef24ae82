//! A message.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Conversation, members, position, sides};
use crate::{
    Account, Entry, Fields, InvalidField, InvalidValue, LastMsg, Position, SessionId, SessionType, Timestamp,
};

/// A message of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it was said.
    pub conversation: Conversation,
    /// Its place in the session's order.
    pub position: Position,
    /// What the session shows of it, as JSON text.
    pub last_msg: String,
    /// The receiver has blocked the sender: the message shows on the sender's side alone.
    pub blocked: bool,
    /// The members of the team (`tMembers`), where the copy carries them.
    pub members: Option<BTreeSet<Account>>,
}

impl Message {
    /// None for the system notifications that come as messages but belong to no session.
    pub(super) fn parse(fields: &Fields, now: Timestamp) -> Result<Option<Self>, InvalidField> {
        let session_type = match fields.non_empty_text("convType")? {
            "PERSON" => SessionType::P2p,
            "TEAM" => SessionType::Team,
            "SUPER_TEAM" => SessionType::SuperTeam,
            "CUSTOM_PERSON" | "CUSTOM_TEAM" => return Ok(None),
            _ => {
                let known = "must be one of PERSON, TEAM, SUPER_TEAM, CUSTOM_PERSON, CUSTOM_TEAM";
                return Err(InvalidValue::new(known).of("convType"));
            }
        };
        let from: Account = fields.parsed("fromAccount")?;
        let position = position(fields, "msgTimestamp", "msgidServer", now)?;
        Ok(Some(Self {
            conversation: Conversation::parse(fields, session_type, &from)?,
            last_msg: last_msg(fields, &from, &position)?,
            position,
            blocked: fields.value("blacklist").is_some(),
            members: members::parse(fields)?,
        }))
    }

    /// What the message says of its session, the same on every side.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry { position: self.position.clone(), last_msg: LastMsg::Message(self.last_msg.clone()) }
    }

    /// The rows that a p2p message shows in: each side's own, the sender's alone when he is blocked;
    /// none for a message of a group.
    #[must_use]
    pub fn p2p_sides(&self) -> Option<Vec<(Account, SessionId)>> {
        match &self.conversation {
            Conversation::P2p { from, to } if self.blocked => Some(vec![(from.clone(), SessionId::p2p(to))]),
            Conversation::P2p { from, to } => Some(sides(from, to)),
            Conversation::Group(_) => None,
        }
    }
}

/// The message as the session shows it; fields that the copy lacks are left out.
fn last_msg(fields: &Fields, from: &Account, position: &Position) -> Result<String, InvalidField> {
    let mut last_msg = json!({
        "from": from.as_str(),
        "time": position.time,
        "msgIdClient": fields.text("msgidClient")?,
        "msgIdServer": position.id,
    });
    if let Some(number) = type_number(fields.text("msgType")?) {
        last_msg["type"] = number.into();
    }
    for name in ["body", "attach", "ext", "fromClientType"] {
        if let Some(text) = fields.optional_text(name)? {
            last_msg[name] = text.into();
        }
    }
    Ok(last_msg.to_string())
}

/// Yunxin's number of a `msgType`; none for one that is not known (yet).
fn type_number(name: &str) -> Option<u8> {
    Some(match name {
        "TEXT" => 0,
        "PICTURE" => 1,
        "AUDIO" => 2,
        "VIDEO" => 3,
        "LOCATION" => 4,
        "NOTIFICATION" => 5,
        "FILE" => 6,
        "TIPS" => 10,
        "NRTC_NETCALL" => 12,
        "CUSTOM" => 100,
        _ => return None,
    })
}
