//! Changes: how a device keeps its local copy of the list up to date.
//!
//! A device that syncs by `updateTime` alone never learns of deletes, of custom data set on other devices, of edits, or of anything
//! that the feed delivers late. A *sync pass* reports all of these. It begins where the previous pass ended. A device that applies
//! everything that a pass reports shows what a fresh full list would show, once no more writes are done.
//!
//! This does not need an order of all changes. A low watermark is enough:
//!
//! - **The writer** sets `changeTime` to the clock of its request. The exception is a message or recall on a session item whose new
//!   `updateTime` is at most [`LATE_MS`](crate::item::LATE_MS) old ([`is_in_window`](crate::item::is_in_window)), because the index by `updateTime` contains that one. Group items
//!   always get a change time.
//! - **The reader** of a pass that starts at clock c with position P gets the session items with `changeTime` ≥ P, those with
//!   `updateTime` ≥ P − `LATE_MS`, and each group whose session item or group item satisfies one of these. When the pass has
//!   ended, the next P is c − [`WINDOW_MS`](super::WINDOW_MS).
//!
//! A write that was done before the pass began is read by it, since reads of session items are strongly consistent. A write that is
//! done later has a `changeTime` above c − `WINDOW_MS`, or an `updateTime` above c − `WINDOW_MS` − `LATE_MS`. This holds as
//! long as the difference of clocks, the time that a write takes to reach the table, and the lag of a group item's eventually
//! consistent read together take less than `WINDOW_MS`. The price is that changes of the last few minutes are reported again.
//!
//! A pass whose pages are requested slowly ends without what changed since it began. So if it took more than 10 seconds, another pass
//! follows immediately. That one is followed by a further one only if it took more than 10 minutes, so that passes end although the
//! device is slow.
//!
//! A pass that begins before the user was erased reports nothing, and the device fetches the list again. The marker of the erasure is
//! found by its change time, so this costs nothing.
//!
//! `tests/reading` explores this.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    page::{Filler, PageRequest},
    reader::{ByUpdateTime, ChangeKeys, IndexKey, Memberships, SessionReader, StartAt},
    sync_pass::{Phase, SyncPass},
    sync_token::SyncToken,
};
use crate::{
    id::{Account, GroupId, SessionId},
    item::{RecentSession, SessionItem},
    time::Timestamp,
};

/// The maximum number of session items that one request reads. It bounds the memory of a page.
const SESSION_ITEMS_A_READ: usize = 50;
/// The number of requests for session items after which a page ends, however little it reports. Session items that are only skipped
/// must not take the whole time of an invocation, or the pass would never get past them.
const MAX_REQUESTS: usize = 20;

/// One page of what has changed in a user's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentSessionChanges {
    /// The changed sessions, as they are now.
    pub updated: Vec<RecentSession>,
    /// The sessions that do not exist any more, including some that the device never had.
    pub deleted: Vec<SessionId>,
    /// Whether there are more changes to fetch immediately.
    pub has_more: bool,
    /// Where the next request continues.
    pub sync_token: SyncToken,
}

/// One page of a sync pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// The changed sessions, as they are now.
    pub updated: Vec<RecentSession>,
    /// The sessions that do not exist any more, including some that the device never had.
    pub deleted: Vec<SessionId>,
    /// Whether the pass continues, or another one follows immediately.
    pub has_more: bool,
    /// Where the pass continues, or the next pass if this one has ended.
    pub next: SyncPass,
}

/// The first reads of a pass.
struct First<N> {
    keys: Option<ChangeKeys>,
    updated: Option<ByUpdateTime<N>>,
    memberships: Option<Memberships>,
}

/// How far a phase has come on a page.
enum Progress {
    Ended,
    /// The page is full. The next one continues here.
    Stopped(Phase),
    /// The user was erased since the pass's position.
    Erased,
}

