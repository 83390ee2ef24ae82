//! Reading a sync pass, page by page.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
};

use super::{
    list_query::Limit,
    page::Page,
    sync_pass::{ChangeKey, Phase, SyncPass},
};
use crate::{
    id::{Account, GroupId, SessionId},
    item::{GroupItem, RecentSession, SessionItem},
    time::Timestamp,
};

/// The maximum number of session items that one request reads. It bounds the memory of a page.
const SESSION_ITEMS_A_READ: usize = 50;
/// The number of requests for session items after which a page ends, however little it reports. Session items that are only skipped
/// must not take the whole time of an invocation, or the pass would never get past them.
const MAX_REQUESTS: usize = 20;
/// The maximum number of group items that are read together.
const GROUP_ITEMS_A_READ: usize = 400;

/// The groups that a user is a member of, with the user's session item of each.
pub type Memberships = BTreeMap<GroupId, SessionItem>;

/// The keys of session items that have a change time, in the order of their change times.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The keys, in the order of the index.
    pub keys: Vec<ChangeKey>,
    /// Whether the range contains more.
    pub more: bool,
}

/// Session items by `updateTime`, newest first.
#[derive(Clone, Debug, Default)]
pub struct UpdatedItems {
    /// The session items, each of which shows a session.
    pub session_items: Vec<(SessionId, SessionItem)>,
    /// Whether the range contains more.
    pub more: bool,
}

/// The first reads of a pass.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The keys of the first session items by change time.
    pub keys: Keys,
    /// The first session items by `updateTime`.
    pub updated: UpdatedItems,
    /// All groups that the user is a member of.
    pub memberships: Memberships,
}

/// Reads one user's session items, and group items.
pub trait ChangeReads: Sync {
    /// The error of a read.
    type Error: Send;

    /// Reads what a pass begins with. These reads may run concurrently, in any order.
    fn start(
        &self,
        change_times: (Timestamp, Timestamp),
        least_update_time: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Start, Self::Error>> + Send;

    /// Reads the keys, after a position, of session items whose change times are in this range, both ends inclusive. Strongly
    /// consistent.
    fn keys(
        &self,
        change_times: (Timestamp, Timestamp),
        after: Option<&ChangeKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Keys, Self::Error>> + Send;

    /// Reads session items by their ids, and returns those that exist. The value of a malformed one is `None`. Strongly consistent.
    fn session_items(
        &self,
        ids: Vec<SessionId>,
    ) -> impl Future<Output = Result<HashMap<SessionId, Option<SessionItem>>, Self::Error>> + Send;

    /// Reads session items, after a position, whose `updateTime` is at least this. Strongly consistent.
    fn updated(
        &self,
        least_update_time: Timestamp,
        after: Option<&ChangeKey>,
        limit: usize,
    ) -> impl Future<Output = Result<UpdatedItems, Self::Error>> + Send;

    /// Reads all groups that the user is a member of. Strongly consistent.
    fn memberships(&self) -> impl Future<Output = Result<Memberships, Self::Error>> + Send;

    /// Reads the group items of groups, and returns those that exist. Eventually consistent.
    fn group_items(
        &self,
        groups: Vec<GroupId>,
    ) -> impl Future<Output = Result<HashMap<GroupId, GroupItem>, Self::Error>> + Send;
}

/// The parameters of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// The maximum number of sessions that the page reports.
    pub limit: Limit,
    /// Whether sessions include their last message.
    pub need_last_msg: bool,
}

/// One page of a sync pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// The changed sessions, as they are now.
    pub updated: Vec<RecentSession>,
    /// The sessions that do not exist any more, including some that the device never had.
    pub deleted: Vec<SessionId>,
    /// Whether the pass continues.
    pub has_more: bool,
    /// Where the pass continues, or the next pass if this one has ended.
    pub next: SyncPass,
}

/// Reads one page of a pass, from the position `sync_pass`.
pub async fn read_changes<R: ChangeReads>(
    reads: &R,
    user: &Account,
    sync_pass: &SyncPass,
    of: PageRequest,
    now: Timestamp,
) -> Result<ChangesPage, R::Error> {
    let (started, mut phase) = sync_pass.progress(now);
    let reader = Reader { reads, user, sync_pass, started, first: of.limit.get().min(SESSION_ITEMS_A_READ) };
    let mut page = Filling { of, updated: Vec::new(), deleted: Vec::new(), text_bytes: 0 };
    let mut start = match sync_pass.under_way {
        Some(_) => None,
        None => Some(
            reads.start(sync_pass.change_times(started), sync_pass.least_update_time(), reader.first).await?,
        ),
    };
    loop {
        let (stopped, next) = match phase {
            Phase::Changed(after) => {
                let first = start.as_mut().map(|start| mem::take(&mut start.keys));
                (reader.changed(after, first, &mut page).await?, Phase::Updated(None))
            }
            Phase::Updated(after) => {
                let first = start.as_mut().map(|start| mem::take(&mut start.updated));
                (reader.updated(after, first, &mut page).await?, Phase::Groups(None))
            }
            Phase::Groups(after) => {
                let memberships = match start.take() {
                    Some(start) => start.memberships,
                    None => reads.memberships().await?,
                };
                match reader.groups(after, memberships, &mut page).await? {
                    Some(stopped) => (Some(stopped), Phase::Groups(None)),
                    None => return Ok(page.finish(false, SyncPass::after(started))),
                }
            }
        };
        if let Some(stopped) = stopped {
            let under_way = Some((started, stopped));
            return Ok(page.finish(true, SyncPass { since: sync_pass.since, under_way }));
        }
        phase = next;
    }
}

