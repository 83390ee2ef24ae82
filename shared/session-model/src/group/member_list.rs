//! A whole list of a group's members.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::{
    id::{Account, GroupId, MemberHash, MessageId},
    time::Timestamp,
};

/// The digest that represents a list in the group item: 16 bytes of the SHA-256 over its sorted accounts.
pub type ListDigest = [u8; 16];

/// The id of what reported a list. It orders lists of one time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(String);

impl ListId {
    /// The id of a list from the backend. It is greater than that of any message, because canonical ids begin with a digit or `~`.
    #[must_use]
    pub fn of_backend() -> Self {
        Self("\u{7f}".to_owned())
    }

    /// The id of the list that a message contains.
    #[must_use]
    pub fn of_message(id: &MessageId) -> Self {
        Self(id.as_str().to_owned())
    }

    /// Creates the id from its stored form.
    #[must_use]
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The stored form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The position of a list among all lists of its group: by time, at equal times by the id of what reported it, then by digest. So an
/// invitation wins over a text of the same millisecond that was sent before it, and a list from the backend over both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListOrder {
    /// The time of the list.
    pub time: Timestamp,
    /// The id of what reported it.
    pub id: ListId,
    /// The digest over the accounts.
    pub digest: ListDigest,
}

/// The members of a group at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberList {
    order: ListOrder,
    members: BTreeMap<Account, MemberHash>,
}

impl MemberList {
    /// Creates the list of these accounts.
    #[must_use]
    pub fn new(group: &GroupId, time: Timestamp, id: ListId, accounts: &BTreeSet<Account>) -> Self {
        Self::with_hashes(time, id, accounts, |account| group.member_hash(account))
    }

    /// Creates the list of these accounts, which `hash` represents in the group item.
    pub(super) fn with_hashes(
        time: Timestamp,
        id: ListId,
        accounts: &BTreeSet<Account>,
        hash: impl Fn(&Account) -> MemberHash,
    ) -> Self {
        let mut hasher = Sha256::new();
        for account in accounts {
            hasher.update(account.as_str());
            hasher.update([0]);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        let members = accounts.iter().map(|account| (account.clone(), hash(account))).collect();
        Self { order: ListOrder { time, id, digest }, members }
    }

    /// The list's position among all lists of the group.
    #[must_use]
    pub fn order(&self) -> &ListOrder {
        &self.order
    }

    /// The members, and the hash of each.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<Account, MemberHash> {
        &self.members
    }

    /// The members who may be new to a group item with these hashes. A member whose hash also belongs to another member of the list
    /// may be new as well, because the hash does not tell which of them the group item has.
    pub(super) fn missing_in(&self, hashes: &BTreeSet<MemberHash>) -> BTreeSet<Account> {
        let mut names = BTreeMap::<&MemberHash, usize>::new();
        for hash in self.members.values() {
            *names.entry(hash).or_default() += 1;
        }
        let is_missing = |hash: &MemberHash| !hashes.contains(hash) || names[hash] > 1;
        let missing = self.members.iter().filter(|(_, hash)| is_missing(hash));
        missing.map(|(account, _)| account.clone()).collect()
    }
}
