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

use std::collections::{BTreeMap, BTreeSet};

use super::{
    event::MembershipEvent,
    member_list::MemberList,
    membership::{MemberAt, Rank},
    writes::{GroupWrite, SessionWrite, Written},
};
use crate::{
    id::{Account, GroupId},
    item::{GroupItem, SessionItem},
    register::Message,
    time::Timestamp,
};

/// The maximum number of attempts at a write that loses to concurrent writes.
const MAX_TRIES: usize = 5;

/// The results of writing session items of users.
pub type SessionsWritten<E> = Vec<(Account, Result<Written<SessionItem>, E>)>;

/// The users who were erased, and those of whom this is not known, because their marker cannot be understood.
pub type ErasedUsers<E> = BTreeMap<Account, Result<(), E>>;

/// The items of one group, which are written one at a time.
pub trait GroupStore: Sync {
    /// The error of a write.
    type Error: Send;

    /// Whether the error concerns a single item and is permanent. Then the other items are written all the same.
    fn is_of_one_item(error: &Self::Error) -> bool;

    /// Returns those of the accounts that were erased at the time of the event or later, as far as the event is so late that this can
    /// be.
    fn erased(
        &self,
        accounts: &BTreeSet<Account>,
        event: Timestamp,
    ) -> impl Future<Output = Result<ErasedUsers<Self::Error>, Self::Error>> + Send;

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

