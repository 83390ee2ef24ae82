//! The case of accounts.

use std::{borrow::Cow, str::FromStr};

use super::{account::Account, group::GroupId, session::SessionId};
use crate::json::InvalidValue;

/// Whether accounts and team ids are accepted as written, or with their ASCII letters converted to lower case. Accounts are
/// compared bytewise. Yunxin stores them in lower case, but the app's tokens may contain other forms. The rule applies to
/// everything that callers write: the token's claim, paths, bodies and message copies. Cursors and sync tokens, which the service
/// wrote itself, are accepted as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountCase {
    /// As written.
    #[default]
    Keep,
    /// In lower case.
    Lower,
}

impl AccountCase {
    /// Parses an account.
    pub fn account(self, text: &str) -> Result<Account, InvalidValue> {
        self.of(text).parse()
    }

    /// Parses the id of a session.
    pub fn session_id(self, text: &str) -> Result<SessionId, InvalidValue> {
        self.after_the_type(text).parse()
    }

    /// Parses the id of a group.
    pub fn group_id(self, text: &str) -> Result<GroupId, InvalidValue> {
        self.after_the_type(text).parse()
    }

    fn of(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Lower if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                text.to_ascii_lowercase().into()
            }
            _ => text.into(),
        }
    }

    /// Converts only what follows the type: `P2P|alice` is not a session id in either case.
    fn after_the_type(self, text: &str) -> Cow<'_, str> {
        match (self, text.split_once('|')) {
            (Self::Lower, Some((session_type, target))) => {
                format!("{session_type}|{}", self.of(target)).into()
            }
            _ => text.into(),
        }
    }
}

impl FromStr for AccountCase {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "keep" => Ok(Self::Keep),
            "lower" => Ok(Self::Lower),
            _ => Err(InvalidValue::new("must be keep or lower")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_changes_ascii_letters_in_accounts_only() {
        let lower = AccountCase::Lower;
        assert_eq!(lower.account("AliceÉ_9").unwrap().as_str(), "aliceÉ_9");
        assert_eq!(lower.session_id("p2p|Alice|B").unwrap().as_str(), "p2p|alice|b");
        assert_eq!(lower.group_id("team|T7").unwrap().as_str(), "team|t7");
        assert!(lower.session_id("P2P|alice").is_err() && lower.session_id("Alice").is_err());
        let keep = AccountCase::Keep;
        assert_eq!(keep.account("Alice").unwrap().as_str(), "Alice");
        assert_eq!(keep.session_id("p2p|Alice").unwrap().as_str(), "p2p|Alice");
        assert_eq!(("keep".parse(), "lower".parse()), (Ok(keep), Ok(lower)));
        assert!("Lower".parse::<AccountCase>().is_err());
    }
}
