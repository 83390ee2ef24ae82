//! One user's session items and the group item of one group, what writes do to them, and what reads find.

use std::collections::{BTreeMap, HashMap};

use session_model::{
    Account, ChangeKey, ChangeReads, GroupId, GroupItem, Keys, Memberships, RecentSession, SessionId,
    SessionItem, Start, Timestamp, UpdatedItems,
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

/// What a user's device shows.
pub(crate) type Copy = BTreeMap<SessionId, RecentSession>;

/// Something deliberately broken, to see that it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Broken {
    #[default]
    Nothing,
    /// Writes of a kind are not stamped.
    Unstamped(Kind),
    /// The bound of `updateTime` is P, without the allowance for late messages.
    NoAllowance,
    /// The next pass begins where this one ended, not where it started.
    PositionAtTheEnd,
    /// W is a third too small.
    ShortWindow,
    /// Among the session items that `updateTime` shows, all stamped ones are passed over.
    StampedArePassedOver,
    /// Stamps are read up to the pass's start.
    StampsUpToTheStart,
}

/// The tables as far as the user sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) rows: BTreeMap<SessionId, SessionItem>,
    pub(crate) head: GroupItem,
    /// What the head was, and when each write of it was done.
    pub(crate) head_before: Vec<(f64, GroupItem)>,
}

impl World {
    pub(crate) fn row(&mut self, id: &SessionId) -> &mut SessionItem {
        self.rows.entry(id.clone()).or_default()
    }

    /// Does a write at a moment of real time.
    pub(crate) fn apply(&mut self, write: &Write, moment: f64, broken: Broken) {
        let before = self.head.clone();
        let stamps = (self.head.change_time, self.rows.get(write.row()).and_then(|row| row.change_time));
        write.apply(self);
        if broken == Broken::Unstamped(write.kind()) {
            self.head.change_time = stamps.0;
            self.row(write.row()).change_time = stamps.1;
        }
        if self.head != before {
            self.head_before.push((moment, before));
        }
    }

    /// The group item as it was at a moment.
    fn head_at(&self, moment: f64) -> &GroupItem {
        self.head_before.iter().find(|(written, _)| *written > moment).map_or(&self.head, |(_, head)| head)
    }

    /// What a fresh full list shows.
    pub(crate) fn shown(&self) -> Copy {
        let session = |(id, row): (&SessionId, &SessionItem)| {
            let session = match id.group() {
                Some(group) => row.clone().into_group_session(&group, &user(), Some(self.head.clone())),
                None => row.clone().into_session(id.clone()),
            };
            session.map(|session| (id.clone(), session))
        };
        self.rows.iter().filter_map(session).collect()
    }
}

/// A read.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    Keys { stamps: (Timestamp, Timestamp), after: Option<ChangeKey>, limit: usize },
    Rows(Vec<SessionId>),
    Updated { least: Timestamp, after: Option<ChangeKey>, limit: usize },
    Memberships,
    Heads,
}

/// What a read finds.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Keys(Keys),
    Rows(HashMap<SessionId, SessionItem>),
    Updated(UpdatedItems),
    Memberships(Memberships),
    Heads(HashMap<GroupId, GroupItem>),
}

