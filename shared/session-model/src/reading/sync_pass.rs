//! A pass: from which changes on it tells, and how far it has come.

use super::{LATE_MS, WINDOW_MS};
use crate::{
    id::{GroupId, SessionId},
    item::{GroupItem, SessionItem},
    time::Timestamp,
};

/// One pass over what has changed. It is told page by page: first the session items that are stamped, in the order of their stamps, then those
/// that their `updateTime` shows, the newest first, then the groups by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyncPass {
    /// P: the pass tells what has changed since then.
    pub(crate) since: Timestamp,
    /// When it started, and how far it has come; none between passes.
    pub(crate) under_way: Option<(Timestamp, Phase)>,
}

/// What was told last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Of the stamped session items.
    Changed(Option<ChangeKey>),
    /// Of the session items that their `updateTime` shows.
    Updated(Option<ChangeKey>),
    /// Of the groups.
    Groups(Option<GroupId>),
}

/// The place of a session item in an index by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeKey {
    /// When the item changed.
    pub time: Timestamp,
    /// Of which session.
    pub session_id: SessionId,
}

impl SyncPass {
    /// The pass that follows a full list, or another pass, which started at `now`.
    #[must_use]
    pub fn after(now: Timestamp) -> Self {
        Self { since: now.earlier_by(WINDOW_MS), under_way: None }
    }

    /// Since when it tells what has changed.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// When it started, and how far it has come by `now`.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> (Timestamp, Phase) {
        self.under_way.clone().unwrap_or((now, Phase::Changed(None)))
    }

    /// The stamps of the session items that are told first. They end at the pass's start and the skew of clocks, so that a pass ends also while
    /// writes go on; what is stamped later is told by the next one.
    #[must_use]
    pub fn change_times(&self, started: Timestamp) -> (Timestamp, Timestamp) {
        const SKEW_MS: u64 = 60 * 1000;
        (self.since, started.later_by(SKEW_MS))
    }

    /// Whether the place that it has come to lies where it goes. One that was never given may not.
    pub(crate) fn is_sound(&self) -> bool {
        let Some((started, phase)) = &self.under_way else { return true };
        let (from, to) = self.change_times(*started);
        from <= to
            && match phase {
                Phase::Changed(Some(after)) => (from..=to).contains(&after.time),
                Phase::Updated(Some(after)) => after.time >= self.least_update_time(),
                Phase::Changed(None) | Phase::Updated(None) | Phase::Groups(_) => true,
            }
    }

    /// The least `updateTime` of the session items that are told next.
    #[must_use]
    pub fn least_update_time(&self) -> Timestamp {
        self.since.earlier_by(LATE_MS)
    }

    /// Whether a stamped session item is told for itself: those of members are told with their groups.
    #[must_use]
    pub fn reports_changed(&self, session_item: &SessionItem) -> bool {
        !session_item.is_member()
    }

    /// Whether a session item is told for its `updateTime`: unless its stamp told it, or its group will.
    #[must_use]
    pub fn reports_updated(&self, session_item: &SessionItem, started: Timestamp) -> bool {
        let (from, to) = self.change_times(started);
        let is_reported =
            session_item.change_time.is_some_and(|change_time| (from..=to).contains(&change_time));
        !session_item.is_member() && !is_reported
    }

    /// Whether the session of a group is told, by its member's session item and its group item.
    #[must_use]
    pub fn reports_group(&self, session_item: &SessionItem, group_item: Option<&GroupItem>) -> bool {
        session_item.change_time >= Some(self.since)
            || session_item.update_time() >= Some(self.least_update_time())
            || group_item.is_some_and(|group_item| group_item.change_time >= Some(self.since))
    }
}