struct Reader<'a, R> {
    reads: &'a R,
    user: &'a Account,
    sync_pass: &'a SyncPass,
    started: Timestamp,
    first: usize,
}

impl<R: ChangeReads> Reader<'_, R> {
    /// Reports the session items by change time. Returns where it stopped if it did not come to the end of the phase.
    async fn changed(
        &self,
        mut after: Option<ChangeKey>,
        mut first: Option<Keys>,
        page: &mut Filling,
    ) -> Result<Option<Phase>, R::Error> {
        let change_times = self.sync_pass.change_times(self.started);
        let mut at_once = self.first;
        for _ in 0..MAX_REQUESTS {
            let keys = match first.take() {
                Some(keys) => keys,
                None => self.reads.keys(change_times, after.as_ref(), at_once).await?,
            };
            at_once = SESSION_ITEMS_A_READ;
            let ids: Vec<_> = keys.keys.iter().map(|key| key.session_id.clone()).collect();
            let mut session_items =
                if ids.is_empty() { HashMap::new() } else { self.reads.session_items(ids).await? };
            for key in keys.keys {
                // A session item that does not exist any more has expired, so it showed nothing. A malformed one is not reported.
                let session_item =
                    session_items.remove(&key.session_id).unwrap_or_else(|| Some(SessionItem::default()));
                if let Some(session_item) =
                    session_item.filter(|session_item| self.sync_pass.reports_changed(session_item))
                {
                    let session = session_item.into_session(key.session_id.clone());
                    if !page.push(&key.session_id, session) {
                        return Ok(Some(Phase::Changed(after)));
                    }
                }
                after = Some(key);
            }
            if !keys.more {
                return Ok(None);
            }
        }
        Ok(Some(Phase::Changed(after)))
    }

    /// Reports the session items that are found by their `updateTime`.
    async fn updated(
        &self,
        mut after: Option<ChangeKey>,
        mut first: Option<UpdatedItems>,
        page: &mut Filling,
    ) -> Result<Option<Phase>, R::Error> {
        let least = self.sync_pass.least_update_time();
        let mut at_once = self.first;
        for _ in 0..MAX_REQUESTS {
            let UpdatedItems { session_items, more } = match first.take() {
                Some(session_items) => session_items,
                None => self.reads.updated(least, after.as_ref(), at_once).await?,
            };
            at_once = SESSION_ITEMS_A_READ;
            for (session_id, session_item) in session_items {
                let time = session_item.update_time().unwrap_or_default();
                if self.sync_pass.reports_updated(&session_item, self.started) {
                    let session = session_item.into_session(session_id.clone());
                    if !page.push(&session_id, session) {
                        return Ok(Some(Phase::Updated(after)));
                    }
                }
                after = Some(ChangeKey { time, session_id });
            }
            if !more {
                return Ok(None);
            }
        }
        Ok(Some(Phase::Updated(after)))
    }

    /// Reports the groups.
    async fn groups(
        &self,
        mut after: Option<GroupId>,
        mut memberships: Memberships,
        page: &mut Filling,
    ) -> Result<Option<Phase>, R::Error> {
        if let Some(after) = &after {
            memberships.retain(|group, _| group > after);
        }
        let mut memberships = memberships.into_iter().peekable();
        while memberships.peek().is_some() {
            let chunk: Vec<_> = memberships.by_ref().take(GROUP_ITEMS_A_READ).collect();
            let ids = chunk.iter().map(|(group, _)| group.clone()).collect();
            let mut group_items = self.reads.group_items(ids).await?;
            for (group, session_item) in chunk {
                let group_item = group_items.remove(&group);
                if self.sync_pass.reports_group(&session_item, group_item.as_ref()) {
                    let session = session_item.into_group_session(&group, self.user, group_item);
                    if !page.push(group.session_id(), session) {
                        return Ok(Some(Phase::Groups(after)));
                    }
                }
                after = Some(group);
            }
        }
        Ok(None)
    }
}

/// A page that is being filled, until it reaches its limit or its text reaches the maximum length.
struct Filling {
    of: PageRequest,
    updated: Vec<RecentSession>,
    deleted: Vec<SessionId>,
    text_bytes: usize,
}

impl Filling {
    /// Adds a session, or its id if there is no session. Returns whether it fitted.
    fn push(&mut self, id: &SessionId, mut session: Option<RecentSession>) -> bool {
        if let Some(session) = session.as_mut().filter(|_| !self.of.need_last_msg) {
            session.last_msg = None;
        }
        let reported = self.updated.len() + self.deleted.len();
        let text_bytes = self.text_bytes + Page::text_bytes(id, session.as_ref());
        if reported == self.of.limit.get() || (reported > 0 && text_bytes > Page::MAX_TEXT_BYTES) {
            return false;
        }
        self.text_bytes = text_bytes;
        match session {
            Some(session) => self.updated.push(session),
            None => self.deleted.push(id.clone()),
        }
        true
    }

    fn finish(self, has_more: bool, next: SyncPass) -> ChangesPage {
        ChangesPage { updated: self.updated, deleted: self.deleted, has_more, next }
    }
}