impl World {
    /// Reads at a moment; group items as they were a while before.
    pub(crate) fn read(&self, read: &Read, moment: f64, lag: f64, broken: Broken) -> Found {
        match read {
            Read::Keys { stamps: (from, to), after, limit } => {
                let to = if broken == Broken::StampsUpToTheStart { to.earlier_by(60_000) } else { *to };
                let mut keys: Vec<_> = self
                    .rows
                    .iter()
                    .filter_map(|(id, row)| {
                        Some(ChangeKey { time: row.change_time?, session_id: id.clone() })
                    })
                    .filter(|key| (*from..=to).contains(&key.time) && Some(key) > after.as_ref())
                    .collect();
                keys.sort();
                let more = keys.len() > *limit;
                keys.truncate(*limit);
                Found::Keys(Keys { keys, more })
            }
            Read::Rows(ids) => Found::Rows(
                ids.iter().filter_map(|id| Some((id.clone(), self.rows.get(id)?.clone()))).collect(),
            ),
            Read::Updated { least, after, limit } => {
                let least = if broken == Broken::NoAllowance {
                    least.later_by(session_model::LATE_MS)
                } else {
                    *least
                };
                let key = |id: &SessionId, row: &SessionItem| {
                    row.update_time().map(|time| ChangeKey { time, session_id: id.clone() })
                };
                let mut rows: Vec<_> = self
                    .rows
                    .iter()
                    .filter(|(_, row)| !(broken == Broken::StampedArePassedOver && row.change_time.is_some()))
                    .filter_map(|(id, row)| Some((key(id, row)?, row.clone())))
                    .filter(|(key, _)| key.time >= least && after.as_ref().is_none_or(|after| key < after))
                    .collect();
                rows.sort_by(|a, b| b.0.cmp(&a.0));
                let more = rows.len() > *limit;
                rows.truncate(*limit);
                let rows = rows.into_iter().map(|(key, row)| (key.session_id, row)).collect();
                Found::Updated(UpdatedItems { rows, more })
            }
            Read::Memberships => {
                let of = |(id, row): (&SessionId, &SessionItem)| {
                    Some((id.group()?, row.clone())).filter(|_| row.is_member())
                };
                Found::Memberships(self.rows.iter().filter_map(of).collect())
            }
            Read::Heads => {
                let head = self.head_at(moment - lag);
                Found::Heads(
                    [(group(), head.clone())]
                        .into_iter()
                        .filter(|(_, head)| *head != GroupItem::default())
                        .collect(),
                )
            }
        }
    }
}

/// Where reads come from.
pub(crate) trait Source: Sync {
    fn find(&self, read: Read) -> impl Future<Output = Found> + Send;
    /// The order in which a pass's first reads are answered.
    fn memberships_first(&self) -> bool;
}

/// The reads of a pass, each from a source.
pub(crate) struct From<'a, S>(pub(crate) &'a S);

impl<S: Source> ChangeReads for From<'_, S> {
    type Error = std::convert::Infallible;

    async fn start(
        &self,
        stamps: (Timestamp, Timestamp),
        least: Timestamp,
        limit: usize,
    ) -> Result<Start, Self::Error> {
        if self.0.memberships_first() {
            let memberships = self.memberships().await?;
            let updated = self.updated(least, None, limit).await?;
            return Ok(Start { keys: self.keys(stamps, None, limit).await?, updated, memberships });
        }
        let keys = self.keys(stamps, None, limit).await?;
        let updated = self.updated(least, None, limit).await?;
        Ok(Start { keys, updated, memberships: self.memberships().await? })
    }

    async fn keys(
        &self,
        stamps: (Timestamp, Timestamp),
        after: Option<&ChangeKey>,
        limit: usize,
    ) -> Result<Keys, Self::Error> {
        let read = Read::Keys { stamps, after: after.cloned(), limit };
        let Found::Keys(keys) = self.0.find(read).await else { unreachable!() };
        Ok(keys)
    }

    async fn rows(
        &self,
        ids: Vec<SessionId>,
    ) -> Result<HashMap<SessionId, Option<SessionItem>>, Self::Error> {
        let Found::Rows(rows) = self.0.find(Read::Rows(ids)).await else { unreachable!() };
        Ok(rows.into_iter().map(|(id, row)| (id, Some(row))).collect())
    }

    async fn updated(
        &self,
        least: Timestamp,
        after: Option<&ChangeKey>,
        limit: usize,
    ) -> Result<UpdatedItems, Self::Error> {
        let read = Read::Updated { least, after: after.cloned(), limit };
        let Found::Updated(rows) = self.0.find(read).await else { unreachable!() };
        Ok(rows)
    }

    async fn memberships(&self) -> Result<Memberships, Self::Error> {
        let Found::Memberships(memberships) = self.0.find(Read::Memberships).await else { unreachable!() };
        Ok(memberships)
    }

    async fn heads(&self, _: Vec<GroupId>) -> Result<HashMap<GroupId, GroupItem>, Self::Error> {
        let Found::Heads(heads) = self.0.find(Read::Heads).await else { unreachable!() };
        Ok(heads)
    }
}
