//! Reading a list, page by page.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{
    cursor::Cursor,
    list_query::ListQuery,
    page::{self, Filler},
    parameters::Window,
    reader::{ByUpdateTime, IndexKey, Memberships, SessionReader, StartAt},
    sync_token::SyncToken,
};
use crate::{
    group::MemberAt,
    id::{Account, GroupId, SessionId},
    item::{RecentSession, SessionItem},
    time::Timestamp,
};

/// The number of session items that each query after the first reads. Session items of the user's groups are skipped, so these
/// queries ask for more than is missing.
const FURTHER: usize = 100;

/// One page of a user's list (Yunxin: `RecentSessionList`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentSessionList {
    /// Whether there is an older session inside the window.
    pub has_more: bool,
    /// The sessions, newest first.
    pub session_list: Vec<RecentSession>,
    /// Where the next page starts; present if and only if `has_more` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
    /// The `minTimestamp` of the next incremental fetch; present on the first page of a list that has no upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_timestamp: Option<Timestamp>,
    /// Where a sync of changes continues from here; present on the first page of a list without bounds.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    pub sync_token: Option<SyncToken>,
}

/// Reads one page, newest first, as it is at `now`. The user's own session items and their memberships are read together, both
/// strongly consistent, then the group items of their groups. All are merged by time. `hasMore` is exact.
pub async fn read_list<R: SessionReader>(
    reader: &R,
    user: &Account,
    query: &ListQuery,
    now: Timestamp,
) -> Result<RecentSessionList, R::Error> {
    let mut own = Own::new(query);
    let ((), mut memberships) = reader.both(own.read(reader), reader.memberships()).await?;
    own.reconcile(&mut memberships);
    while !own.are_enough() {
        own.read(reader).await?;
        own.reconcile(&mut memberships);
    }
    let groups = read_groups(reader, user, query, memberships).await?;
    Ok(Page::new(query).merged(own.sessions, groups).finish(query.watermark(now)))
}

/// The user's own session items of a page.
struct Own<'a, N> {
    query: &'a ListQuery,
    filler: Filler,
    /// The sessions that own session items show: one more than the page takes, or all there are. With each, the latest membership
    /// event that its session item contains.
    sessions: Vec<(RecentSession, Option<MemberAt>)>,
    /// The session items of groups that the user is a member of.
    members: Vec<(SessionId, SessionItem)>,
    /// Where to read on, unless all have been read.
    next: Option<StartAt<N>>,
}

impl<'a, N: Send> Own<'a, N> {
    fn new(query: &'a ListQuery) -> Self {
        // A page that ended at an own session item continues behind it.
        let start = query.cursor().and_then(|cursor| {
            Some(StartAt::Behind(IndexKey { time: cursor.time(), session_id: cursor.own()?.clone() }))
        });
        Self {
            query,
            filler: Filler::new(query.page()),
            sessions: Vec::new(),
            members: Vec::new(),
            next: Some(start.unwrap_or(StartAt::Beginning)),
        }
    }

    fn are_enough(&self) -> bool {
        self.next.is_none() || self.filler.is_exceeded_by(self.sessions.iter().map(|(session, _)| session))
    }

    /// Reads on until the sessions fill the page or none is left.
    async fn read<R: SessionReader<Next = N>>(&mut self, reader: &R) -> Result<(), R::Error> {
        let range = self.query.range();
        while let Some(start) = self.next.take() {
            let limit =
                if matches!(start, StartAt::Next(_)) { FURTHER } else { self.query.limit().get() + 1 };
            let ByUpdateTime { session_items, next } =
                reader.by_update_time((range.min(), range.max()), start, limit).await?;
            self.next = next.map(StartAt::Next);
            self.sessions.reserve(session_items.len());
            for (id, session_item) in session_items {
                if session_item.is_member() {
                    self.members.push((id, session_item));
                } else {
                    let known_at = known_at(&session_item);
                    if let Some(session) = session_item.into_session(id) {
                        self.sessions.push((session, known_at));
                    }
                }
            }
            if self.are_enough() {
                break;
            }
        }
        Ok(())
    }

