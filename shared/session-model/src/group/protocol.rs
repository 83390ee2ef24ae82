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
    member_list::MemberList,
    membership::{MemberAt, Rank},
    writes::{GroupWrite, SessionWrite, Written},
};
use crate::{
    id::{Account, GroupId, MemberHash},
    item::{GroupItem, SessionItem},
    register::Message,
    time::Timestamp,
};

/// The maximum number of attempts at a write that loses to concurrent writes.
const MAX_TRIES: usize = 5;

/// The results of writing session items of users.
pub type SessionsWritten<E> = Vec<(Account, Result<Written<SessionItem>, E>)>;

/// The items of one group, which are written one at a time.
pub trait GroupStore: Sync {
    /// The error of a write.
    type Error: Send;

    /// Whether the error concerns a single item and is permanent. Then the other items are written all the same.
    fn is_of_one_item(error: &Self::Error) -> bool;

    /// Writes the group item if the write's condition holds.
    fn write_group(
        &self,
        write: GroupWrite,
    ) -> impl Future<Output = Result<Written<GroupItem>, Self::Error>> + Send;

    /// Writes session items of users, each if its own condition holds, in any order.
    fn write_sessions(
        &self,
        writes: Vec<(Account, SessionWrite)>,
    ) -> impl Future<Output = SessionsWritten<Self::Error>> + Send;
}

/// An item that an event affects but that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut<E> {
    /// The user whose session item of the group it is. `None` is the group item.
    pub account: Option<Account>,
    /// The reason why the item could not be written.
    pub error: E,
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

/// Applies one event of a group. Returns the items that could not be written.
pub async fn apply<S: GroupStore>(
    store: &S,
    group: &GroupId,
    event: &MembershipEvent,
) -> Result<Vec<LeftOut<S::Error>>, Interrupted<S::Error>> {
    let mut application = Application { store, group, left_out: Vec::new() };
    application.apply(event).await?;
    Ok(application.left_out)
}

/// An event while it is applied.
struct Application<'a, S: GroupStore> {
    store: &'a S,
    group: &'a GroupId,
    left_out: Vec<LeftOut<S::Error>>,
}

