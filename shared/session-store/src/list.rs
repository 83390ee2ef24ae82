//! One page of a user's list.

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::ReturnConsumedCapacity};
use futures_util::{StreamExt, TryStreamExt, stream};
use session_model::{
    GroupId, RecentSession, SessionId, SessionItem, Timestamp,
    group::MemberAt,
    item::RecentSessionList,
    reading::{ListQuery, Memberships, Page},
};

use crate::{
    Sessions, StoreError,
    group_items::{self, CONCURRENT_REQUESTS, PER_REQUEST},
    item::{Item, n, s},
    raw::{self, CaptureResponse, QueryResponse},
    schema::{BY_MEMBERSHIP, BY_UPDATE_TIME, SESSION_ID, UPDATE_TIME},
};

/// One response to a query, without the session items that cannot be read, and the key from which the query continues.
pub(crate) struct QueryPage {
    pub(crate) session_items: Vec<(SessionId, SessionItem)>,
    pub(crate) next: Option<Item>,
}

/// What has been read from `byUpdateTime` for a page.
#[derive(Default)]
struct OwnItems {
    /// The sessions whose session items are listed by themselves: one more than the page takes, or all there are. Each comes with
    /// the newest event of a membership that has ended, if its session item records one.
    sessions: Vec<(RecentSession, Option<MemberAt>)>,
    /// Session items of groups that the user is a member of, found on the way.
    members: Vec<(SessionId, SessionItem)>,
    /// Where to continue reading.
    next: Next,
}

/// Where a query that is read in several requests continues.
#[derive(Debug, Default)]
enum Next {
    Start,
    From(Item),
    #[default]
    End,
}

impl OwnItems {
    /// Whether no more need to be read: none are left, or they fill the page and one more shows that there are more. Texts are
    /// measured only if nothing else decides.
    fn are_enough(&self, query: &ListQuery) -> bool {
        let text_bytes = || self.sessions.iter().map(|(session, _)| session.text_len()).sum::<usize>();
        matches!(self.next, Next::End)
            || self.sessions.len() > query.limit().get()
            || text_bytes() > Page::MAX_TEXT_BYTES
    }
}

