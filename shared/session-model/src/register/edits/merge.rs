//! The rules by which edits and registers are merged.

use super::{
    known::{Edit, Edits, Pending},
    stored::length,
};
use crate::{
    json::JsonText,
    register::{
        Entry, LastMsg, Register,
        last_msg::{Edited, Field, Text},
    },
    time::Timestamp,
};

/// The maximum number of messages with pending edits.
const MAX_PENDING: usize = 8;
/// The maximum length of the pending edits, as JSON, in bytes.
pub(super) const MAX_PENDING_BYTES: usize = 64 * 1024;

impl Edits {
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
            let current = (self.held.get(&field).copied(), edited.get(field));
            if (Some(time), &text) > (current.0, &current.1) {
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
        let mut bytes = 0_usize;
        for (index, (_, id)) in newest_first.into_iter().enumerate() {
            let length = self.pending.get(&id).map_or(0, |pending| length(&id, pending));
            bytes = bytes.saturating_add(length);
            if index > 0 && (index >= MAX_PENDING || bytes > MAX_PENDING_BYTES) {
                self.pending.remove(&id);
            }
        }
    }
}
