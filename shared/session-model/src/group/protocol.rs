//! The membership protocol: how a message copy or a request of the backend becomes single-item writes.
//!
//! Each write is atomic, but no transaction spans several writes. The order of the writes and their conditions ensure that,
//! whatever is interleaved, interrupted and repeated,
//!
//! - the group item's message and its visibility to every user are functions of the set of events,
//! - no message is in the group item before its own list is, and
//! - every event, delivered once more alone, ends.
//!
//! `tests/membership_protocol` explores that exhaustively for small sets of events.

use std::collections::BTreeSet;

use super::{
    event::MembershipEvent,
    member_list::{MemberHash, MemberList},
    membership::{MemberAt, Rank},
    writes::{GroupWrite, SessionWrite, Written, supersedes},
};
use crate::{
    id::{Account, GroupId},
    item::{GroupItem, SessionItem},
    register::Entry,
    time::Timestamp,
};

/// The maximum number of attempts at a write that loses to concurrent writes.
const MAX_TRIES: usize = 5;

/// The items of one group, which are written one at a time.
pub trait GroupStore: Sync {
    /// The error of a write.
    type Error: Send;

    /// Writes the group item if the write's condition holds.
    fn write_group(
        &self,
        write: GroupWrite,
    ) -> impl Future<Output = Result<Written<GroupItem>, Self::Error>> + Send;

    /// Writes session items of users, each if its own condition holds, in any order.
    fn write_sessions(
        &self,
        writes: Vec<(Account, SessionWrite)>,
    ) -> impl Future<Output = Result<Vec<(Account, Written<SessionItem>)>, Self::Error>> + Send;
}

/// The reason why an event is not applied, or only in part. The same event may be delivered again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted<E> {
    /// An item could not be written.
    #[error("{0}")]
    Items(E),
    /// It lost to concurrent writes too often.
    #[error("overtaken too often")]
    Contended,
}

impl<E> From<E> for Interrupted<E> {
    fn from(error: E) -> Self {
        Self::Items(error)
    }
}

/// Applies one event of a group.
pub async fn apply<I: GroupStore>(
    items: &I,
    group: &GroupId,
    event: &MembershipEvent,
) -> Result<(), Interrupted<I::Error>> {
    let MembershipEvent { time, entry, list, joined, left } = event;
    if let Some(list) = list {
        store_list(items, list, entry.as_ref()).await?;
    } else {
        join(items, *time, joined).await?;
        record_on_group(items, entry.as_ref()).await?;
    }
    leave(items, group, *time, left, entry.as_ref()).await
}

/// Stores the list, and the message that it came with.
async fn store_list<I: GroupStore>(
    items: &I,
    list: &MemberList,
    entry: Option<&Entry>,
) -> Result<(), Interrupted<I::Error>> {
    let (time, digest) = list.order();
    let raise = GroupWrite::RaiseListedAt { time, digest };
    // In a group whose members do not change, the list is the stored one, and this is the only write.
    let first = match entry {
        Some(entry) => GroupWrite::RecordListed { entry: entry.clone(), time, digest },
        None => raise.clone(),
    };
    for _ in 0..MAX_TRIES {
        let Written::ConditionFailed(group_item) = items.write_group(first.clone()).await? else {
            return Ok(());
        };
        if group_item.list_order() >= Some(list.order()) {
            let newer = entry.filter(|entry| supersedes(entry, group_item.register.as_ref()));
            return record_on_group(items, newer).await;
        }
        let stored = if group_item.list_key == Some(digest) {
            items.write_group(raise.clone()).await?
        } else {
            let left = admit(items, list, &group_item).await?;
            items.write_group(GroupWrite::store_list(list, &group_item, &left)).await?
        };
        if stored == Written::Done {
            return record_on_group(items, entry).await;
        }
    }
    Err(Interrupted::Contended)
}

async fn record_on_group<I: GroupStore>(
    items: &I,
    entry: Option<&Entry>,
) -> Result<(), Interrupted<I::Error>> {
    if let Some(entry) = entry {
        items.write_group(GroupWrite::Record(entry.clone())).await?;
    }
    Ok(())
}

/// Makes the accounts of the list members, except those that are in the group item as it was read. Returns those whose session
/// items record that they left later.
async fn admit<I: GroupStore>(
    items: &I,
    list: &MemberList,
    group_item: &GroupItem,
) -> Result<BTreeSet<MemberHash>, Interrupted<I::Error>> {
    let at = MemberAt { time: list.time, rank: Rank::List };
    let new = list.members().iter().filter(|(hash, _)| !group_item.member_hashes.contains(*hash));
    let writes = new.map(|(_, account)| (account.clone(), SessionWrite::Become(at))).collect();
    let written = items.write_sessions(writes).await?;
    let left: BTreeSet<_> =
        written.into_iter().filter(|(_, written)| has_left(written)).map(|(user, _)| user).collect();
    Ok(list.members().iter().filter(|(_, account)| left.contains(account)).map(|(hash, _)| *hash).collect())
}

fn has_left(written: &Written<SessionItem>) -> bool {
    let Written::ConditionFailed(session_item) = written else { return false };
    !session_item.is_member()
}

async fn join<I: GroupStore>(
    items: &I,
    time: Timestamp,
    accounts: &BTreeSet<Account>,
) -> Result<(), Interrupted<I::Error>> {
    let at = MemberAt { time, rank: Rank::Join };
    write_all(items, accounts, &SessionWrite::Become(at)).await.map(|_| ())
}

async fn leave<I: GroupStore>(
    items: &I,
    group: &GroupId,
    time: Timestamp,
    accounts: &BTreeSet<Account>,
    notice: Option<&Entry>,
) -> Result<(), Interrupted<I::Error>> {
    if accounts.is_empty() {
        return Ok(());
    }
    write_all(items, accounts, &SessionWrite::Leave(time)).await?;
    // These are written whether the membership's condition held or not. Otherwise the session item would depend on the order of
    // events.
    let writes = match notice {
        Some(notice) => SessionWrite::Record(notice.clone()),
        None => SessionWrite::RecordEmpty(time),
    };
    write_all(items, accounts, &writes).await?;
    let hash_of = |account: &Account| group.member_hash(account);
    let hashes = accounts.iter().map(hash_of).collect();
    if let Written::ConditionFailed(group_item) =
        items.write_group(GroupWrite::RemoveMembers { time, hashes }).await?
    {
        // The stored list is not older than the leaving, so the accounts that it contains have come back.
        let Some(listed_at) = group_item.listed_at else { return Ok(()) };
        let named = |account: &&Account| group_item.member_hashes.contains(&hash_of(account));
        let back = accounts.iter().filter(named).cloned().collect();
        let at = MemberAt { time: listed_at, rank: Rank::List };
        write_all(items, &back, &SessionWrite::Become(at)).await?;
    }
    Ok(())
}

async fn write_all<I: GroupStore>(
    items: &I,
    accounts: &BTreeSet<Account>,
    write: &SessionWrite,
) -> Result<Vec<(Account, Written<SessionItem>)>, Interrupted<I::Error>> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    Ok(items
        .write_sessions(accounts.iter().map(|account| (account.clone(), write.clone())).collect())
        .await?)
}
