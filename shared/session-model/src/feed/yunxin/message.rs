//! Messages.

use std::collections::BTreeSet;

use super::{
    conversation::{Conversation, session_items},
    members,
    notification::Notice,
    raw_copy::{Ids, RawCopy},
};
use crate::{
    feed::effect::{Effect, FeedEvent, NotApplied},
    group::{ListId, MemberList, MembershipEvent},
    id::{Account, GroupId, SessionType},
    json::{InvalidField, InvalidValue},
    register::{Message, last_msg::Shown},
    time::Timestamp,
};

/// The field with a team's members.
const MEMBERS: &str = "tMembers";

/// A message of a session.
pub(super) struct ReceivedMessage {
    /// The conversation in which it was sent.
    conversation: Conversation,
    /// The message, as the session shows it.
    message: Message,
    /// The message, as those see it who left by it, if there are any.
    of_leavers: Option<Message>,
    /// The receiver has blocked the sender (`blacklist`).
    blocked: bool,
    /// Moderation intercepted it (`antispam`): it counts as sent for the sender, but nobody receives it.
    intercepted: bool,
    /// The members of the team (`tMembers`), if the copy contains them.
    members: Option<BTreeSet<Account>>,
    /// What it reports about the group's members.
    notice: Notice,
}

impl ReceivedMessage {
    pub(super) fn parse(copy: &RawCopy<'_>) -> Result<Self, NotApplied> {
        let session_type = match &*copy.text("convType")? {
            "PERSON" => SessionType::P2p,
            "TEAM" => SessionType::Team,
            "SUPER_TEAM" => SessionType::SuperTeam,
            "CUSTOM_PERSON" | "CUSTOM_TEAM" => {
                return Err(NotApplied::Ignored("convType is that of a system notification"));
            }
            _ => return Err(NotApplied::Ignored("convType is none of PERSON, TEAM, SUPER_TEAM")),
        };
        let from = copy.account("fromAccount")?;
        let conversation = Conversation::parse(copy, session_type, &from)?;
        let time = copy.time("msgTimestamp")?;
        let ids = copy.ids("msgidServer", "msgidClient")?;
        let message_type = copy.text("msgType")?;
        let (members, notice) = match &conversation {
            Conversation::P2p { .. } => (None, Notice::default()),
            Conversation::Group(_) => {
                let members = members_of(copy)?;
                let notice = match &*message_type {
                    "NOTIFICATION" => Notice::parse(copy, &from, members.is_some())?,
                    // The sender of any other message is a member.
                    _ if members.as_ref().is_some_and(BTreeSet::is_empty) => {
                        return Err(InvalidValue::new("must not be empty").of(MEMBERS).into());
                    }
                    _ => Notice::default(),
                };
                (members, notice)
            }
        };
        let shown = shown(&from, time, &ids, &message_type);
        let limits = copy.settings.last_msg_bytes;
        let message = |shown: Shown| Message { position: ids.position(time), text: shown.into_json().into() };
        let of_leavers = notice.has_leavers().then(|| {
            let limit = |field: &str, text: &str| limits.text_for_leavers(field, text);
            message(shown.clone().message(|name| copy.value(name), limit))
        });
        let limit = |field: &str, text: &str| limits.text(field, text);
        Ok(Self {
            conversation,
            message: message(shown.message(|name| copy.value(name), limit)),
            of_leavers,
            blocked: copy.is_set("blacklist"),
            intercepted: copy.is_set("antispam"),
            members,
            notice,
        })
    }

    pub(super) fn into_event(self) -> FeedEvent {
        let (latest, unknown_notice) = (self.message.position.time, self.notice.unknown);
        let effect = match self.conversation {
            Conversation::P2p { ref from, ref to } => {
                let is_received = !(self.blocked || self.intercepted);
                Effect::P2p { session_items: session_items(from, to, is_received), message: self.message }
            }
            Conversation::Group(ref group) => {
                let group = group.clone();
                Effect::Group { event: self.in_group(&group), group }
            }
        };
        FeedEvent { effect, latest, unknown_notice }
    }

    /// `tMembers` still contains members who are just leaving, and may not yet contain members who are just joining. If the notice
    /// that a group is dismissed contains it, everybody leaves. Without it, members still see the group item of a dismissed group,
    /// which is the notice.
    ///
    /// An intercepted message is shown to nobody, so it is not stored in the group item. What it reports about the members still
    /// applies.
    fn in_group(self, group: &GroupId) -> MembershipEvent {
        let Notice { joined, left, dismissed, .. } = self.notice;
        let left = match &self.members {
            Some(members) if dismissed => members.clone(),
            _ => left,
        };
        let time = self.message.position.time;
        let list_id = ListId::of_message(&self.message.position.id);
        let listed = self.members.as_ref().map(|members| &(members | &joined) - &left);
        MembershipEvent {
            time,
            message: (!self.intercepted).then_some(self.message),
            notice: self.of_leavers.filter(|_| !self.intercepted),
            list: listed.map(|members| MemberList::new(group, time, list_id, &members)),
            joined,
            left,
        }
    }
}

fn members_of(copy: &RawCopy<'_>) -> Result<Option<BTreeSet<Account>>, InvalidField> {
    let Some(list) = copy.value(MEMBERS) else { return Ok(None) };
    members::parse(list, copy.settings.account_case).map_err(|reason| reason.of(MEMBERS))
}

/// What a session always shows of a message. Fields that the copy lacks are left out.
fn shown(from: &Account, time: Timestamp, ids: &Ids<'_>, message_type: &str) -> Shown {
    let mut shown = Shown::new(from.as_str());
    shown.number("time", time);
    if let Some(number) = type_number(message_type) {
        shown.number("type", number);
    }
    shown.id("msgIdClient", ids.client.as_ref());
    shown.id("msgIdServer", Some(&ids.server));
    shown
}

/// Yunxin's number for a `msgType`, or `None` for one that is not known (yet).
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
