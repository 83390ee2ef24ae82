//! A whole list of a group's members.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::{
    id::{Account, GroupId, MemberHash},
    time::Timestamp,
};

/// The digest that represents a list in the group item: 16 bytes of the SHA-256 over its sorted accounts.
pub type ListDigest = [u8; 16];

/// The members of a group at one time. Lists are ordered by time, and at equal times by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberList {
    /// The time of the list.
    pub time: Timestamp,
    /// The digest over the accounts.
    pub digest: ListDigest,
    members: BTreeMap<MemberHash, Account>,
}

impl MemberList {
    /// Creates the list of these accounts.
    #[must_use]
    pub fn new(group: &GroupId, time: Timestamp, accounts: &BTreeSet<Account>) -> Self {
        let mut hasher = Sha256::new();
        for account in accounts {
            hasher.update(account.as_str());
            hasher.update([0]);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        let members = accounts.iter().map(|account| (group.member_hash(account), account.clone())).collect();
        Self { time, digest, members }
    }

    /// The list's position among all lists of the group.
    #[must_use]
    pub fn order(&self) -> (Timestamp, ListDigest) {
        (self.time, self.digest)
    }

    /// The members by their hashes.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<MemberHash, Account> {
        &self.members
    }
}