    /// Deletes a user's session item, unless it marks them as a member and `only_if_left` is set. Returns whether it is deleted.
    fn delete_session(
        &self,
        user: &Account,
        only_if_left: bool,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// An item that an event affects but that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut<E> {
    /// The user whose session item of the group it is. `None` is the group item.
    pub account: Option<Account>,
    /// The reason why the item could not be written.
    pub error: E,
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<E> {
    /// The items that could not be written. Delivered again after they were repaired, the event is applied as a whole.
    pub left_out: Vec<LeftOut<E>>,
    /// The accounts for which something newer or stronger is known than what the event reports of them.
    pub superseded: BTreeSet<Account>,
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
pub async fn apply<S: GroupStore>(
    store: &S,
    group: &GroupId,
    event: &MembershipEvent,
) -> Result<Applied<S::Error>, Interrupted<S::Error>> {
    let mut application = Application::new(store, group);
    application.apply(event).await?;
    Ok(application.applied)
}

/// Erases a user in the group: they leave it, and their session item is deleted. Returns whether it is deleted.
///
/// It is kept if something dated `now` or later makes them a member, by a clock that is ahead. A later request, with a later `now`,
/// deletes it then. Otherwise the group item would name a user without a session item, and no list would make them a member again. An
/// item that cannot be understood or written is deleted first.
pub async fn erase<S: GroupStore>(
    store: &S,
    group: &GroupId,
    user: &Account,
    now: Timestamp,
) -> Result<bool, Interrupted<S::Error>> {
    let mut application = Application::new(store, group);
    let users = BTreeSet::from([user.clone()]);
    let leave = SessionWrite::Leave(now);
    let written = application.write_sessions(&users, &leave).await?;
    if matches!(written[..], [(_, SessionWritten::LeftOut)]) {
        store.delete_session(user, false).await?;
        application.write_sessions(&users, &leave).await?;
    }
    application.remove_members(now, &users, &users).await?;
    Ok(store.delete_session(user, true).await?)
}

/// An event while it is applied.
struct Application<'a, S: GroupStore> {
    store: &'a S,
    group: &'a GroupId,
    applied: Applied<S::Error>,
}

/// The result of writing one user's session item.
enum SessionWritten {
    /// The condition held.
    Done,
    /// The condition failed. Contains the item as it is.
    ConditionFailed(SessionItem),
    /// The item cannot be written.
    LeftOut,
}

impl<'a, S: GroupStore> Application<'a, S> {
    fn new(store: &'a S, group: &'a GroupId) -> Self {
        let applied = Applied { left_out: Vec::new(), superseded: BTreeSet::new() };
        Self { store, group, applied }
    }

    async fn apply(&mut self, event: &MembershipEvent) -> Result<(), Interrupted<S::Error>> {
        let MembershipEvent { time, message, list, joined, left, notice } = event;
        if let Some(list) = list {
            self.store_list(list, message.as_ref()).await?;
        } else {
            self.join(*time, joined).await?;
            self.record_on_group(message.as_ref()).await?;
        }
        self.leave(*time, left, notice.as_ref()).await
    }

    /// Stores the list, and the message that contains it.
    async fn store_list(
        &mut self,
        list: &MemberList,
        message: Option<&Message>,
    ) -> Result<(), Interrupted<S::Error>> {
        let order = list.order();
        let raise = || GroupWrite::RaiseListedAt(order.clone());
        // Usually the list is the stored one, and this is the only write.
        let first = match message {
            Some(message) => GroupWrite::RecordListed { message: message.clone(), list: order.clone() },
            None => raise(),
        };
        for _ in 0..MAX_TRIES {
            let Written::ConditionFailed(group_item) = self.write_group(first.clone()).await? else {
                return Ok(());
            };
            let known = group_item.list_order();
            if known.as_ref() > Some(order) {
                self.applied.superseded.extend(list.members().keys().cloned());
                return self.record_if_newer(message, &group_item).await;
            }
            let is_same = known.as_ref() == Some(order);
            if is_same && group_item.list_key.is_some() {
                return self.record_if_newer(message, &group_item).await;
            }
            let stored = if group_item.list_key == Some(order.digest) {
                self.write_group(raise()).await?
            } else {
                let missing = list.missing_in(&group_item.member_hashes);
                let without = self.admit(order.time, &missing).await?;
                if is_same && without == missing {
                    // Nobody was admitted, so the stored list stays as it is.
                    return self.record_if_newer(message, &group_item).await;
                }
                self.write_group(GroupWrite::store_list(list, &group_item, &without)).await?
            };
            if stored == Written::Done {
                return self.record_on_group(message).await;
            }
        }
        Err(Interrupted::Contended)
    }

    async fn record_if_newer(
        &mut self,
        message: Option<&Message>,
        group_item: &GroupItem,
    ) -> Result<(), Interrupted<S::Error>> {
        let newer = message.filter(|message| message.is_newer_than(group_item.register.as_ref()));
        self.record_on_group(newer).await
    }

    async fn record_on_group(&mut self, message: Option<&Message>) -> Result<(), Interrupted<S::Error>> {
        if let Some(message) = message {
            self.write_group(GroupWrite::Record(message.clone())).await?;
        }
        Ok(())
    }

    /// Makes members of accounts that a list of this time contains. Returns those who are not members all the same: those who left
    /// later, according to their session items, those who were erased since, and those whose session items cannot be written. The group
    /// item must not name the latter, or nothing would ever make them members.
    async fn admit(
        &mut self,
        time: Timestamp,
        accounts: &BTreeSet<Account>,
    ) -> Result<BTreeSet<Account>, Interrupted<S::Error>> {
        let at = MemberAt { time, rank: Rank::List };
        let mut kept_out = self.erased(accounts, time).await?;
        let written = self.write_sessions(&(accounts - &kept_out), &SessionWrite::Become(at)).await?;
        let is_kept_out = |written: &SessionWritten| match written {
            SessionWritten::Done => false,
            SessionWritten::ConditionFailed(session_item) => !session_item.is_member(),
            SessionWritten::LeftOut => true,
        };
        self.note_superseded(&written);
        kept_out
            .extend(written.into_iter().filter(|(_, written)| is_kept_out(written)).map(|(user, _)| user));
        Ok(kept_out)
    }

    async fn join(
        &mut self,
        time: Timestamp,
        accounts: &BTreeSet<Account>,
    ) -> Result<(), Interrupted<S::Error>> {
        let at = MemberAt { time, rank: Rank::Join };
        let accounts = accounts - &self.erased(accounts, time).await?;
        let written = self.write_sessions(&accounts, &SessionWrite::Become(at)).await?;
        self.note_superseded(&written);
        Ok(())
    }

    /// Adds the accounts whose session items record a greater membership event.
    fn note_superseded(&mut self, written: &[(Account, SessionWritten)]) {
        let failed =
            written.iter().filter(|(_, written)| matches!(written, SessionWritten::ConditionFailed(_)));
        self.applied.superseded.extend(failed.map(|(account, _)| account.clone()));
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
        let present = accounts - &self.erased(accounts, time).await?;
        let written = self.write_sessions(&present, &SessionWrite::Leave(time)).await?;
        self.note_superseded(&written);
        // This is written whether or not the membership's condition held. Otherwise the session item would depend on the order of
        // events.
        let write = match notice {
            Some(notice) => SessionWrite::Record(notice.clone()),
            None => SessionWrite::RecordEmpty(time),
        };
        self.write_sessions(&present, &write).await?;
        self.remove_members(time, accounts, &present).await
    }

    /// Removes the accounts from the group item, unless its list is not older than the leave. That list has brought back those of
    /// `present` whom it contains.
    async fn remove_members(
        &mut self,
        time: Timestamp,
        accounts: &BTreeSet<Account>,
        present: &BTreeSet<Account>,
    ) -> Result<(), Interrupted<S::Error>> {
        let group = self.group;
        let hash_of = |account: &Account| group.member_hash(account);
        let hashes = accounts.iter().map(hash_of).collect();
        if let Written::ConditionFailed(group_item) =
            self.write_group(GroupWrite::RemoveMembers { time, hashes }).await?
        {
            let Some(listed_at) = group_item.listed_at else { return Ok(()) };
            let named = |account: &&Account| group_item.member_hashes.contains(&hash_of(account));
            let back = present.iter().filter(named).cloned().collect();
            let at = MemberAt { time: listed_at, rank: Rank::List };
            self.write_sessions(&back, &SessionWrite::Become(at)).await?;
        }
        Ok(())
    }

    /// Returns those of the accounts that the event must not concern. A user whose marker cannot be understood is left out.
    async fn erased(
        &mut self,
        accounts: &BTreeSet<Account>,
        event: Timestamp,
    ) -> Result<BTreeSet<Account>, Interrupted<S::Error>> {
        let mut erased = BTreeSet::new();
        if accounts.is_empty() {
            return Ok(erased);
        }
        for (account, known) in self.store.erased(accounts, event).await? {
            match known {
                Err(error) if S::is_of_one_item(&error) => self.leave_out(Some(&account), error),
                known => known?,
            }
            erased.insert(account);
        }
        Ok(erased)
    }

    /// Writes the group item. If it cannot be written, it is left out, and the event continues.
    async fn write_group(&mut self, write: GroupWrite) -> Result<Written<GroupItem>, Interrupted<S::Error>> {
        match self.store.write_group(write).await {
            Err(error) if S::is_of_one_item(&error) => {
                self.leave_out(None, error);
                Ok(Written::Done)
            }
            written => Ok(written?),
        }
    }

    /// Writes one thing to session items of users. Those that cannot be written are left out.
    async fn write_sessions(
        &mut self,
        accounts: &BTreeSet<Account>,
        write: &SessionWrite,
    ) -> Result<Vec<(Account, SessionWritten)>, Interrupted<S::Error>> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let writes = accounts.iter().map(|account| (account.clone(), write.clone())).collect();
        let mut written = Vec::with_capacity(accounts.len());
        for (account, of_account) in self.store.write_sessions(writes).await {
            let of_account = match of_account {
                Err(error) if S::is_of_one_item(&error) => {
                    self.leave_out(Some(&account), error);
                    SessionWritten::LeftOut
                }
                of_account => match of_account? {
                    Written::Done => SessionWritten::Done,
                    Written::ConditionFailed(session_item) => SessionWritten::ConditionFailed(session_item),
                },
            };
            written.push((account, of_account));
        }
        Ok(written)
    }

    fn leave_out(&mut self, account: Option<&Account>, error: S::Error) {
        let left_out = &mut self.applied.left_out;
        if !left_out.iter().any(|known| known.account.as_ref() == account) {
            left_out.push(LeftOut { account: account.cloned(), error });
        }
    }
}
