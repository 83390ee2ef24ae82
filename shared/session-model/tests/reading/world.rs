//! One user's session items and the group item of one group, what writes do to them, and what reads return.

use std::collections::{BTreeMap, HashMap};

use session_model::{
    Account, GroupId, GroupItem, RecentSession, SessionId, SessionItem, Timestamp,
    reading::{ByUpdateTime, ChangeKeys, IndexKey, Memberships, SessionReader, StartAt},
};

use crate::writes::{Kind, Write};

/// A time in half minutes.
pub(crate) fn at(half_minutes: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(half_minutes * 30_000).unwrap())
}

pub(crate) fn user() -> Account {
    "alice".parse().unwrap()
}

pub(crate) fn p2p() -> SessionId {
    "p2p|bob".parse().unwrap()
}

pub(crate) fn group() -> GroupId {
    "team|1".parse().unwrap()
}

/// The sessions that a user's device shows.
pub(crate) type Copy = BTreeMap<SessionId, RecentSession>;

/// A deliberate fault, to check that it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Broken {
    #[default]
    Nothing,
    /// Writes of this kind do not set a change time.
    WithoutChangeTime(Kind),
    /// The lower bound of `updateTime` is P, without the allowance for late messages.
    NoAllowance,
    /// The next pass begins where this one ended, not where it started.
    PositionAtTheEnd,
    /// W is a third too small.
    ShortWindow,
    /// Among the session items found by `updateTime`, all that have a change time are skipped.
    ChangedAreSkipped,
    /// Change times are read only up to the pass's start.
    ChangeTimesUpToTheStart,
}

/// The tables, as far as the user sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) session_items: BTreeMap<SessionId, SessionItem>,
    pub(crate) group_item: GroupItem,
    /// The earlier states of the group item, each with the moment at which a write replaced it.
    pub(crate) group_item_before: Vec<(f64, GroupItem)>,
}

impl World {
    pub(crate) fn session_item(&mut self, id: &SessionId) -> &mut SessionItem {
        self.session_items.entry(id.clone()).or_default()
    }

    /// Applies a write at a moment of real time.
    pub(crate) fn apply(&mut self, write: &Write, moment: f64, broken: Broken) {
        let before = self.group_item.clone();
        let change_times = (
            self.group_item.change_time,
            self.session_items.get(write.session_item()).and_then(|session_item| session_item.change_time),
        );
        write.apply(self);
        if broken == Broken::WithoutChangeTime(write.kind()) {
            self.group_item.change_time = change_times.0;
            self.session_item(write.session_item()).change_time = change_times.1;
        }
        if self.group_item != before {
            self.group_item_before.push((moment, before));
        }
    }

    /// The group item as it was at a moment.
    fn group_item_at(&self, moment: f64) -> &GroupItem {
        self.group_item_before
            .iter()
            .find(|(written, _)| *written > moment)
            .map_or(&self.group_item, |(_, group_item)| group_item)
    }

    /// What a fresh full list shows.
    pub(crate) fn shown(&self) -> Copy {
        let session = |(id, session_item): (&SessionId, &SessionItem)| {
            let session = match id.group() {
                Some(group) => {
                    session_item.clone().into_group_session(&group, &user(), Some(self.group_item.clone()))
                }
                None => session_item.clone().into_session(id.clone()),
            };
            session.map(|session| (id.clone(), session))
        };
        self.session_items.iter().filter_map(session).collect()
    }
}

/// A read.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    Keys { range: (Timestamp, Timestamp), after: Option<IndexKey>, limit: usize },
    SessionItems(Vec<SessionId>),
    Updated { range: (Timestamp, Timestamp), after: Option<IndexKey>, limit: usize },
    Memberships,
    GroupItems,
}

/// The result of a read.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Keys(ChangeKeys),
    SessionItems(HashMap<SessionId, SessionItem>),
    Updated(ByUpdateTime<IndexKey>),
    Memberships(Memberships),
    GroupItems(HashMap<GroupId, GroupItem>),
}