    /// The two queries read a session item at two instants. A session that both found counts once, by the session item with the
    /// later membership event. A membership that only the query by `updateTime` found counts, too.
    fn reconcile(&mut self, memberships: &mut Memberships) {
        for (id, session_item) in self.members.drain(..) {
            let Some(group) = id.group() else { continue };
            if memberships.get(&group).is_none_or(|seen| known_at(seen) < known_at(&session_item)) {
                memberships.insert(group, session_item);
            }
        }
        self.sessions.retain(|(session, left_at)| {
            let Some(group) = session.session_id.group() else { return true };
            let Some(seen) = memberships.get(&group) else { return true };
            let has_left = known_at(seen) < *left_at;
            if has_left {
                memberships.remove(&group);
            }
            has_left
        });
    }
}

fn known_at(session_item: &SessionItem) -> Option<MemberAt> {
    session_item.membership.map(|membership| membership.at)
}

/// Reads the sessions of the user's groups that belong on the page: the newest ones, one more than the page takes; newest first,
/// and at equal times by id. The others are dropped while reading, so that they take no memory.
async fn read_groups<R: SessionReader>(
    reader: &R,
    user: &Account,
    query: &ListQuery,
    memberships: Memberships,
) -> Result<Vec<RecentSession>, R::Error> {
    let range = query.range();
    let is_listed = |session: &RecentSession| {
        let cursor = query.cursor().filter(|cursor| cursor.time() == session.update_time);
        cursor.and_then(Cursor::group).is_some_and(|last| session.session_id <= *last)
    };
    let newest_first = |a: &RecentSession, b: &RecentSession| {
        b.update_time.cmp(&a.update_time).then_with(|| a.session_id.cmp(&b.session_id))
    };
    let most = query.limit().get() + 1;
    let mut newest: Vec<RecentSession> = Vec::new();
    let mut memberships = memberships.into_iter().peekable();
    while memberships.peek().is_some() {
        let chunk: Vec<(GroupId, SessionItem)> =
            memberships.by_ref().take(reader.group_items_at_once()).collect();
        let mut group_items =
            reader.group_items(chunk.iter().map(|(group, _)| group.clone()).collect()).await?;
        for (group, session_item) in chunk {
            let group_item = group_items.remove(&group);
            let session = session_item.into_group_session(&group, user, group_item);
            let wanted = |session: &RecentSession| range.contains(session.update_time) && !is_listed(session);
            newest.extend(session.filter(wanted));
        }
        if newest.len() > most {
            newest.select_nth_unstable_by(most, newest_first);
            newest.truncate(most);
        }
        newest.sort_unstable_by(newest_first);
        newest.truncate(page::one_more_than_fits(&newest));
    }
    Ok(newest)
}

/// A page that is being filled with sessions, newest first.
#[derive(Debug)]
struct Page {
    filler: Filler,
    window: Window,
    cursor: Option<Cursor>,
    sessions: Vec<RecentSession>,
    has_more: bool,
}

impl Page {
    /// Creates an empty page that continues where the query does.
    fn new(query: &ListQuery) -> Self {
        Self {
            filler: Filler::new(query.page()),
            window: query.window(),
            cursor: query.cursor().cloned(),
            sessions: Vec::with_capacity(query.limit().get()),
            has_more: false,
        }
    }

    /// Adds own sessions and groups, merged by time. At equal times, own sessions come before groups.
    fn merged(mut self, own: Vec<(RecentSession, Option<MemberAt>)>, groups: Vec<RecentSession>) -> Self {
        let mut groups = groups.into_iter().peekable();
        for (own, _) in own {
            while let Some(group) = groups.next_if(|group| group.update_time > own.update_time) {
                if self.push(group, Cursor::after_group).is_break() {
                    return self;
                }
            }
            if self.push(own, Cursor::after_own).is_break() {
                return self;
            }
        }
        let _ = groups.try_for_each(|group| self.push(group, Cursor::after_group));
        self
    }

    /// Adds a session. Breaks if it does not fit any more; then the page has `hasMore` and is complete.
    fn push(
        &mut self,
        mut session: RecentSession,
        after: impl Fn(Option<Cursor>, Window, Timestamp, SessionId) -> Cursor,
    ) -> ControlFlow<()> {
        let (time, id) = (session.update_time, session.session_id.clone());
        if !self.filler.fits(&id, Some(&mut session)) {
            self.has_more = true;
            return ControlFlow::Break(());
        }
        self.cursor = Some(after(self.cursor.take(), self.window, time, id));
        self.sessions.push(session);
        ControlFlow::Continue(())
    }

