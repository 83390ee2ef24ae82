//! One group: its group item, and the memberships of its users.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::{operation::delete_item::DeleteItemError, types::ReturnConsumedCapacity};
use futures_util::{StreamExt, stream::FuturesUnordered};
use session_model::{
    Account, GroupId, GroupItem, MessageId, SessionItem, Timestamp,
    group::{
        Applied, ErasedUsers, GroupStore, GroupWrite, Interrupted, ListOrder, MemberAt, MembershipEvent,
        Rank, SessionWrite, SessionsWritten, Written, apply,
    },
    register::amendments::{Amendment, Recall},
};

use super::{
    optimistic::{self, AmendableItem, Snapshot},
    session::change_time_of_item,
    update::{OLDER, ReturnValues, Update, Updated},
};
use crate::{
    Sessions, Store, StoreError,
    codec::item::{self, b, hashes, n, s},
    read::group_items,
};

/// The maximum number of session items that are written concurrently: 1,000 removals finish in a second, on few enough connections.
const CONCURRENCY: usize = 32;
/// The number of concurrent writes at first. Each further connection costs a handshake, at a small share of a CPU, so connections
/// are opened while others are in use.
const FIRST_CONCURRENCY: usize = 2;

/// The condition that a session item records no membership event after (`:at`, `:rank`).
const NOT_GREATER: &str =
    "attribute_not_exists(memberAt) OR memberAt < :at OR (memberAt = :at AND memberRank <= :rank)";

/// One group. The membership protocol of `session_model` determines the order of its writes. This module translates each of them to
/// DynamoDB.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    pub(crate) store: &'a Store,
    pub(crate) id: &'a GroupId,
    pub(crate) now: Timestamp,
}

impl Group<'_> {
    /// Applies an event of the group. A message that reports nothing new about the members is one write.
    ///
    /// An item that can never be written (see [`StoreError::is_of_one_item`]) does not hold up the others: it is left out and
    /// returned.
    pub async fn apply(&self, event: &MembershipEvent) -> Result<Applied<StoreError>, StoreError> {
        Ok(apply(self, self.id, event).await?)
    }

    /// Merges the edit or recall of a message. Only the group item is written, because members' session items have no amendments.
    pub async fn amend(&self, amendment: &Amendment) -> Result<(), StoreError> {
        let item = GroupItemRef { group: self, write: None };
        let blind = |recall: &Recall| Update::recall(recall, Some(self.now));
        let written = match amendment {
            Amendment::Recall(recall) => Some(item.update(blind(recall)).await?),
            Amendment::Edit(_) => None,
        };
        Ok(optimistic::amend(&item, written, |held| held.value.amend(amendment, self.now)).await?)
    }

    async fn write_session(
        &self,
        user: &Account,
        write: &SessionWrite,
    ) -> Result<Written<SessionItem>, StoreError> {
        let sessions = Sessions { store: self.store, user };
        let key = sessions.key(self.id.session_id());
        match self
            .store
            .update(
                &self.store.sessions_table,
                key,
                session_update(write, self.now),
                ReturnValues::OnConditionFailure,
            )
            .await?
        {
            Updated::Done(_) => Ok(Written::Done),
            Updated::ConditionFailed(mut item) => {
                Ok(Written::ConditionFailed(item::session_item(&mut item)?))
            }
        }
    }

    async fn merge_group(&self, write: &GroupWrite) -> Result<Written<GroupItem>, StoreError> {
        let item = GroupItemRef { group: self, write: Some(write) };
        let written = item.update(group_update(write, self.now)).await?;
        let written = match write {
            // What these show may depend on amendments.
            GroupWrite::Record(_) | GroupWrite::RecordListed { .. } => {
                optimistic::record(&item, written, |held| write.apply(&mut held.value, self.now)).await?
            }
            _ => written,
        };
        Ok(match written {
            Written::Done => Written::Done,
            Written::ConditionFailed(held) => Written::ConditionFailed(held.value),
        })
    }
}

