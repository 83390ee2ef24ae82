//! A sync pass: which changes it reports, and how far it has come.

use super::reader::IndexKey;
use crate::{
    id::GroupId,
    item::{GroupItem, LATE_MS, SessionItem},
    time::Timestamp,
};

/// The maximum sum of the difference of two clocks, the time that a write takes to reach the table, and the lag of a group item's
/// read: 6 minutes. If a request was frozen with its function, it is sent when the function thaws. DynamoDB rejects it only if it
/// was signed more than 5 minutes ago. The remaining minute is for the rest.
pub const WINDOW_MS: u64 = 6 * 60 * 1000;

/// How long a pass may take before another one follows immediately.
const MAX_PASS_MS: u64 = 10 * 1000;
/// How long a pass that follows another one immediately may take before a further one does.
const MAX_FOLLOW_UP_MS: u64 = 10 * 60 * 1000;

/// One sync pass over the changes. Its pages report first the session items that have a change time, in the order of their change
/// times. Then come those that are found by their `updateTime`, newest first, and then the groups by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyncPass {
    /// P: the pass reports what has changed since then.
    pub(crate) since: Timestamp,
    /// When it started, and how far it has come; `None` between passes.
    pub(crate) under_way: Option<(Timestamp, Phase)>,
    /// Whether it follows immediately after a pass that took long.
    pub(crate) is_follow_up: bool,
}

/// The phase of a pass, and what was reported last in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The session items by change time.
    Changed(Option<IndexKey>),
    /// The session items by `updateTime`.
    Updated(Option<IndexKey>),
    /// The groups.
    Groups(Option<GroupId>),
}

impl SyncPass {
    /// The pass that follows a full list or another pass, which started at `now`.
    #[must_use]
    pub fn after(now: Timestamp) -> Self {
        Self { since: now.earlier_by(WINDOW_MS), under_way: None, is_follow_up: false }
    }

    /// The pass after this one, which started at `started` and ended at `now`, and whether it follows immediately.
    pub(crate) fn next(&self, started: Timestamp, now: Timestamp) -> (bool, Self) {
        let most = if self.is_follow_up { MAX_FOLLOW_UP_MS } else { MAX_PASS_MS };
        let is_follow_up = now > started.later_by(most);
        (is_follow_up, Self { is_follow_up, ..Self::after(started) })
    }

    /// The time since which it reports changes.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// When it started, and how far it has come. A new pass starts at `now`.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> (Timestamp, Phase) {
        self.under_way.clone().unwrap_or((now, Phase::Changed(None)))
    }

    /// The range of change times of the session items that are reported first. It ends at the pass's start plus the skew of clocks,
    /// so that a pass ends even while writes continue. Later changes are reported by the next pass.
    #[must_use]
    pub fn change_times(&self, started: Timestamp) -> (Timestamp, Timestamp) {
        const SKEW_MS: u64 = 60 * 1000;
        (self.since, started.later_by(SKEW_MS))
    }

    /// Whether its position is inside its ranges. A position that the service never issued may not be.
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

    /// The minimum `updateTime` of the session items that are reported next.
    #[must_use]
    pub fn least_update_time(&self) -> Timestamp {
        self.since.earlier_by(LATE_MS)
    }

    /// Whether a device that has what was listed before this pass may show something that was erased since. It must fetch the list
    /// again. The clocks of the two requests may differ by a minute.
    #[must_use]
    pub fn is_erased(&self, erased_at: Timestamp) -> bool {
        const SKEW_MS: u64 = 60 * 1000;
        self.since.later_by(WINDOW_MS) <= erased_at.later_by(SKEW_MS)
    }

    /// Whether a session item that has a change time is reported by itself. Those of members are reported with their groups.
    #[must_use]
    pub fn reports_changed(&self, session_item: &SessionItem) -> bool {
        !session_item.is_member()
    }

    /// Whether a session item is reported because of its `updateTime`: only if it was not reported by its change time and is not
    /// reported with its group.
    #[must_use]
    pub fn reports_updated(&self, session_item: &SessionItem, started: Timestamp) -> bool {
        let (from, to) = self.change_times(started);
        let is_reported =
            session_item.change_time.is_some_and(|change_time| (from..=to).contains(&change_time));
        !session_item.is_member() && !is_reported
    }

    /// Whether the session of a group is reported, given its member's session item and its group item.
    #[must_use]
    pub fn reports_group(&self, session_item: &SessionItem, group_item: Option<&GroupItem>) -> bool {
        session_item.change_time >= Some(self.since)
            || session_item.update_time() >= Some(self.least_update_time())
            || group_item.is_some_and(|group_item| group_item.change_time >= Some(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_took_long_is_followed_by_another_but_not_for_ever() {
        let ms = Timestamp::from_millis;
        let start = ms(1_700_000_000_000);
        let follows = |pass: &SyncPass, took: u64| pass.next(start, start.later_by(took));
        let usual = SyncPass::after(start);
        assert_eq!(follows(&usual, 10_000), (false, usual.clone()));
        let (has_more, follow_up) = follows(&usual, 10_001);
        assert!(has_more && follow_up == SyncPass { is_follow_up: true, ..usual.clone() });
        assert_eq!(follows(&follow_up, 600_000), (false, usual));
        assert!(follows(&follow_up, 600_001).0);
    }
}
