//! Amendments: what became of a message after it was sent, which is that it was recalled or edited.
//!
//! Yunxin sends message copies for recalled messages, for edited messages, and for the further text of an answer that an AI goes on
//! writing. Such a copy names its message by id. It may come before its message, after another one, again, or for a message that
//! this item never gets, because its user had blocked the sender or moderation intercepted it. [`Amendments`] is stored next to the
//! [`Register`](super::Register) of a session item or of a group item, and contains:
//!
//! - *held*: for the message in the register, which is the held message, and for each field, the time of the edit whose text is in
//!   `lastMsg`;
//! - *pending*: for other messages, the recall, or for each field the greatest edit by (time, text).
//!
//! The laws:
//!
//! - An amendment belongs to one message. It shows nothing unless that message came to the item, and it never revives a session.
//! - A recall replaces the held message and its edits by a notice. The session's `updateTime` is then the time of the recall. Of two
//!   recalls of one message, the greater by (time, notice) is shown. A recalled message cannot be edited.
//! - Each field of another message shows the greatest edit of it by (time, text). An edit from before its own message has no effect.
//! - When another message replaces the held one, what is pending for it is applied, and *held* starts again. A delete leaves
//!   amendments alone, and a tombstone cannot be amended.
//! - A recall takes the place of the pending edits of its message. No content of a recalled message is kept.
//! - What is pending for a message that must be older than the held one is dropped. The last time at which a message can have been
//!   sent is, for its edits, their own time, and for its recall, the [limit](Recall::limit).
//! - Of the others, those of the 8 messages with the latest such times are kept, as far as they fit in twice the maximum length of a `lastMsg`, and in
//!   64 KB. The latest is always kept.
//!
//! Therefore what is **shown**, now and after any further copies, is a function of the set of copies, as long as the amendments
//! that wait for their messages belong to at most 8 messages and fit. What is stored is not. Of two session items that show the
//! same, one may contain more.

mod amendment;
mod merge;
mod stored;
#[cfg(test)]
mod tests;

pub use amendment::{Amendment, Amendments, Edit, Notice, Recall};
pub(crate) use merge::Change;
pub use stored::InvalidAmendments;