impl World {
    /// Reads at a moment. Group items are read as they were `lag` before.
    pub(crate) fn read(&self, read: &Read, moment: f64, lag: f64, broken: Broken) -> Found {
        match read {
            Read::Keys { range: (from, to), after, limit } => {
                let to = if broken == Broken::ChangeTimesUpToTheStart { to.earlier_by(60_000) } else { *to };
                let mut keys: Vec<_> = self
                    .session_items
                    .iter()
                    .filter_map(|(id, session_item)| {
                        Some(IndexKey { time: session_item.change_time?, session_id: id.clone() })
                    })
                    .filter(|key| (*from..=to).contains(&key.time) && Some(key) > after.as_ref())
                    .collect();
                keys.sort();
                let more = keys.len() > *limit;
                keys.truncate(*limit);
                Found::Keys(ChangeKeys { keys, more, erased_at: None })
            }
            Read::SessionItems(ids) => Found::SessionItems(
                ids.iter().filter_map(|id| Some((id.clone(), self.session_items.get(id)?.clone()))).collect(),
            ),
            Read::Updated { range: (min, max), after, limit } => {
                let min = if broken == Broken::NoAllowance {
                    min.later_by(session_model::item::LATE_MS)
                } else {
                    *min
                };
                let key = |id: &SessionId, session_item: &SessionItem| {
                    session_item.stored_update_time().map(|time| IndexKey { time, session_id: id.clone() })
                };
                let mut found: Vec<_> = self
                    .session_items
                    .iter()
                    .filter(|(_, session_item)| {
                        !(broken == Broken::ChangedAreSkipped && session_item.change_time.is_some())
                    })
                    .filter_map(|(id, session_item)| Some((key(id, session_item)?, session_item.clone())))
                    .filter(|(key, _)| {
                        (min..=*max).contains(&key.time) && after.as_ref().is_none_or(|after| key < after)
                    })
                    .collect();
                found.sort_by(|a, b| b.0.cmp(&a.0));
                let more = found.len() > *limit;
                found.truncate(*limit);
                let next = found.last().filter(|_| more).map(|(key, _)| key.clone());
                let session_items =
                    found.into_iter().map(|(key, session_item)| (key.session_id, session_item)).collect();
                Found::Updated(ByUpdateTime { session_items, next })
            }
            Read::Memberships => {
                let of = |(id, session_item): (&SessionId, &SessionItem)| {
                    Some((id.group()?, session_item.clone())).filter(|_| session_item.is_member())
                };
                Found::Memberships(self.session_items.iter().filter_map(of).collect())
            }
            Read::GroupItems => {
                let group_item = self.group_item_at(moment - lag);
                Found::GroupItems(
                    [(group(), group_item.clone())]
                        .into_iter()
                        .filter(|(_, group_item)| *group_item != GroupItem::default())
                        .collect(),
                )
            }
        }
    }
}

/// A source of what reads return.
pub(crate) trait Source: Sync {
    fn find(&self, read: Read) -> impl Future<Output = Found> + Send;
    /// The order of two reads that are done together.
    fn second_first(&self) -> bool;
}

/// The reads of a pass, each of which gets its result from a source.
pub(crate) struct From<'a, S>(pub(crate) &'a S);

impl<S: Source> SessionReader for From<'_, S> {
    type Error = std::convert::Infallible;
    type Next = IndexKey;

    async fn both<A: Send, B: Send>(
        &self,
        one: impl Future<Output = Result<A, Self::Error>> + Send,
        other: impl Future<Output = Result<B, Self::Error>> + Send,
    ) -> Result<(A, B), Self::Error> {
        if self.0.second_first() {
            let other = other.await?;
            return Ok((one.await?, other));
        }
        Ok((one.await?, other.await?))
    }

    async fn by_update_time(
        &self,
        range: (Timestamp, Timestamp),
        start: StartAt<IndexKey>,
        limit: usize,
    ) -> Result<ByUpdateTime<IndexKey>, Self::Error> {
        let after = match start {
            StartAt::Beginning => None,
            StartAt::Behind(key) | StartAt::Next(key) => Some(key),
        };
        let Found::Updated(found) = self.0.find(Read::Updated { range, after, limit }).await else {
            unreachable!()
        };
        Ok(found)
    }

    async fn change_keys(
        &self,
        range: (Timestamp, Timestamp),
        after: Option<&IndexKey>,
        limit: usize,
    ) -> Result<ChangeKeys, Self::Error> {
        let read = Read::Keys { range, after: after.cloned(), limit };
        let Found::Keys(keys) = self.0.find(read).await else { unreachable!() };
        Ok(keys)
    }

    async fn session_items(
        &self,
        ids: Vec<SessionId>,
    ) -> Result<HashMap<SessionId, Option<SessionItem>>, Self::Error> {
        let Found::SessionItems(session_items) = self.0.find(Read::SessionItems(ids)).await else {
            unreachable!()
        };
        Ok(session_items.into_iter().map(|(id, session_item)| (id, Some(session_item))).collect())
    }

    async fn memberships(&self) -> Result<Memberships, Self::Error> {
        let Found::Memberships(memberships) = self.0.find(Read::Memberships).await else { unreachable!() };
        Ok(memberships)
    }

    fn group_items_at_once(&self) -> usize {
        2
    }

    async fn group_items(&self, _: Vec<GroupId>) -> Result<HashMap<GroupId, GroupItem>, Self::Error> {
        let Found::GroupItems(group_items) = self.0.find(Read::GroupItems).await else { unreachable!() };
        Ok(group_items)
    }
}
