//! The membership protocol: how a copy of the feed or a backend call becomes single-item writes.
//!
//! Each write is atomic; nothing holds several together. The order of the writes and their conditions are such that,
//! whatever is interleaved, interrupted and repeated,
//!
//! - the head's message and everybody's visibility are functions of the set of events,
//! - no message is on the head before its own list is, and
//! - every event, delivered once more alone, ends.
//!
//! `tests` explores that exhaustively for small sets of events.

use std::collections::BTreeSet;

use super::{
    GroupId, Head, HeadWrite, MemberAt, MemberHash, MemberList, Rank, RowWrite, Written, writes::supersedes,
};
use crate::{Account, Entry, Row, Timestamp};

/// How often a write that others overtook begins anew.
const MAX_TRIES: usize = 5;

/// The items of one group, written one at a time.
pub trait GroupItems: Sync {
    /// Why an item cannot be written.
    type Error: Send;

    /// Writes the head on the write's condition.
    fn write_head(&self, write: HeadWrite)
    -> impl Future<Output = Result<Written<Head>, Self::Error>> + Send;

    /// Writes rows of users, each on its own condition, in any order.
    fn write_rows(
        &self,
        writes: Vec<(Account, RowWrite)>,
    ) -> impl Future<Output = Result<Vec<(Account, Written<Row>)>, Self::Error>> + Send;
}

/// Why an event is not, or not wholly, applied. The same event may be delivered again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted<E> {
    /// An item could not be written.
    #[error("{0}")]
    Items(E),
    /// Others overtook it too often.
    #[error("overtaken too often")]
    Overtaken,
}

impl<E> From<E> for Interrupted<E> {
    fn from(error: E) -> Self {
        Self::Items(error)
    }
}

/// What those who leave keep.
enum Leaving {
    /// The message that says so.
    Notice(Entry),
    /// An empty session.
    Nothing,
}

/// A message of the group, with the list of members where the copy carries one, and those whom it says joined and left.
pub async fn record<I: GroupItems>(
    items: &I,
    group: &GroupId,
    entry: &Entry,
    list: Option<&MemberList>,
    joined: &BTreeSet<Account>,
    left: &BTreeSet<Account>,
) -> Result<(), Interrupted<I::Error>> {
    let time = entry.position.time;
    if let Some(list) = list {
        store_list(items, list, Some(entry)).await?;
    } else {
        join(items, time, joined).await?;
        record_on_head(items, entry).await?;
    }
    leave(items, group, time, left, &Leaving::Notice(entry.clone())).await
}

/// A whole list of members from the backend.
pub async fn put_list<I: GroupItems>(items: &I, list: &MemberList) -> Result<(), Interrupted<I::Error>> {
    store_list(items, list, None).await
}

/// Members whom the backend says joined and left at a time.
pub async fn update_members<I: GroupItems>(
    items: &I,
    group: &GroupId,
    time: Timestamp,
    joined: &BTreeSet<Account>,
    left: &BTreeSet<Account>,
) -> Result<(), Interrupted<I::Error>> {
    join(items, time, joined).await?;
    leave(items, group, time, left, &Leaving::Nothing).await
}

/// The list, and the message it came with.
async fn store_list<I: GroupItems>(
    items: &I,
    list: &MemberList,
    entry: Option<&Entry>,
) -> Result<(), Interrupted<I::Error>> {
    let (time, digest) = list.order();
    let raise = HeadWrite::RaiseListedAt { time, digest };
    // In a group at rest the list is the stored one, and this is the only write.
    let first = match entry {
        Some(entry) => HeadWrite::RecordListed { entry: entry.clone(), time, digest },
        None => raise.clone(),
    };
    for _ in 0..MAX_TRIES {
        let Written::Refused(head) = items.write_head(first.clone()).await? else { return Ok(()) };
        if head.list_order() >= Some(list.order()) {
            return match entry.filter(|entry| supersedes(entry, head.register.as_ref())) {
                Some(entry) => record_on_head(items, entry).await,
                None => Ok(()),
            };
        }
        let stored = if head.list_key == Some(digest) {
            items.write_head(raise.clone()).await?
        } else {
            let gone = admit(items, list, &head).await?;
            items.write_head(HeadWrite::store_list(list, &head, &gone)).await?
        };
        if stored == Written::Done {
            return match entry {
                Some(entry) => record_on_head(items, entry).await,
                None => Ok(()),
            };
        }
    }
    Err(Interrupted::Overtaken)
}

