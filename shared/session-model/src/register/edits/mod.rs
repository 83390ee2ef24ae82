//! Edits: what is known of later forms of messages, beside the register.
//!
//! Yunxin tells of edited messages, and of the further text of an answer that an AI goes on writing. Such a copy names its
//! message by id and does not tell the message's time, so it may come before its message, after another one, or again, and no
//! position says which. [`Edits`] stands beside the [`Register`] of a session item or of a group item and keeps
//!
//! - *held*: of the message that is held, for each field the time of the edit whose text stands in `lastMsg`;
//! - *pending*: of other messages, for each field the greatest edit by (time, text).
//!
//! The laws:
//!
//! - An edit belongs to one message. It never moves a session, revives one, or shows on a recalled message.
//! - Each field shows the greatest edit of it by (time, text). An edit from before its own message does nothing.
//! - When another message takes the place of the held one, its pending edits are applied to it; *held* starts again. A recall
//!   drops the edits of its message. A delete leaves all of them alone.
//! - What waits for a message older than the held one is dropped. Of the rest the 8 messages edited last stay, as far as they
//!   fit in 64 KB; the one edited last always stays.
//!
//! So what is **shown**, now and after any further copies, is a function of the set of copies, while the edits that wait for
//! their messages are at most 8 and fit. What is stored is not: of two session items that show the same one may know more.

mod steps;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    id::MessageId,
    json::JsonText,
    register::{
        Entry, LastMsg, Register,
        last_msg::{Edited, Field, Text},
    },
    time::Timestamp,
};

pub use steps::{AmendableItem, edit, record};
pub use stored::InvalidEdits;

/// How many messages' edits wait at most.
const MAX_PENDING: usize = 8;
/// How much they take at most, as JSON, in bytes.
const MAX_PENDING_BYTES: usize = 64 * 1024;

/// A message was edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which message.
    pub(crate) id: MessageId,
    /// When (`modifyTime`).
    pub(crate) time: Timestamp,
    /// What its fields show from then on, within their limits.
    pub(crate) texts: BTreeMap<Field, Text>,
}

/// The edits that a session item or group item knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Edits {
    held: BTreeMap<Field, Timestamp>,
    pending: BTreeMap<MessageId, Pending>,
}

/// The edits of one message that is not held.
type Pending = BTreeMap<Field, (Timestamp, Text)>;

impl Edits {
    /// Whether none are known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.pending.is_empty()
    }

    /// Merges a register into the held one; answers whether it took its place.
    pub(crate) fn merge(&mut self, held: &mut Option<Register>, mut other: Register) -> bool {
        let applies = held.as_ref().is_none_or(|held| other.supersedes(held));
        if applies {
            self.follow(&mut other);
            *held = Some(other);
        }
        applies
    }

    /// Drops the edits of a message whose recall does not take the place of what is held, since that is newer: nothing of a recalled
    /// message stays. Answers whether there were any.
    pub(crate) fn forget(&mut self, entry: &Entry) -> bool {
        matches!(entry.last_msg, LastMsg::Recall { .. }) && self.pending.remove(&entry.position.id).is_some()
    }

    /// Another register takes the place of the held one: with it come the edits that waited for its message.
    fn follow(&mut self, register: &mut Register) {
        self.held.clear();
        let pending = self.pending.remove(&register.position.id);
        if let (Some(pending), Some(LastMsg::Message(text))) = (pending, &mut register.last_msg) {
            let sent = register.position.time;
            let of_it = pending.into_iter().filter(|(_, (time, _))| *time >= sent);
            self.show(text, of_it.map(|(field, (time, new))| (field, time, new)));
        }
        self.tidy(Some(register.position.time));
    }

    /// Takes an edit at `now`; answers whether it changed anything. What is shown and changes is stamped; what waits for its message
    /// is not.
    pub(crate) fn take(
        &mut self,
        register: Option<&mut Register>,
        change_time: &mut Option<Timestamp>,
        edit: &Edit,
        now: Timestamp,
    ) -> bool {
        let Edit { id, time, texts } = edit;
        match register {
            Some(held) if held.position.id == *id => match &mut held.last_msg {
                Some(LastMsg::Message(text)) if *time >= held.position.time => {
                    let texts = texts.iter().map(|(field, new)| (*field, *time, new.clone()));
                    let changed = self.show(text, texts);
                    if changed {
                        *change_time = Some(now);
                    }
                    changed
                }
                _ => false,
            },
            held => {
                let before = self.pending.clone();
                let pending = self.pending.entry(id.clone()).or_default();
                for (field, text) in texts {
                    let new = (*time, text.clone());
                    let known = pending.entry(*field).or_insert_with(|| new.clone());
                    *known = new.max(std::mem::take(known));
                }
                self.tidy(held.map(|held| held.position.time));
                self.pending != before
            }
        }
    }

    /// Shows those texts that are greater than what stands; answers whether there were any.
    fn show(
        &mut self,
        last_msg: &mut JsonText,
        texts: impl Iterator<Item = (Field, Timestamp, Text)>,
    ) -> bool {
        let Some(mut edited) = Edited::parse(last_msg) else { return false };
        let mut changed = false;
        for (field, time, text) in texts {
            let stands = (self.held.get(&field).copied(), edited.get(field));
            if (Some(time), &text) > (stands.0, &stands.1) {
                edited.set(field, text);
                self.held.insert(field, time);
                changed = true;
            }
        }
        if let (true, Some(time)) = (changed, self.held.values().max()) {
            edited.set_edit_time(*time);
            *last_msg = edited.into_text();
        }
        changed
    }

    /// Drops what can no longer be of use, and what is too much.
    fn tidy(&mut self, held: Option<Timestamp>) {
        self.pending.retain(|_, pending| {
            pending.retain(|_, (time, _)| Some(*time) >= held);
            !pending.is_empty()
        });
        let edited_at = |pending: &Pending| pending.values().map(|(time, _)| *time).max();
        let mut newest_first: Vec<_> =
            self.pending.iter().map(|(id, pending)| (edited_at(pending), id.clone())).collect();
        newest_first.sort_by(|a, b| b.cmp(a));
        let mut bytes = 0;
        for (place, (_, id)) in newest_first.into_iter().enumerate() {
            bytes += self.pending.get(&id).map_or(0, |pending| stored::length(&id, pending));
            if place > 0 && (place >= MAX_PENDING || bytes > MAX_PENDING_BYTES) {
                self.pending.remove(&id);
            }
        }
    }
}
