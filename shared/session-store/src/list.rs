//! One page of a user's list.

use std::cmp::Reverse;

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, ReturnConsumedCapacity},
};
use session_model::{ListQuery, Page, RecentSession, RecentSessionList, SessionId, Timestamp};

use crate::{
    Sessions, StoreError,
    item::{self, Item, n, s},
    table::{BY_MEMBERSHIP, BY_UPDATE_TIME, MEMBER_SINCE, SESSION_ID, UPDATE_TIME, USER_ID},
};

/// One answer of a query, and the key it goes on from.
struct Rows {
    items: Vec<Item>,
    next: Option<Item>,
}

impl Sessions<'_> {
    /// One page, newest first, as it stands at `now`. `byUpdateTime` and the user's groups are read in parallel, both
    /// strongly, and merged by time. `hasMore` is exact: the page reads until one session does not fit, or none is left.
    pub async fn list(&self, query: &ListQuery, now: Timestamp) -> Result<RecentSessionList, StoreError> {
        let mut page = Page::new(query);
        let (mut rows, groups) =
            tokio::try_join!(self.own_rows(query, &page, self.start_key(query)), self.groups(query))?;
        let mut groups = groups.into_iter().peekable();
        'full: {
            loop {
                for mut item in rows.items {
                    if item.contains_key(MEMBER_SINCE) {
                        continue;
                    }
                    let own = session(&mut item, query)?;
                    // At one time a user's own rows come before his groups.
                    while let Some(group) = groups.next_if(|group| group.update_time > own.update_time) {
                        if page.push_group(group).is_break() {
                            break 'full;
                        }
                    }
                    if page.push_own(own).is_break() {
                        break 'full;
                    }
                }
                let Some(next) = rows.next else { break };
                rows = self.own_rows(query, &page, Some(next)).await?;
            }
            let _ = groups.try_for_each(|group| page.push_group(group));
        }
        Ok(page.finish(query.watermark(now)))
    }

    /// A page that ended on an own row goes on behind it, by a key made by hand: DynamoDB needs no row to be there.
    fn start_key(&self, query: &ListQuery) -> Option<Item> {
        let cursor = query.cursor()?;
        Some(Item::from([
            (USER_ID.to_owned(), s(self.user.as_str())),
            (SESSION_ID.to_owned(), s(cursor.own()?.as_str())),
            (UPDATE_TIME.to_owned(), n(cursor.time())),
        ]))
    }

    /// The user's rows in the query's range, one more than the page has room for.
    async fn own_rows(
        &self,
        query: &ListQuery,
        page: &Page,
        start: Option<Item>,
    ) -> Result<Rows, StoreError> {
        let range = query.range();
        let limit = i32::try_from(page.room() + 1).unwrap_or(i32::MAX);
        let query = self
            .query(BY_UPDATE_TIME)
            .key_condition_expression("userId = :user AND updateTime BETWEEN :min AND :max")
            .expression_attribute_values(":min", n(range.min()))
            .expression_attribute_values(":max", n(range.max()))
            .scan_index_forward(false)
            .limit(limit);
        self.send_query(query, start).await
    }

    /// The sessions of the groups the user is a member of that belong on this page or a later one, newest first, at one
    /// time by id.
    async fn groups(&self, query: &ListQuery) -> Result<Vec<RecentSession>, StoreError> {
        let mut groups = Vec::new();
        let mut start = None;
        loop {
            let memberships = self.query(BY_MEMBERSHIP).key_condition_expression("userId = :user");
            let rows = self.send_query(memberships, start).await?;
            for mut item in rows.items {
                if item.contains_key(UPDATE_TIME) {
                    groups.push(session(&mut item, query)?);
                }
            }
            start = rows.next;
            if start.is_none() {
                break;
            }
        }
        let range = query.range();
        let taken = |group: &RecentSession| {
            let cursor = query.cursor().filter(|cursor| cursor.time() == group.update_time);
            cursor.and_then(|cursor| cursor.group()).is_some_and(|last| group.session_id <= *last)
        };
        groups.retain(|group| range.contains(group.update_time) && !taken(group));
        groups.sort_by(|a, b| {
            (Reverse(a.update_time), &a.session_id).cmp(&(Reverse(b.update_time), &b.session_id))
        });
        Ok(groups)
    }

    fn query(&self, index: &str) -> QueryFluentBuilder {
        self.store
            .client
            .query()
            .table_name(&*self.store.sessions_table)
            .index_name(index)
            .consistent_read(true)
            .expression_attribute_values(":user", AttributeValue::S(self.user.to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    async fn send_query(&self, query: QueryFluentBuilder, start: Option<Item>) -> Result<Rows, StoreError> {
        let output = query.set_exclusive_start_key(start).send().await?;
        self.store.meter.add_read(output.consumed_capacity());
        Ok(Rows { items: output.items.unwrap_or_default(), next: output.last_evaluated_key })
    }
}

/// The session of an item that an index over `updateTime` holds.
fn session(item: &mut Item, query: &ListQuery) -> Result<RecentSession, StoreError> {
    let id: SessionId = item::session_id(item)?;
    let mut session = item::row(item)?.into_session(id).ok_or(StoreError::MalformedItem(UPDATE_TIME))?;
    if !query.need_last_msg() {
        session.last_msg = None;
    }
    Ok(session)
}