impl GroupStore for Group<'_> {
    type Error = StoreError;

    fn is_of_one_item(error: &StoreError) -> bool {
        error.is_of_one_item()
    }

    async fn erased(
        &self,
        accounts: &BTreeSet<Account>,
        event: Timestamp,
    ) -> Result<ErasedUsers<StoreError>, StoreError> {
        self.store.erased(accounts, event, self.now).await
    }

    async fn write_group(&self, write: GroupWrite) -> Result<Written<GroupItem>, StoreError> {
        self.merge_group(&write).await
    }

    async fn write_sessions(&self, writes: Vec<(Account, SessionWrite)>) -> SessionsWritten<StoreError> {
        // All of them are written even if one fails: one user must not hold up the others.
        let write = async |(user, write): (Account, SessionWrite)| {
            let written = self.write_session(&user, &write).await;
            (user, written)
        };
        more_and_more(writes.into_iter().map(write)).await
    }

    async fn delete_session(&self, user: &Account, only_if_left: bool) -> Result<bool, StoreError> {
        let sessions = Sessions { store: self.store, user };
        let request = self
            .store
            .client
            .delete_item()
            .table_name(&*self.store.sessions_table)
            .set_key(Some(sessions.key(self.id.session_id())))
            .set_condition_expression(only_if_left.then(|| "attribute_not_exists(memberSince)".to_owned()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match request.send().await {
            Ok(output) => {
                self.store.meter.add_write(output.consumed_capacity());
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => {
                    self.store.meter.add_failed_condition();
                    Ok(false)
                }
                _ => Err(error.into()),
            },
        }
    }
}

/// Runs all of these: a few concurrently at first, and then 2 more for each that is done, up to [`CONCURRENCY`].
async fn more_and_more<F: Future>(mut waiting: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: FuturesUnordered<F> = waiting.by_ref().take(FIRST_CONCURRENCY).collect();
    let mut done = Vec::with_capacity(waiting.size_hint().0);
    while let Some(one) = running.next().await {
        done.push(one);
        let room = CONCURRENCY - running.len();
        running.extend(waiting.by_ref().take(room.min(2)));
    }
    done
}

/// A group's group item, and the write that is merged into it.
struct GroupItemRef<'a> {
    group: &'a Group<'a>,
    write: Option<&'a GroupWrite>,
}

impl GroupItemRef<'_> {
    async fn update(&self, update: Update) -> Result<Written<Snapshot<GroupItem>>, StoreError> {
        let Group { store, id, .. } = *self.group;
        match store
            .update(&store.groups_table, group_items::key(id), update, ReturnValues::OnConditionFailure)
            .await?
        {
            Updated::Done(_) => Ok(Written::Done),
            Updated::ConditionFailed(item) => Ok(Written::ConditionFailed(optimistic::group_item(item)?)),
        }
    }
}

impl AmendableItem for GroupItemRef<'_> {
    type Snapshot = Snapshot<GroupItem>;
    type Error = StoreError;

    async fn read(&self) -> Result<Snapshot<GroupItem>, StoreError> {
        let Group { store, id, .. } = *self.group;
        optimistic::group_item(
            store.read(&store.groups_table, group_items::key(id), true, None).await?.unwrap_or_default(),
        )
    }

    async fn replace(
        &self,
        before: &Snapshot<GroupItem>,
        after: &Snapshot<GroupItem>,
    ) -> Result<Written<Snapshot<GroupItem>>, StoreError> {
        // A group item does not expire.
        let update = optimistic::replacement(before, &after.value, 0);
        self.update(match self.write {
            Some(GroupWrite::RecordListed { list, .. }) => with_same_list(update, list),
            _ => update,
        })
        .await
    }
}

impl From<Interrupted<Self>> for StoreError {
    fn from(interrupted: Interrupted<Self>) -> Self {
        match interrupted {
            Interrupted::Items(error) => error,
            Interrupted::Contended => Self::Throttled("overtaken by other writes".into()),
        }
    }
}

/// Raises the order of the group item's list, if the group item has exactly this list and none newer.
fn with_same_list(update: Update, list: &ListOrder) -> Update {
    with_list(update, list)
        .set("listedAt = :listed, listId = :listId")
        .only_if("listKey = :digest AND (listedAt < :listed OR (listedAt = :listed AND listId <= :listId))")
}

