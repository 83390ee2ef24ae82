//! Membership of one user in one group.

use crate::{item::SessionItem, time::Timestamp};

/// What kind of event spoke of a user's membership. At one time a later kind stands: join < leave < list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// 0: they joined.
    Join,
    /// 1: they left or was removed.
    Leave,
    /// 2: a whole list of members named them.
    List,
}

impl Rank {
    /// The number that stands for it in items.
    #[must_use]
    pub fn as_number(self) -> u8 {
        match self {
            Self::Join => 0,
            Self::Leave => 1,
            Self::List => 2,
        }
    }

    /// The rank that the number stands for.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Join, Self::Leave, Self::List].into_iter().find(|rank| u64::from(rank.as_number()) == number)
    }
}

/// The place of an event in the order of a user's membership events: by time, then by rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberAt {
    /// When it happened.
    pub time: Timestamp,
    /// What kind of event it was.
    pub rank: Rank,
}

/// What a session item knows of their membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The newest event that spoke of them.
    pub at: MemberAt,
    /// Since when they are a member; none when they are none.
    pub since: Option<Timestamp>,
}

impl Membership {
    /// Whether the session item says that they are a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.since.is_some()
    }
}

impl SessionItem {
    /// Whether the session item says that its user is a member of the group.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.membership.is_some_and(|membership| membership.is_member())
    }
}
