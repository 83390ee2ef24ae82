//! The port through which lists and changes are read.

use std::collections::{BTreeMap, HashMap};

use crate::{
    id::{GroupId, SessionId},
    item::{GroupItem, SessionItem},
    time::Timestamp,
};

/// The groups that a user is a member of, with the user's session item of each.
pub type Memberships = BTreeMap<GroupId, SessionItem>;

/// The position of a session item in an index by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey {
    /// The time by which the item is indexed.
    pub time: Timestamp,
    /// The item's session.
    pub session_id: SessionId,
}

/// Where a query starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt<N> {
    /// At the beginning of its range.
    Beginning,
    /// Behind this position, at which there need not be an item.
    Behind(IndexKey),
    /// Where the previous query ended.
    Next(N),
}

/// The keys of session items that have a change time, in the order of their change times.
#[derive(Clone, Debug, Default)]
pub struct ChangeKeys {
    /// The keys, in the order of the index.
    pub keys: Vec<IndexKey>,
    /// Whether there are more in the range.
    pub more: bool,
    /// When the user was last erased, if that is in the range as far as it was read.
    pub erased_at: Option<Timestamp>,
}

/// Session items by `updateTime`, newest first.
#[derive(Clone, Debug)]
pub struct ByUpdateTime<N> {
    /// The session items, each with a stored `updateTime`. There is at least one if there are more in the range.
    pub session_items: Vec<(SessionId, SessionItem)>,
    /// Where to read on, if there are more in the range.
    pub next: Option<N>,
}

/// Reads one user's session items, and group items. Items that cannot be understood are left out.
pub trait SessionReader: Sync {
    /// The error of a read.
    type Error: Send;
    /// The end of a query.
    type Next: Send;

    /// Does two reads, concurrently if it can.
    fn both<A: Send, B: Send>(
        &self,
        one: impl Future<Output = Result<A, Self::Error>> + Send,
        other: impl Future<Output = Result<B, Self::Error>> + Send,
    ) -> impl Future<Output = Result<(A, B), Self::Error>> + Send;

    /// Reads the session items whose `updateTime` is in this range, both ends inclusive, newest first. Strongly consistent.
    fn by_update_time(
        &self,
        range: (Timestamp, Timestamp),
        start: StartAt<Self::Next>,
        limit: usize,
    ) -> impl Future<Output = Result<ByUpdateTime<Self::Next>, Self::Error>> + Send;

    /// Reads the keys of session items whose change times are in this range, both ends inclusive, after a position. Strongly
    /// consistent.
    fn change_keys(
        &self,
        range: (Timestamp, Timestamp),
        after: Option<&IndexKey>,
        limit: usize,
    ) -> impl Future<Output = Result<ChangeKeys, Self::Error>> + Send;

    /// Reads the session items with these ids that exist. An item that cannot be understood is `None`. Strongly consistent.
    fn session_items(
        &self,
        ids: Vec<SessionId>,
    ) -> impl Future<Output = Result<HashMap<SessionId, Option<SessionItem>>, Self::Error>> + Send;

    /// Reads all groups that the user is a member of. Strongly consistent.
    fn memberships(&self) -> impl Future<Output = Result<Memberships, Self::Error>> + Send;

    /// The maximum number of group items that are read together. It bounds the memory of a request.
    fn group_items_at_once(&self) -> usize;

    /// Reads the group items that exist. Eventually consistent.
    fn group_items(
        &self,
        groups: Vec<GroupId>,
    ) -> impl Future<Output = Result<HashMap<GroupId, GroupItem>, Self::Error>> + Send;
}