/// Binds the order of a list.
fn with_list(update: Update, list: &ListOrder) -> Update {
    update.with(":listed", n(list.time)).with(":listId", s(list.id.as_str())).with(":digest", b(&list.digest))
}

/// Every write of a group item sets the change time.
fn group_update(write: &GroupWrite, now: Timestamp) -> Update {
    match write {
        GroupWrite::Record(message) => Update::record(message, Some(now)),
        GroupWrite::RecordListed { message, list } => {
            with_same_list(Update::record(message, Some(now)), list)
        }
        GroupWrite::RaiseListedAt(list) => with_same_list(Update::default().with_change_time(now), list),
        GroupWrite::StoreList { version, list, hashes: members, exact } => {
            let update = with_list(Update::default(), list)
                .with_change_time(now)
                .set("listedAt = :listed, listId = :listId, listDigest = :digest, membersVersion = :next")
                .only_if(
                    "attribute_not_exists(listedAt) OR listedAt < :listed OR \
                     (listedAt = :listed AND (listId < :listId OR (listId = :listId AND \
                     (listDigest < :digest OR (listDigest = :digest AND attribute_not_exists(listKey))))))",
                )
                .with(":next", n(version + 1));
            let update = match version {
                0 => update.only_if("attribute_not_exists(membersVersion)"),
                _ => update.only_if("membersVersion = :version").with(":version", n(*version)),
            };
            let update = if *exact { update.set("listKey = :digest") } else { update.remove("listKey") };
            if members.is_empty() {
                update.remove("memberHashes")
            } else {
                update.set("memberHashes = :members").with(":members", hashes(members))
            }
        }
        GroupWrite::RemoveMembers { time, hashes: members } => Update::default()
            .with_change_time(now)
            .set("membersVersion = if_not_exists(membersVersion, :zero) + :one")
            .remove("listKey")
            .delete("memberHashes :members")
            .only_if("attribute_not_exists(listedAt) OR listedAt < :listed")
            .with(":zero", n(0u64))
            .with(":one", n(1u64))
            .with(":listed", n(*time))
            .with(":members", hashes(members)),
    }
}

fn session_update(write: &SessionWrite, now: Timestamp) -> Update {
    let membership = |at: MemberAt| {
        Update::default()
            .set("memberAt = :at, memberRank = :rank")
            .remove("expiresAt")
            .with_change_time(now)
            .only_if(NOT_GREATER)
            .with(":at", n(at.time))
            .with(":rank", n(at.rank.as_number()))
    };
    match write {
        SessionWrite::Become(at) => membership(*at).set("memberSince = if_not_exists(memberSince, :at)"),
        SessionWrite::Leave(time) => {
            membership(MemberAt { time: *time, rank: Rank::Leave }).remove("memberSince")
        }
        SessionWrite::Record(message) => {
            Update::record(message, change_time_of_item(message.position.time, now))
        }
        SessionWrite::RecordEmpty(time) => Update::default()
            .with_change_time(now)
            .set("updateTime = :t, msgTime = :t, msgId = :id")
            .remove("lastMsg, lastMsgType, expiresAt")
            .only_if(OLDER)
            .with(":t", n(*time))
            .with(":id", s(MessageId::NONE.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn connections_are_opened_gradually_and_not_too_many() {
        let (running, most) = (Cell::new(0), Cell::new(Vec::new()));
        let task = |number: usize| {
            let (running, most) = (&running, &most);
            async move {
                running.set(running.get() + 1);
                let mut seen = most.take();
                seen.push(running.get());
                most.set(seen);
                yield_now().await;
                running.set(running.get() - 1);
                number
            }
        };
        let mut done = more_and_more((0..1_000).map(task)).await;
        done.sort_unstable();
        assert_eq!(done, (0..1_000).collect::<Vec<_>>());
        let seen = most.take();
        assert_eq!(&seen[..2], [1, 2]);
        assert!(seen[2..6].iter().all(|running| *running <= 4), "{:?}", &seen[..6]);
        assert_eq!(seen.iter().max(), Some(&CONCURRENCY));
    }
}
