//! The attributes of a session item, and the effect of each step on them.

use session_model::{
    MessageId, SessionItem, Timestamp,
    item::Ext,
    json::JsonText,
    register::{
        LastMsg, Message, Position, Register,
        amendments::{Amendments, Recall},
    },
};

use super::operations::{NOW, Response};

/// The attributes of one session item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    pub(crate) msg_time: Option<Timestamp>,
    pub(crate) msg_id: Option<MessageId>,
    pub(crate) last_msg_type: Option<u8>,
    pub(crate) last_msg: Option<JsonText>,
    pub(crate) update_time: Option<Timestamp>,
    pub(crate) amendments: Option<String>,
    pub(crate) change_time: Option<Timestamp>,
    pub(crate) ext: Option<String>,
    pub(crate) expires: bool,
}

/// A request to DynamoDB for the session item.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A message, if it is newer than the register and there are no amendments.
    Record(Message),
    /// A recall of the held message, if it is greater than what is shown of that message and there are no amendments.
    Recall(Recall),
    Read,
    /// A merged write.
    Replace(Box<(Item, SessionItem)>),
    Delete,
    SetExt(&'static str),
}

/// A deliberate fault in a step, to check that the exploration finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    WithoutMsgId,
    WithoutLastMsgType,
    WithoutUpdateTime,
    WithoutAmendments,
    ExpiresAtStays,
    MessageIgnoresAmendments,
    RecallIgnoresAmendments,
    RecallIgnoresMsgId,
    RecallIgnoresTombstones,
    RecallIgnoresTime,
    RecallIgnoresNotice,
}

impl Item {
    /// The session item that the attributes represent.
    pub(crate) fn session_item(&self) -> SessionItem {
        let last_msg = match (self.last_msg_type, self.last_msg.clone(), self.update_time) {
            (Some(0), Some(text), _) => Some(LastMsg::Message(text)),
            (Some(1), Some(notice), Some(at)) => Some(LastMsg::Recall { at, notice }),
            _ => None,
        };
        let position = self.msg_time.zip(self.msg_id.clone()).map(|(time, id)| Position { time, id });
        SessionItem {
            placeholder: self.update_time.filter(|_| last_msg.is_none()),
            register: position.map(|position| Register { position, last_msg }),
            amendments: self
                .amendments
                .as_deref()
                .map(|text| Amendments::from_stored(text).unwrap())
                .unwrap_or_default(),
            change_time: self.change_time,
            ext: self.ext.as_deref().unwrap_or_default().parse::<Ext>().unwrap(),
            membership: None,
        }
    }

    /// Checks that the attributes are consistent.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.last_msg.is_some() != self.last_msg_type.is_some() {
            return Err("lastMsg and lastMsgType go together");
        }
        if self.last_msg.is_some() && (self.update_time.is_none() || self.msg_time.is_none()) {
            return Err("a message without its time");
        }
        if self.last_msg_type == Some(0) && self.update_time != self.msg_time {
            return Err("a message at another time than its own");
        }
        let is_empty = *self == Self::default();
        if self.expires == self.update_time.is_some() && !is_empty {
            return Err("what shows never expires, and what does not, does");
        }
        Ok(())
    }

    pub(crate) fn apply(&mut self, step: &Step, broken: Broken) -> Response {
        match step {
            Step::Read => Response::Item(self.clone()),
            Step::Record(message) => {
                let is_newer = message.is_newer_than(self.session_item().register.as_ref());
                let is_plain = self.amendments.is_none() || broken == Broken::MessageIgnoresAmendments;
                if !is_newer || !is_plain {
                    return Response::Item(self.clone());
                }
                self.show(&Register::from(message.clone()));
                Response::Done
            }
            Step::Recall(recall) => {
                if !self.is_recalled_by(recall, broken) {
                    return Response::Item(self.clone());
                }
                self.last_msg_type = Some(1);
                self.last_msg = Some(recall.notice.text());
                self.update_time = Some(recall.at);
                Response::Done
            }
            Step::Replace(as_read) => {
                let (before, after) = &**as_read;
                let is_as_read = self.msg_time == before.msg_time
                    && (self.msg_id == before.msg_id || broken == Broken::WithoutMsgId)
                    && (self.last_msg_type == before.last_msg_type || broken == Broken::WithoutLastMsgType)
                    && (self.update_time == before.update_time || broken == Broken::WithoutUpdateTime)
                    && (self.amendments == before.amendments || broken == Broken::WithoutAmendments);
                if !is_as_read {
                    return Response::Item(self.clone());
                }
                self.replace(before, after, broken);
                Response::Done
            }
            Step::Delete => {
                if self.update_time.is_some() {
                    let Self { msg_time, msg_id, amendments, .. } = self.clone();
                    let change_time = Some(Timestamp::from_millis(NOW));
                    *self =
                        Self { msg_time, msg_id, amendments, change_time, expires: true, ..Self::default() };
                }
                Response::Done
            }
            Step::SetExt(ext) => {
                self.ext = Some((*ext).to_owned());
                self.update_time.get_or_insert(Timestamp::from_millis(NOW));
                self.change_time = Some(Timestamp::from_millis(NOW));
                self.expires = false;
                Response::Done
            }
        }
    }

    /// The condition of the blind write of a recall.
    fn is_recalled_by(&self, recall: &Recall, broken: Broken) -> bool {
        let of_it = self.msg_id.as_ref() == Some(&recall.id)
            || (broken == Broken::RecallIgnoresMsgId && self.msg_id.is_some());
        let notice = recall.notice.text();
        let applies = match (self.last_msg_type, &self.last_msg) {
            (Some(0), _) => true,
            (Some(1), Some(shown)) => {
                self.update_time < Some(recall.at)
                    || (self.update_time == Some(recall.at)
                        && (shown.plain() < notice.plain() || broken == Broken::RecallIgnoresNotice))
                    || broken == Broken::RecallIgnoresTime
            }
            _ => broken == Broken::RecallIgnoresTombstones && self.msg_id.is_some(),
        };
        of_it && applies && (self.amendments.is_none() || broken == Broken::RecallIgnoresAmendments)
    }

    fn show(&mut self, register: &Register) {
        self.msg_time = Some(register.position.time);
        self.msg_id = Some(register.position.id.clone());
        self.update_time = register.update_time();
        let (last_msg_type, text) = match register.last_msg.clone().unwrap() {
            LastMsg::Message(text) => (0, text),
            LastMsg::Recall { notice, .. } => (1, notice),
        };
        (self.last_msg_type, self.last_msg) = (Some(last_msg_type), Some(text));
        self.expires = false;
    }

    /// Writes the differences between `after` and what was read, and nothing else, because the user may have set an ext in between.
    fn replace(&mut self, before: &Self, after: &SessionItem, broken: Broken) {
        let read = before.session_item();
        let expired = self.expires;
        match &after.register {
            Some(register) if after.register != read.register => self.show(register),
            _ => self.expires |= before.update_time.is_none(),
        }
        if broken == Broken::ExpiresAtStays {
            self.expires |= expired;
        }
        self.amendments = after.amendments.to_stored();
        if after.change_time != read.change_time {
            self.change_time = after.change_time;
        }
    }
}
