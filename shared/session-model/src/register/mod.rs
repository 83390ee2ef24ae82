//! The merge rule: which of two reports about one session wins.
//!
//! The feed delivers late, twice and out of order. Therefore each session is a *register*. It holds one position of the message
//! order and the content at that position, and merging keeps the greater of two registers. Because that is the maximum of a total
//! order, merging is
//!
//! - **idempotent**: `merge(a, a) = a`, so a copy may arrive any number of times;
//! - **commutative and associative**: `merge(a, b) = merge(b, a)`, so copies may arrive in any order.
//!
//! No wall clock takes part. The order is by [`Position`], then by kind: message < recall < tombstone. Of two recalls of one
//! message, the later one wins.

pub mod edits;
pub(crate) mod last_msg;

use crate::{id::MessageId, json::JsonText, time::Timestamp};

/// A message's position in the order of a session: by time, and at equal times by server id in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When the message was sent (`msgTimestamp`).
    pub time: Timestamp,
    /// The message's server id (`msgidServer`).
    pub id: MessageId,
}

/// What a session shows as its last message, as JSON text for the app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LastMsg {
    /// The message itself.
    Message(JsonText),
    /// The notice that it was recalled, without any of its content.
    Recall {
        /// When it was recalled. It is the session's `updateTime` from then on.
        at: Timestamp,
        /// The recall notice that is shown.
        notice: JsonText,
    },
}

/// What one message copy reports about one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The position of the message, or of the message that was recalled.
    pub position: Position,
    /// What the session shows if this entry wins.
    pub last_msg: LastMsg,
}

/// The state of a session: the newest known position, and the content at that position.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// The newest position.
    pub position: Position,
    /// What is shown. `None` is a tombstone: the user deleted the session when this was the newest position.
    pub last_msg: Option<LastMsg>,
}

impl Entry {
    /// The `updateTime` of a session that shows this entry: the time of the message, or of the recall.
    #[must_use]
    pub fn update_time(&self) -> Timestamp {
        match self.last_msg {
            LastMsg::Message(_) => self.position.time,
            LastMsg::Recall { at, .. } => at,
        }
    }
}

impl Register {
    /// Creates the register of a session that was deleted at this position.
    #[must_use]
    pub fn tombstone(position: Position) -> Self {
        Self { position, last_msg: None }
    }

    /// The merge rule: returns the greater of the two, or `held` if they are equal in order.
    #[must_use]
    pub fn merge(held: Option<Self>, other: Self) -> Self {
        match held {
            Some(held) if !other.supersedes(&held) => held,
            _ => other,
        }
    }

    /// Whether this is strictly greater than `held`, so that merging would change what is held.
    #[must_use]
    pub fn supersedes(&self, held: &Self) -> bool {
        self.order() > held.order()
    }

    fn order(&self) -> (&Position, u8, Timestamp) {
        let (kind, recalled_at) = match self.last_msg {
            Some(LastMsg::Message(_)) => (0, Timestamp::default()),
            Some(LastMsg::Recall { at, .. }) => (1, at),
            None => (2, Timestamp::default()),
        };
        (&self.position, kind, recalled_at)
    }

    /// The `updateTime` of a session that shows this register, or `None` for a tombstone.
    #[must_use]
    pub fn update_time(&self) -> Option<Timestamp> {
        match self.last_msg {
            Some(LastMsg::Message(_)) => Some(self.position.time),
            Some(LastMsg::Recall { at, .. }) => Some(at),
            None => None,
        }
    }
}

impl From<Entry> for Register {
    fn from(Entry { position, last_msg }: Entry) -> Self {
        Self { position, last_msg: Some(last_msg) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Registers of a small history. It has few times, ids and kinds, so that equal positions are common. As in a real feed, a
    /// message has one content, and so has a recall of it at one time.
    pub(crate) fn registers() -> impl Strategy<Value = Register> {
        (0..3u64, 0..2u8, 0..4u64).prop_map(|(time, id, kind)| {
            let position =
                Position { time: Timestamp::from_millis(1_000 + time), id: (*format!("m{id}")).into() };
            let last_msg = match kind {
                0 => Some(LastMsg::Message(format!("message {position:?}").into())),
                1 => None,
                recall => Some(LastMsg::Recall {
                    at: Timestamp::from_millis(1_000 + recall),
                    notice: format!("recall of {position:?} at {recall}").into(),
                }),
            };
            Register { position, last_msg }
        })
    }

    fn merged(history: impl IntoIterator<Item = Register>) -> Option<Register> {
        history.into_iter().fold(None, |held, register| Some(Register::merge(held, register)))
    }

    fn position(time: u64, id: &str) -> Position {
        Position { time: Timestamp::from_millis(time), id: id.into() }
    }

    fn message(time: u64, id: &str) -> Register {
        Entry { position: position(time, id), last_msg: LastMsg::Message("".into()) }.into()
    }

    fn recall(time: u64, id: &str, at: u64) -> Register {
        let last_msg = LastMsg::Recall { at: Timestamp::from_millis(at), notice: "".into() };
        Entry { position: position(time, id), last_msg }.into()
    }

    #[test]
    fn the_order_is_time_then_id_then_kind() {
        let ascending = [
            Register::tombstone(position(1, "10")),
            message(2, "9"),
            recall(2, "9", 3),
            recall(2, "9", 4),
            Register::tombstone(position(2, "9")),
            message(2, "10"),
            message(3, "0"),
        ];
        for pair in ascending.windows(2) {
            assert!(pair[1].supersedes(&pair[0]) && !pair[0].supersedes(&pair[1]), "{pair:?}");
        }
        assert!(!ascending[0].supersedes(&ascending[0]));
    }

    proptest! {
        /// Messages, recalls and deletes in any order, with any repetitions, end in one state.
        #[test]
        fn merging_does_not_depend_on_order_or_repetition(
            (history, delivered) in prop::collection::vec(registers(), 1..8).prop_flat_map(|history| {
                let twice = [history.clone(), history.clone()].concat();
                (Just(history), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(merged(history), merged(delivered));
        }

        #[test]
        fn merging_is_associative(a in registers(), b in registers(), c in registers()) {
            let left = Register::merge(Some(Register::merge(Some(a.clone()), b.clone())), c.clone());
            let right = Register::merge(Some(a), Register::merge(Some(b), c));
            prop_assert_eq!(left, right);
        }
    }
}
