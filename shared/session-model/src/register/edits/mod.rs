//! Edits: later forms of messages, which are stored next to the register.
//!
//! Yunxin sends message copies for edited messages, and for the further text of an answer that an AI goes on writing. Such a copy
//! names its message by id and does not contain the message's time. It may therefore come before its message, after another one, or
//! again, and no position shows which is the case. [`Edits`] is stored next to the [`Register`] of a session item or of a group
//! item, and contains:
//!
//! - *held*: for the message in the register, which is the held message, and for each field, the time of the edit whose text is in
//!   `lastMsg`;
//! - *pending*: for other messages and for each field, the greatest edit by (time, text).
//!
//! The laws:
//!
//! - An edit belongs to one message. It never moves a session, revives one, or shows on a recalled message.
//! - Each field shows the greatest edit of it by (time, text). An edit from before its own message has no effect.
//! - When another message replaces the held one, its pending edits are applied to it, and *held* starts again. A recall drops the
//!   edits of its message. A delete leaves all edits alone.
//! - A pending edit from before the held message's time is dropped, because its message is older than the held one. Of the others,
//!   those of the 8 messages that were edited last are kept, as far as they fit in 64 KB. The message that was edited last is
//!   always kept.
//!
//! Therefore what is **shown**, now and after any further copies, is a function of the set of copies, as long as the edits that
//! wait for their messages belong to at most 8 messages and fit. What is stored is not. Of two session items that show the same,
//! one may contain more edits.

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

/// The maximum number of messages with pending edits.
const MAX_PENDING: usize = 8;
/// The maximum length of the pending edits, as JSON, in bytes.
const MAX_PENDING_BYTES: usize = 64 * 1024;

/// The edit of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The id of the message.
    pub(crate) id: MessageId,
    /// The time of the edit (`modifyTime`).
    pub(crate) time: Timestamp,
    /// What the message's fields show from then on, within their limits.
    pub(crate) texts: BTreeMap<Field, Text>,
}

/// The edits of a session item or group item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Edits {
    held: BTreeMap<Field, Timestamp>,
    pending: BTreeMap<MessageId, Pending>,
}

/// The edits of one message that is not held.
type Pending = BTreeMap<Field, (Timestamp, Text)>;

impl Edits {
    /// Whether there are no edits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.pending.is_empty()
    }

    /// Merges `other` into the `held` register. Returns whether `other` replaced it.
    pub(crate) fn merge(&mut self, held: &mut Option<Register>, mut other: Register) -> bool {
        let applies = held.as_ref().is_none_or(|held| other.supersedes(held));
        if applies {
            self.follow(&mut other);
            *held = Some(other);
        }
        applies
    }

    /// Drops the edits of a message whose recall does not replace the held register, because the register is newer. No content of a
    /// recalled message is kept. Returns whether there were any edits.
    pub(crate) fn forget(&mut self, entry: &Entry) -> bool {
        matches!(entry.last_msg, LastMsg::Recall { .. }) && self.pending.remove(&entry.position.id).is_some()
    }

    /// Prepares for `register` to replace the held one, by applying the edits that waited for its message.
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

    /// Applies an edit at `now`. Returns whether it changed anything. A change to what is shown gets a change time; an edit that
    /// waits for its message does not.
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

    /// Shows those texts that are greater than the current ones. Returns whether there were any.
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

    /// Drops the edits that can no longer be used, and those above the limits.
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