/// Reads one page of a pass, from the position `sync_pass`. Returns `None` if the user was erased since: what the device has must not
/// be shown any more.
pub async fn read_changes<R: SessionReader>(
    reader: &R,
    user: &Account,
    sync_pass: &SyncPass,
    of: PageRequest,
    now: Timestamp,
) -> Result<Option<ChangesPage>, R::Error> {
    let (started, mut phase) = sync_pass.progress(now);
    let reading = Reading {
        reader,
        user,
        position: sync_pass,
        started,
        first: of.limit.get().min(SESSION_ITEMS_A_READ),
    };
    let mut page = Page::new(of);
    let mut first = First { keys: None, updated: None, memberships: None };
    if sync_pass.under_way.is_none() {
        first = reading.first_reads().await?;
    }
    loop {
        let (progress, next) = match phase {
            Phase::Changed(after) => {
                (reading.changed(after, first.keys.take(), &mut page).await?, Phase::Updated(None))
            }
            Phase::Updated(after) => {
                (reading.updated(after, first.updated.take(), &mut page).await?, Phase::Groups(None))
            }
            Phase::Groups(after) => {
                let memberships = match first.memberships.take() {
                    Some(memberships) => memberships,
                    None => reader.memberships().await?,
                };
                match reading.groups(after, memberships, &mut page).await? {
                    Progress::Ended => {
                        let (has_more, next) = sync_pass.next(started, now);
                        return Ok(Some(page.finish(has_more, next)));
                    }
                    progress => (progress, Phase::Groups(None)),
                }
            }
        };
        match progress {
            Progress::Ended => phase = next,
            Progress::Stopped(stopped) => {
                let under_way = Some((started, stopped));
                return Ok(Some(page.finish(true, SyncPass { under_way, ..sync_pass.clone() })));
            }
            Progress::Erased => return Ok(None),
        }
    }
}

struct Reading<'a, R> {
    reader: &'a R,
    user: &'a Account,
    position: &'a SyncPass,
    started: Timestamp,
    /// The number of session items that the first requests read.
    first: usize,
}

