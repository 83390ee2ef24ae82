//! Edits: later forms of messages, which are stored next to the register.
//!
//! Yunxin sends message copies for edited messages, and for the further text of an answer that an AI goes on writing. Such a copy
//! names its message by id and does not contain the message's time. It may therefore come before its message, after another one, or
//! again, and no position shows which is the case. [`Edits`] is stored next to the [`Register`](super::Register) of a session item
//! or of a group item, and contains:
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

mod known;
mod merge;
mod stored;
#[cfg(test)]
mod tests;

pub use known::{Edit, Edits};
pub use stored::InvalidEdits;
