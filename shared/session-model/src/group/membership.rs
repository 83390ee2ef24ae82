//! The membership of one user in one group.

use crate::time::Timestamp;

/// The kind of a membership event. At equal times the later kind wins: join < leave < list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// 0: the user joined.
    Join,
    /// 1: the user left or was removed.
    Leave,
    /// 2: a whole list of members contained the user.
    List,
}

impl Rank {
    /// The number that represents the rank in items.
    #[must_use]
    pub fn as_number(self) -> u8 {
        match self {
            Self::Join => 0,
            Self::Leave => 1,
            Self::List => 2,
        }
    }

    /// The rank that the number represents.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Join, Self::Leave, Self::List].into_iter().find(|rank| u64::from(rank.as_number()) == number)
    }
}

/// The position of an event in the order of a user's membership events: by time, then by rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberAt {
    /// The time of the event.
    pub time: Timestamp,
    /// The kind of the event.
    pub rank: Rank,
}

/// The user's membership according to a session item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The newest event about the user's membership.
    pub at: MemberAt,
    /// Since when the user is a member; `None` if they are not.
    pub since: Option<Timestamp>,
}

impl Membership {
    /// Whether the user is a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.since.is_some()
    }
}