impl<R: SessionReader> Reading<'_, R> {
    /// Does the first read of each phase. Two at a time: a third connection would cost a cold start more time than doing the short
    /// queries one after the other.
    async fn first_reads(&self) -> Result<First<R::Next>, R::Error> {
        let range = self.position.change_times(self.started);
        let short = async {
            let keys = self.reader.change_keys(range, None, self.first).await?;
            Ok((keys, self.reader.memberships().await?))
        };
        let updated = self.by_update_time(StartAt::Beginning, self.first);
        let (updated, (keys, memberships)) = self.reader.both(updated, short).await?;
        Ok(First { keys: Some(keys), updated: Some(updated), memberships: Some(memberships) })
    }

    async fn by_update_time(
        &self,
        start: StartAt<R::Next>,
        limit: usize,
    ) -> Result<ByUpdateTime<R::Next>, R::Error> {
        let range = (self.position.least_update_time(), Timestamp::MAX);
        self.reader.by_update_time(range, start, limit).await
    }

    /// Reports the session items with change times.
    async fn changed(
        &self,
        mut after: Option<IndexKey>,
        mut first: Option<ChangeKeys>,
        page: &mut Page,
    ) -> Result<Progress, R::Error> {
        let range = self.position.change_times(self.started);
        let mut limit = self.first;
        for _ in 0..MAX_REQUESTS {
            let found = match first.take() {
                Some(found) => found,
                None => self.reader.change_keys(range, after.as_ref(), limit).await?,
            };
            limit = SESSION_ITEMS_A_READ;
            if found.erased_at.is_some_and(|erased_at| self.position.is_erased(erased_at)) {
                return Ok(Progress::Erased);
            }
            let ids: Vec<_> = found.keys.iter().map(|key| key.session_id.clone()).collect();
            let mut session_items =
                if ids.is_empty() { HashMap::new() } else { self.reader.session_items(ids).await? };
            for key in found.keys {
                // A session item that no longer exists has expired, so it showed nothing. One that cannot be understood is not
                // reported.
                let session_item =
                    session_items.remove(&key.session_id).unwrap_or_else(|| Some(SessionItem::default()));
                if let Some(session_item) = session_item.filter(|item| self.position.reports_changed(item)) {
                    let session = session_item.into_session(key.session_id.clone());
                    if !page.push(&key.session_id, session) {
                        return Ok(Progress::Stopped(Phase::Changed(after)));
                    }
                }
                after = Some(key);
            }
            if !found.more {
                return Ok(Progress::Ended);
            }
        }
        Ok(Progress::Stopped(Phase::Changed(after)))
    }

    /// Reports the session items that are found by their `updateTime`.
    async fn updated(
        &self,
        mut after: Option<IndexKey>,
        mut first: Option<ByUpdateTime<R::Next>>,
        page: &mut Page,
    ) -> Result<Progress, R::Error> {
        let mut limit = self.first;
        let mut start = after.clone().map_or(StartAt::Beginning, StartAt::Behind);
        for _ in 0..MAX_REQUESTS {
            let ByUpdateTime { session_items, next } = match first.take() {
                Some(found) => found,
                None => self.by_update_time(start, limit).await?,
            };
            limit = SESSION_ITEMS_A_READ;
            for (session_id, session_item) in session_items {
                let Some(time) = session_item.stored_update_time() else { continue };
                if self.position.reports_updated(&session_item, self.started) {
                    let session = session_item.into_session(session_id.clone());
                    if !page.push(&session_id, session) {
                        return Ok(Progress::Stopped(Phase::Updated(after)));
                    }
                }
                after = Some(IndexKey { time, session_id });
            }
            let Some(next) = next else { return Ok(Progress::Ended) };
            start = StartAt::Next(next);
        }
        Ok(Progress::Stopped(Phase::Updated(after)))
    }

    /// Reports the groups.
    async fn groups(
        &self,
        mut after: Option<GroupId>,
        mut memberships: Memberships,
        page: &mut Page,
    ) -> Result<Progress, R::Error> {
        if let Some(after) = &after {
            memberships.retain(|group, _| group > after);
        }
        let mut memberships = memberships.into_iter().peekable();
        while memberships.peek().is_some() {
            let chunk: Vec<_> = memberships.by_ref().take(self.reader.group_items_at_once()).collect();
            let ids = chunk.iter().map(|(group, _)| group.clone()).collect();
            let mut group_items = self.reader.group_items(ids).await?;
            for (group, session_item) in chunk {
                let group_item = group_items.remove(&group);
                if self.position.reports_group(&session_item, group_item.as_ref()) {
                    let session = session_item.into_group_session(&group, self.user, group_item);
                    if !page.push(group.session_id(), session) {
                        return Ok(Progress::Stopped(Phase::Groups(after)));
                    }
                }
                after = Some(group);
            }
        }
        Ok(Progress::Ended)
    }
}

/// A page that is being filled.
struct Page {
    filler: Filler,
    updated: Vec<RecentSession>,
    deleted: Vec<SessionId>,
}

impl Page {
    fn new(of: PageRequest) -> Self {
        Self { filler: Filler::new(of), updated: Vec::new(), deleted: Vec::new() }
    }

    /// Reports a session, or that it does not exist. Returns whether it fits.
    fn push(&mut self, id: &SessionId, mut session: Option<RecentSession>) -> bool {
        let fits = self.filler.fits(id, session.as_mut());
        match session {
            Some(session) if fits => self.updated.push(session),
            None if fits => self.deleted.push(id.clone()),
            _ => {}
        }
        fits
    }

    fn finish(self, has_more: bool, next: SyncPass) -> ChangesPage {
        ChangesPage { updated: self.updated, deleted: self.deleted, has_more, next }
    }
}
