//! Group ids: the session ids of teams and super teams.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use super::{
    account::Account,
    session::{SessionId, SessionType},
};
use crate::json::InvalidValue;

/// The hash that represents a member in the group item: 10 bytes of the SHA-256 of `groupId|accid`. To find an account whose hash
/// equals that of one of 200 members takes 2^72 tries. Where two accounts of a group have one hash, each has a session item of their own,
/// but when one of them leaves, the other does not see the group either until the next list.
pub type MemberHash = [u8; 10];

/// The id of a team or super team: `team|<tid>` or `super_team|<tid>`. It is also the id of each member's session of the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(SessionId);

impl GroupId {
    /// The id of a member's session of the group.
    #[must_use]
    pub fn session_id(&self) -> &SessionId {
        &self.0
    }

    /// The whole id as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The hash that represents the account in the group's member list.
    #[must_use]
    pub fn member_hash(&self, account: &Account) -> MemberHash {
        let digest = Sha256::digest(format!("{}|{account}", self.0));
        let mut hash = MemberHash::default();
        let length = hash.len();
        hash.copy_from_slice(&digest[..length]);
        hash
    }
}

impl SessionId {
    /// The group of this session, or `None` for a p2p session.
    #[must_use]
    pub fn group(&self) -> Option<GroupId> {
        (self.session_type() != SessionType::P2p).then(|| GroupId(self.clone()))
    }
}

impl TryFrom<SessionId> for GroupId {
    type Error = InvalidValue;

    fn try_from(id: SessionId) -> Result<Self, InvalidValue> {
        if id.session_type() == SessionType::P2p { Err(not_of_a_group()) } else { Ok(Self(id)) }
    }
}

impl FromStr for GroupId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        text.parse::<SessionId>().map_err(|_| not_of_a_group())?.try_into()
    }
}

fn not_of_a_group() -> InvalidValue {
    InvalidValue::new("must be one of team|<tid>, super_team|<tid>")
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_team_or_a_super_team() {
        for text in ["team|1", "super_team|1"] {
            let group: GroupId = text.parse().unwrap();
            assert_eq!((group.as_str(), group.session_id().group()), (text, Some(group.clone())));
        }
        for text in ["p2p|a", "1", "team|", "team|a|b", ""] {
            assert!(text.parse::<GroupId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_hash_belongs_to_one_group_and_one_account() {
        let (one, other): (GroupId, GroupId) = ("team|1".parse().unwrap(), "super_team|1".parse().unwrap());
        let (alice, bob): (Account, Account) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        assert_ne!(one.member_hash(&alice), one.member_hash(&bob));
        assert_ne!(one.member_hash(&alice), other.member_hash(&alice));
    }
}