impl<S: GroupStore> Application<'_, S> {
    async fn apply(&mut self, event: &MembershipEvent) -> Result<(), Interrupted<S::Error>> {
        let MembershipEvent { time, message, list, joined, left } = event;
        if let Some(list) = list {
            self.store_list(list, message.as_ref()).await?;
        } else {
            self.join(*time, joined).await?;
            self.record_on_group(message.as_ref()).await?;
        }
        self.leave(*time, left, message.as_ref()).await
    }

    /// Stores the list, and the message that contains it.
    async fn store_list(
        &mut self,
        list: &MemberList,
        message: Option<&Message>,
    ) -> Result<(), Interrupted<S::Error>> {
        let (time, digest) = list.order();
        let raise = GroupWrite::RaiseListedAt { time, digest };
        // Usually the list is the stored one, and this is the only write.
        let first = match message {
            Some(message) => GroupWrite::RecordListed { message: message.clone(), time, digest },
            None => raise.clone(),
        };
        for _ in 0..MAX_TRIES {
            let Written::ConditionFailed(group_item) = self.write_group(first.clone()).await? else {
                return Ok(());
            };
            if group_item.list_order() >= Some(list.order()) {
                let newer = message.filter(|message| message.is_newer_than(group_item.register.as_ref()));
                return self.record_on_group(newer).await;
            }
            let stored = if group_item.list_key == Some(digest) {
                self.write_group(raise.clone()).await?
            } else {
                let left = self.admit(list, &group_item).await?;
                self.write_group(GroupWrite::store_list(list, &group_item, &left)).await?
            };
            if stored == Written::Done {
                return self.record_on_group(message).await;
            }
        }
        Err(Interrupted::Contended)
    }

    async fn record_on_group(&mut self, message: Option<&Message>) -> Result<(), Interrupted<S::Error>> {
        if let Some(message) = message {
            self.write_group(GroupWrite::Record(message.clone())).await?;
        }
        Ok(())
    }

    /// Makes members of those in the list who are not in the group item as read. Returns those who left later, according to their
    /// session items.
    async fn admit(
        &mut self,
        list: &MemberList,
        group_item: &GroupItem,
    ) -> Result<BTreeSet<MemberHash>, Interrupted<S::Error>> {
        let at = MemberAt { time: list.time, rank: Rank::List };
        let new = list.members().iter().filter(|(hash, _)| !group_item.member_hashes.contains(*hash));
        let new = new.map(|(_, account)| account.clone()).collect();
        let written = self.write_sessions(&new, &SessionWrite::Become(at)).await?;
        let left: BTreeSet<_> =
            written.into_iter().filter(|(_, written)| has_left(written)).map(|(user, _)| user).collect();
        let of_list = list.members().iter().filter(|(_, account)| left.contains(account));
        Ok(of_list.map(|(hash, _)| *hash).collect())
    }

    async fn join(
        &mut self,
        time: Timestamp,
        accounts: &BTreeSet<Account>,
    ) -> Result<(), Interrupted<S::Error>> {
        let at = MemberAt { time, rank: Rank::Join };
        self.write_sessions(accounts, &SessionWrite::Become(at)).await.map(drop)
    }

    async fn leave(
        &mut self,
        time: Timestamp,
        accounts: &BTreeSet<Account>,
        notice: Option<&Message>,
    ) -> Result<(), Interrupted<S::Error>> {
        if accounts.is_empty() {
            return Ok(());
        }
        self.write_sessions(accounts, &SessionWrite::Leave(time)).await?;
        // This is written whether or not the membership's condition held. Otherwise the session item would depend on the order of
        // events.
        let write = match notice {
            Some(notice) => SessionWrite::Record(notice.clone()),
            None => SessionWrite::RecordEmpty(time),
        };
        self.write_sessions(accounts, &write).await?;
        let group = self.group;
        let hash_of = |account: &Account| group.member_hash(account);
        let hashes = accounts.iter().map(hash_of).collect();
        if let Written::ConditionFailed(group_item) =
            self.write_group(GroupWrite::RemoveMembers { time, hashes }).await?
        {
            // The stored list is not older than the leave, so the accounts that it contains have come back.
            let Some(listed_at) = group_item.listed_at else { return Ok(()) };
            let named = |account: &&Account| group_item.member_hashes.contains(&hash_of(account));
            let back = accounts.iter().filter(named).cloned().collect();
            let at = MemberAt { time: listed_at, rank: Rank::List };
            self.write_sessions(&back, &SessionWrite::Become(at)).await?;
        }
        Ok(())
    }

    /// Writes the group item. If it cannot be written, it is left out, and the event continues.
    async fn write_group(&mut self, write: GroupWrite) -> Result<Written<GroupItem>, Interrupted<S::Error>> {
        let written = self.store.write_group(write).await;
        self.or_left_out(None, written)
    }

    /// Writes one thing to session items of users. Those that cannot be written are left out.
    async fn write_sessions(
        &mut self,
        accounts: &BTreeSet<Account>,
        write: &SessionWrite,
    ) -> Result<Vec<(Account, Written<SessionItem>)>, Interrupted<S::Error>> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let writes = accounts.iter().map(|account| (account.clone(), write.clone())).collect();
        let mut written = Vec::with_capacity(accounts.len());
        for (account, of_account) in self.store.write_sessions(writes).await {
            let of_account = self.or_left_out(Some(&account), of_account)?;
            written.push((account, of_account));
        }
        Ok(written)
    }

    /// The result of a write. An item that cannot be written counts as written here, and is returned in the end.
    fn or_left_out<T>(
        &mut self,
        account: Option<&Account>,
        written: Result<Written<T>, S::Error>,
    ) -> Result<Written<T>, Interrupted<S::Error>> {
        let error = match written {
            Err(error) if S::is_of_one_item(&error) => error,
            written => return Ok(written?),
        };
        if !self.left_out.iter().any(|known| known.account.as_ref() == account) {
            self.left_out.push(LeftOut { account: account.cloned(), error });
        }
        Ok(Written::Done)
    }
}

fn has_left(written: &Written<SessionItem>) -> bool {
    let Written::ConditionFailed(session_item) = written else { return false };
    !session_item.is_member()
}
