//! An edit, and the edits that an item contains.

use std::collections::BTreeMap;

use crate::{
    id::MessageId,
    register::last_msg::{Field, Text},
    time::Timestamp,
};

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
    pub(super) held: BTreeMap<Field, Timestamp>,
    pub(super) pending: BTreeMap<MessageId, Pending>,
}

/// The edits of one message that is not held.
pub(super) type Pending = BTreeMap<Field, (Timestamp, Text)>;

impl Edits {
    /// Whether there are no edits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.pending.is_empty()
    }
}