impl Sessions<'_> {
    /// Reads one page, newest first, as of `now`. The user's own session items and their memberships are read in parallel, both
    /// strongly consistent, and then the group items of their groups. All are merged by time. `hasMore` is exact.
    pub async fn list(&self, query: &ListQuery, now: Timestamp) -> Result<RecentSessionList, StoreError> {
        let mut own = OwnItems { next: Next::Start, ..OwnItems::default() };
        let ((), mut memberships) = tokio::try_join!(self.read_own(query, &mut own), self.memberships())?;
        reconcile(&mut own, &mut memberships);
        while !own.are_enough(query) {
            self.read_own(query, &mut own).await?;
            reconcile(&mut own, &mut memberships);
        }
        let mut groups = self.groups(query, memberships).await?.into_iter().peekable();
        let mut page = Page::new(query);
        for (own, _) in own.sessions {
            // At equal times, a user's own session items come before their groups.
            while let Some(group) = groups.next_if(|group| group.update_time > own.update_time) {
                if page.push_group(group).is_break() {
                    return Ok(page.finish(query.watermark(now)));
                }
            }
            if page.push_own(own).is_break() {
                return Ok(page.finish(query.watermark(now)));
            }
        }
        let _ = groups.try_for_each(|group| page.push_group(group));
        Ok(page.finish(query.watermark(now)))
    }

    /// Continues reading `byUpdateTime` until own session items fill the page or none are left. Session items of the user's groups
    /// are skipped, so further queries request more than is missing.
    async fn read_own(&self, query: &ListQuery, own: &mut OwnItems) -> Result<(), StoreError> {
        const FURTHER: i32 = 100;
        let range = query.range();
        loop {
            let (start, limit) = match std::mem::take(&mut own.next) {
                Next::Start => {
                    (self.start_key(query), i32::try_from(query.limit().get() + 1).unwrap_or(FURTHER))
                }
                Next::From(key) => (Some(key), FURTHER),
                Next::End => return Ok(()),
            };
            let request = self
                .query(BY_UPDATE_TIME)
                .key_condition_expression("userId = :user AND updateTime BETWEEN :min AND :max")
                .expression_attribute_values(":min", n(range.min()))
                .expression_attribute_values(":max", n(range.max()))
                .scan_index_forward(false)
                .limit(limit);
            let QueryPage { session_items, next } = self.send_query(request, start).await?;
            own.next = next.map_or(Next::End, Next::From);
            own.sessions.reserve(session_items.len());
            for (id, session_item) in session_items {
                if session_item.is_member() {
                    own.members.push((id, session_item));
                } else {
                    let known_at = session_item.membership.map(|held| held.at);
                    let session = session_item.into_session(id).ok_or(StoreError::MalformedItem(UPDATE_TIME));
                    let session = self.store.readable(session)?;
                    own.sessions.extend(session.map(|session| (shown(session, query), known_at)));
                }
            }
            if own.are_enough(query) {
                return Ok(());
            }
        }
    }

    /// The key after which a page continues if the previous page ended on an own session item. It is constructed, because DynamoDB
    /// does not need the session item to exist.
    fn start_key(&self, query: &ListQuery) -> Option<Item> {
        let cursor = query.cursor()?;
        let mut key = self.key(cursor.own()?);
        key.insert(UPDATE_TIME.to_owned(), n(cursor.time()));
        Some(key)
    }

    /// Reads all groups that the user is a member of.
    pub(crate) async fn memberships(&self) -> Result<Memberships, StoreError> {
        let mut memberships = Memberships::new();
        let mut start = None;
        loop {
            let request = self.query(BY_MEMBERSHIP).key_condition_expression("userId = :user");
            let QueryPage { session_items, next } = self.send_query(request, start).await?;
            for (id, session_item) in session_items {
                let group = GroupId::try_from(id).map_err(|_| StoreError::MalformedItem(SESSION_ID));
                let group = self.store.readable(group)?;
                memberships.extend(group.map(|group| (group, session_item)));
            }
            start = next;
            if start.is_none() {
                return Ok(memberships);
            }
        }
    }

    /// The sessions of the user's groups that belong on this page: the newest ones, one more than the page takes. They are sorted
    /// newest first, and at equal times by id.
    async fn groups(
        &self,
        query: &ListQuery,
        memberships: Memberships,
    ) -> Result<Vec<RecentSession>, StoreError> {
        let range = query.range();
        let is_listed = |session: &RecentSession| {
            let cursor = query.cursor().filter(|cursor| cursor.time() == session.update_time);
            cursor.and_then(|cursor| cursor.group()).is_some_and(|last| session.session_id <= *last)
        };
        let wanted = |session: &RecentSession| range.contains(session.update_time) && !is_listed(session);
        let newest_first = |a: &RecentSession, b: &RecentSession| {
            b.update_time.cmp(&a.update_time).then_with(|| a.session_id.cmp(&b.session_id))
        };
        let most = query.limit().get() + 1;
        let mut memberships = memberships.into_iter().peekable();
        let chunks = std::iter::from_fn(|| {
            memberships.peek()?;
            Some(memberships.by_ref().take(PER_REQUEST).collect())
        });
        let read = |chunk: Vec<(GroupId, SessionItem)>| async move {
            let mut group_items = self
                .store
                .group_items(chunk.iter().map(|(group, _)| group_items::key(group)).collect())
                .await?;
            let sessions = chunk.into_iter().filter_map(|(group, session_item)| {
                let group_item = group_items.remove(&group);
                session_item.into_group_session(&group, self.user, group_item)
            });
            Ok::<Vec<_>, StoreError>(sessions.filter(wanted).collect())
        };
        let newest = stream::iter(chunks.map(read)).buffer_unordered(CONCURRENT_REQUESTS).try_fold(
            Vec::new(),
            async |mut newest: Vec<RecentSession>, sessions| {
                newest.extend(sessions.into_iter().map(|session| shown(session, query)));
                if newest.len() > most {
                    newest.select_nth_unstable_by(most, newest_first);
                    newest.truncate(most);
                }
                Ok(newest)
            },
        );
        let mut newest = newest.await?;
        newest.sort_unstable_by(newest_first);
        Ok(newest)
    }

    pub(crate) fn query(&self, index: &str) -> QueryFluentBuilder {
        self.store
            .client
            .query()
            .table_name(&*self.store.sessions_table)
            .index_name(index)
            .consistent_read(true)
            .expression_attribute_values(":user", s(self.user.as_str()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    pub(crate) async fn send_query(
        &self,
        query: QueryFluentBuilder,
        start: Option<Item>,
    ) -> Result<QueryPage, StoreError> {
        let response = CaptureResponse::of_query();
        query.set_exclusive_start_key(start).customize().interceptor(response.clone()).send().await?;
        let response = response.take();
        let response: QueryResponse<'_> = raw::read(response.as_ref())?;
        self.store.meter.add_read_units(response.read_units());
        let next = response.next()?;
        let session_items = response
            .into_session_items()
            .filter_map(|session_item| self.store.readable(session_item).transpose());
        Ok(QueryPage { next, session_items: session_items.collect::<Result<_, _>>()? })
    }
}

/// Reconciles the two queries, which see a session item at two moments. A session that both saw counts once, by the session item
/// with the greater membership event. A membership that only `byUpdateTime` saw is valid, too.
fn reconcile(own: &mut OwnItems, memberships: &mut Memberships) {
    let known_at = |session_item: &SessionItem| session_item.membership.map(|held| held.at);
    for (id, session_item) in own.members.drain(..) {
        let Some(group) = id.group() else { continue };
        if memberships.get(&group).is_none_or(|seen| known_at(seen) < known_at(&session_item)) {
            memberships.insert(group, session_item);
        }
    }
    own.sessions.retain(|(session, left_at)| {
        let Some(group) = session.session_id.group() else { return true };
        let Some(seen) = memberships.get(&group) else { return true };
        let has_left = known_at(seen) < *left_at;
        if has_left {
            memberships.remove(&group);
        }
        has_left
    });
}

fn shown(mut session: RecentSession, query: &ListQuery) -> RecentSession {
    if !query.need_last_msg() {
        session.last_msg = None;
    }
    session
}

#[cfg(test)]
mod tests {
    use session_model::group::{Membership, Rank};

    use super::*;

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

    fn left(time: u64) -> (RecentSession, Option<MemberAt>) {
        let session_item = SessionItem { placeholder: Some(ms(1)), ..SessionItem::default() };
        (session_item.into_session("team|1".parse().unwrap()).unwrap(), Some(at(time)))
    }

    /// What is left of a session item that one query saw as a member's, and the other as that of a user who left.
    fn reconciled(own: OwnItems, membership: Option<u64>) -> (usize, Option<MemberAt>) {
        let group: GroupId = "team|1".parse().unwrap();
        let mut own = own;
        let mut memberships: Memberships =
            membership.map(|time| (group.clone(), member(time))).into_iter().collect();
        reconcile(&mut own, &mut memberships);
        (
            own.sessions.len(),
            memberships.get(&group).and_then(|session_item| session_item.membership).map(|held| held.at),
        )
    }

    #[test]
    fn a_session_found_by_both_queries_is_listed_once() {
        let sessions = |time| OwnItems { sessions: vec![left(time)], ..OwnItems::default() };
        assert_eq!(reconciled(sessions(5), Some(4)), (1, None), "they have left since");
        assert_eq!(reconciled(sessions(5), Some(6)), (0, Some(at(6))), "they are back");
        assert_eq!(reconciled(sessions(5), None), (1, None));
        let passed = |time| OwnItems {
            members: vec![("team|1".parse().unwrap(), member(time))],
            ..OwnItems::default()
        };
        assert_eq!(reconciled(passed(5), None), (0, Some(at(5))), "a membership that only one query saw");
        assert_eq!(reconciled(passed(5), Some(6)), (0, Some(at(6))));
        assert_eq!(reconciled(passed(6), Some(5)), (0, Some(at(6))));
    }
}
