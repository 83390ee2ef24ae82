//! A message.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Conversation, MemberChange, members, position, sides};
use crate::{
    Account, Entry, Fields, GroupId, InvalidField, InvalidValue, LastMsg, MemberList, Position, SessionId,
    SessionType, Timestamp,
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
    /// What the message says of the group's members.
    pub change: MemberChange,
}

/// What a message means for its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMessage {
    /// The group.
    pub group: GroupId,
    /// What the group's sessions show of it.
    pub entry: Entry,
    /// The members from then on, where the copy carries their list.
    pub list: Option<MemberList>,
    /// Who joined with it.
    pub joined: BTreeSet<Account>,
    /// Who left with it.
    pub left: BTreeSet<Account>,
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
            change: MemberChange::parse(fields, session_type, &from)?,
            blocked: fields.value("blacklist").is_some(),
            members: members::parse(fields)?,
        }))
    }

    /// What the message says of its session, the same on every side.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry { position: self.position.clone(), last_msg: LastMsg::Message(self.last_msg.as_str().into()) }
    }

    /// What a message in a group means for it; none for a p2p message. `tMembers` still names who is just leaving, and may
    /// not yet name who is just joining; of a dismissed group that carries it, everybody leaves. Without it, members keep
    /// seeing the head of a dismissed group, which is the notice.
    #[must_use]
    pub fn in_group(&self) -> Option<GroupMessage> {
        let Conversation::Group(group) = &self.conversation else { return None };
        let MemberChange { joined, left, dismissed } = &self.change;
        let left = match &self.members {
            Some(members) if *dismissed => members,
            _ => left,
        };
        let listed = self.members.as_ref().map(|members| &(members | joined) - left);
        Some(GroupMessage {
            group: group.clone(),
            entry: self.entry(),
            list: listed.map(|members| MemberList::new(group, self.position.time, &members)),
            joined: joined.clone(),
            left: left.clone(),
        })
    }

    /// The rows that a p2p message shows in: each side's own, the sender's alone when he is blocked;
    /// none for a message of a group.
    #[must_use]
    pub fn p2p_sides(&self) -> Vec<(Account, SessionId)> {
        match &self.conversation {
            Conversation::P2p { from, to } if self.blocked => vec![(from.clone(), SessionId::p2p(to))],
            Conversation::P2p { from, to } => sides(from, to),
            Conversation::Group(_) => Vec::new(),
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