async fn record_on_head<I: GroupItems>(items: &I, entry: &Entry) -> Result<(), Interrupted<I::Error>> {
    items.write_head(HeadWrite::Record(entry.clone())).await?;
    Ok(())
}

/// Makes those of the list members who are not in the head as read. Answers those whose rows say that they left later.
async fn admit<I: GroupItems>(
    items: &I,
    list: &MemberList,
    head: &Head,
) -> Result<BTreeSet<MemberHash>, Interrupted<I::Error>> {
    let at = MemberAt { time: list.time, rank: Rank::List };
    let new = list.members().iter().filter(|(hash, _)| !head.member_hashes.contains(*hash));
    let writes = new.map(|(_, account)| (account.clone(), RowWrite::Become(at))).collect();
    let written = items.write_rows(writes).await?;
    let gone: BTreeSet<_> =
        written.into_iter().filter(|(_, written)| has_left(written)).map(|(user, _)| user).collect();
    Ok(list.members().iter().filter(|(_, account)| gone.contains(account)).map(|(hash, _)| *hash).collect())
}

fn has_left(written: &Written<Row>) -> bool {
    let Written::Refused(row) = written else { return false };
    !row.is_member()
}

async fn join<I: GroupItems>(
    items: &I,
    time: Timestamp,
    accounts: &BTreeSet<Account>,
) -> Result<(), Interrupted<I::Error>> {
    let at = MemberAt { time, rank: Rank::Join };
    write_all(items, accounts, &RowWrite::Become(at)).await.map(|_| ())
}

async fn leave<I: GroupItems>(
    items: &I,
    group: &GroupId,
    time: Timestamp,
    accounts: &BTreeSet<Account>,
    leaving: &Leaving,
) -> Result<(), Interrupted<I::Error>> {
    if accounts.is_empty() {
        return Ok(());
    }
    end_membership(items, time, accounts).await?;
    // Whatever the membership's condition answered: else the row would depend on the order of events.
    let kept = match leaving {
        Leaving::Notice(entry) => RowWrite::Record(entry.clone()),
        Leaving::Nothing => RowWrite::RecordEmpty(time),
    };
    write_all(items, accounts, &kept).await?;
    let hash_of = |account: &Account| group.member_hash(account);
    let hashes = accounts.iter().map(hash_of).collect();
    if let Written::Refused(head) = items.write_head(HeadWrite::RemoveMembers { time, hashes }).await? {
        // The stored list is newer than the leaving: whom it names has come back.
        let Some(listed_at) = head.listed_at else { return Ok(()) };
        let named = |account: &&Account| head.member_hashes.contains(&hash_of(account));
        let back = accounts.iter().filter(named).cloned().collect();
        let at = MemberAt { time: listed_at, rank: Rank::List };
        write_all(items, &back, &RowWrite::Become(at)).await?;
    }
    Ok(())
}

/// Tries the form for a row that shows nothing, which is the common one, then the other, and again where a row changed in
/// between.
async fn end_membership<I: GroupItems>(
    items: &I,
    time: Timestamp,
    accounts: &BTreeSet<Account>,
) -> Result<(), Interrupted<I::Error>> {
    let at = MemberAt { time, rank: Rank::Leave };
    let mut shows = false;
    let mut open = accounts.clone();
    for _ in 0..2 * MAX_TRIES {
        let written = write_all(items, &open, &RowWrite::Leave { time, shows }).await?;
        let other_form = written.into_iter().filter(|(_, written)| match written {
            Written::Done => false,
            Written::Refused(row) => row.membership.is_none_or(|held| held.at <= at),
        });
        open = other_form.map(|(account, _)| account).collect();
        if open.is_empty() {
            return Ok(());
        }
        shows = !shows;
    }
    Err(Interrupted::Overtaken)
}

async fn write_all<I: GroupItems>(
    items: &I,
    accounts: &BTreeSet<Account>,
    write: &RowWrite,
) -> Result<Vec<(Account, Written<Row>)>, Interrupted<I::Error>> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    Ok(items.write_rows(accounts.iter().map(|account| (account.clone(), write.clone())).collect()).await?)
}
