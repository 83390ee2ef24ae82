//! The rules by which messages and their amendments are merged.

use super::{
    amendment::{Amendment, Amendments, Edit, Edits, Pending, Recall},
    stored::length,
};
use crate::{
    id::MessageId,
    json::JsonText,
    register::{
        LastMsg, Message, Register,
        last_msg::{Edited, Field},
        limits::Text,
    },
    time::Timestamp,
};

/// The maximum number of messages with pending amendments.
const MAX_PENDING: usize = 8;

/// What an amendment changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// It waits for its message, or takes the place of what waited.
    Pending,
    /// What is shown.
    Shown,
}

impl Amendments {
    /// Merges a message into the `held` register, along with what is pending for it. Returns whether it replaced what was held.
    pub(crate) fn record(&mut self, held: &mut Option<Register>, message: &Message) -> bool {
        if !message.is_newer_than(held.as_ref()) {
            return false;
        }
        let Message { position, text } = message.clone();
        self.held.clear();
        let last_msg = match self.pending.remove(&position.id) {
            None => LastMsg::Message(text),
            Some(Pending::Recall { at, notice, .. }) => LastMsg::Recall { at, notice: notice.text() },
            Some(Pending::Edits(edits)) => {
                let mut text = text;
                let of_it = edits.into_iter().filter(|(_, (time, _))| *time >= position.time);
                self.show(&mut text, of_it.map(|(field, (time, new))| (field, time, new)));
                LastMsg::Message(text)
            }
        };
        self.drop_older(Some(position.time));
        *held = Some(Register { position, last_msg: Some(last_msg) });
        true
    }

    /// Merges an amendment.
    pub(crate) fn amend(&mut self, held: Option<&mut Register>, amendment: &Amendment) -> Change {
        match held {
            Some(held) if held.position.id == *amendment.id() => {
                let changed = match amendment {
                    Amendment::Edit(edit) => self.edit(held, edit),
                    Amendment::Recall(recall) => self.recall(held, recall),
                };
                if changed { Change::Shown } else { Change::Nothing }
            }
            held => {
                let before = self.pending.clone();
                match amendment {
                    Amendment::Edit(edit) => self.await_edited(edit),
                    Amendment::Recall(recall) => self.await_recalled(recall),
                }
                self.drop_older(held.map(|held| held.position.time));
                self.drop_above(amendment.most_pending());
                if self.pending == before { Change::Nothing } else { Change::Pending }
            }
        }
    }

    /// Applies an edit to its message, which is the held one.
    fn edit(&mut self, held: &mut Register, edit: &Edit) -> bool {
        match &mut held.last_msg {
            Some(LastMsg::Message(text)) if edit.time >= held.position.time => {
                let texts = edit.texts.iter().map(|(field, new)| (*field, edit.time, new.clone()));
                self.show(text, texts)
            }
            _ => false,
        }
    }

    /// Replaces the held message by its recall, or a recall of it by a greater one.
    fn recall(&mut self, held: &mut Register, recall: &Recall) -> bool {
        let notice = recall.notice.text();
        let applies = match &held.last_msg {
            Some(LastMsg::Message(_)) => true,
            Some(LastMsg::Recall { at, notice: shown }) => (*at, shown.plain()) < (recall.at, notice.plain()),
            None => false,
        };
        if applies {
            self.held.clear();
            held.last_msg = Some(LastMsg::Recall { at: recall.at, notice });
        }
        applies
    }

    /// Adds an edit that waits for its message, unless that message is recalled.
    fn await_edited(&mut self, Edit { id, time, texts, .. }: &Edit) {
        let pending = self.pending.entry(id.clone()).or_insert_with(|| Pending::Edits(Edits::new()));
        let Pending::Edits(edits) = pending else { return };
        for (field, text) in texts {
            let new = (*time, text.clone());
            let known = edits.entry(*field).or_insert_with(|| new.clone());
            *known = new.max(std::mem::take(known));
        }
    }

    /// Adds a recall that waits for its message, in place of that message's edits.
    fn await_recalled(&mut self, recall: &Recall) {
        let (mut limit, mut at, mut notice) = (recall.limit(), recall.at, &recall.notice);
        let known = self.pending.remove(&recall.id);
        if let Some(Pending::Recall { limit: known_limit, at: known_at, notice: known_notice }) = &known {
            limit = limit.max(*known_limit);
            if (*known_at, known_notice.text().plain()) > (at, notice.text().plain()) {
                (at, notice) = (*known_at, known_notice);
            }
        }
        let recall_of_it = Pending::Recall { limit, at, notice: notice.clone() };
        self.pending.insert(recall.id.clone(), recall_of_it);
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

    /// Drops the pending amendments that can no longer be used, because their messages are older than the `held` one.
    fn drop_older(&mut self, held: Option<Timestamp>) {
        self.pending.retain(|_, pending| match pending {
            Pending::Edits(edits) => {
                edits.retain(|_, (time, _)| Some(*time) >= held);
                !edits.is_empty()
            }
            Pending::Recall { limit, .. } => Some(*limit) >= held,
        });
    }

    /// Drops the pending amendments above the limits, those of the earliest messages first. Those of the latest always stay.
    fn drop_above(&mut self, most_bytes: usize) {
        let latest = |pending: &Pending| match pending {
            Pending::Edits(edits) => edits.values().map(|(time, _)| *time).max(),
            Pending::Recall { limit, .. } => Some(*limit),
        };
        let mut latest_first: Vec<(Option<Timestamp>, MessageId)> =
            self.pending.iter().map(|(id, pending)| (latest(pending), id.clone())).collect();
        latest_first.sort_by(|a, b| b.cmp(a));
        let mut bytes = 0_usize;
        for (index, (_, id)) in latest_first.into_iter().enumerate() {
            let length = self.pending.get(&id).map_or(0, |pending| length(&id, pending));
            bytes = bytes.saturating_add(length);
            if index > 0 && (index >= MAX_PENDING || bytes > most_bytes) {
                self.pending.remove(&id);
            }
        }
    }
}