    /// Returns the finished page, with the watermark of its list if the page begins one.
    fn finish(self, watermark: Option<Timestamp>) -> RecentSessionList {
        RecentSessionList {
            has_more: self.has_more,
            session_list: self.sessions,
            next_cursor: self.cursor.filter(|_| self.has_more),
            min_timestamp: watermark,
            sync_token: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        group::{Membership, Rank},
        item::Version,
    };

    fn query(limit: &str, cursor: Option<Cursor>) -> ListQuery {
        ListQuery::new(None, None, cursor, limit.parse().unwrap(), true).unwrap()
    }

    fn session(time: u64) -> RecentSession {
        RecentSession {
            session_id: format!("p2p|{time}").parse().unwrap(),
            update_time: ms(time),
            version: Version::default(),
            ext: None,
            last_msg: None,
            last_msg_type: None,
        }
    }

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn at(time: u64) -> MemberAt {
        MemberAt { time: ms(time), rank: Rank::Join }
    }

    fn member(time: u64) -> SessionItem {
        SessionItem {
            membership: Some(Membership { at: at(time), since: Some(ms(time)) }),
            ..SessionItem::default()
        }
    }

    #[test]
    fn has_more_is_true_only_when_one_did_not_fit() {
        let page = |times: &[u64]| {
            let own = times.iter().map(|time| (session(*time), None)).collect();
            Page::new(&query("2", None)).merged(own, Vec::new()).finish(None)
        };
        assert!(!page(&[9, 8]).has_more);
        let list = page(&[9, 8, 7]);
        assert!(list.has_more && list.session_list.len() == 2);
        let expected = Cursor::after_own(None, Window::default(), ms(8), "p2p|8".parse().unwrap());
        assert_eq!(list.next_cursor, Some(expected));
    }

    #[test]
    fn absent_fields_of_a_page_are_left_out() {
        let page = Page::new(&query("2", None)).finish(None);
        assert_eq!(serde_json::to_string(&page).unwrap(), r#"{"hasMore":false,"sessionList":[]}"#);
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let cursor = Cursor::start(Window::default(), ms(8));
        let page = Page::new(&query("2", Some(cursor))).merged(Vec::new(), Vec::new()).finish(None);
        assert_eq!((page.has_more, page.next_cursor), (false, None));
    }

    /// What remains of a session item that one query found as a member's, and the other as one of a user who has left.
    fn reconciled(left: &[u64], members: &[u64], membership: Option<u64>) -> (usize, Option<MemberAt>) {
        let group: GroupId = "team|1".parse().unwrap();
        let query = query("100", None);
        let mut own = Own::<()>::new(&query);
        for time in left {
            let session_item = SessionItem { placeholder: Some(ms(1)), ..SessionItem::default() };
            let session = session_item.into_session(group.session_id().clone()).unwrap();
            own.sessions.push((session, Some(at(*time))));
        }
        own.members.extend(members.iter().map(|time| (group.session_id().clone(), member(*time))));
        let mut memberships: Memberships =
            membership.map(|time| (group.clone(), member(time))).into_iter().collect();
        own.reconcile(&mut memberships);
        (own.sessions.len(), memberships.get(&group).and_then(known_at))
    }

    #[test]
    fn a_session_found_by_both_queries_is_listed_once() {
        assert_eq!(reconciled(&[5], &[], Some(4)), (1, None), "they have left since");
        assert_eq!(reconciled(&[5], &[], Some(6)), (0, Some(at(6))), "they are back");
        assert_eq!(reconciled(&[5], &[], None), (1, None));
        assert_eq!(reconciled(&[], &[5], None), (0, Some(at(5))), "a membership that only one query found");
        assert_eq!(reconciled(&[], &[5], Some(6)), (0, Some(at(6))));
        assert_eq!(reconciled(&[], &[6], Some(5)), (0, Some(at(6))));
    }
}
