//! Accounts: the ids of users.

use std::{fmt, str::FromStr};

use crate::json::InvalidValue;

/// The maximum length of an account or team id, in bytes. With its type in front of it, it stays far below the 1,024 bytes of a
/// DynamoDB sort key.
pub(crate) const MAX_TARGET_BYTES: usize = 255;

/// A user's account, Yunxin's `accid`: 1 to 255 bytes without control characters and without `/` (API Gateway does not match a
/// route if a path parameter contains `%2F`). Accounts are compared bytewise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(String);

impl Account {
    /// The account as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Account {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        check_target(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rejection of U+FFFD. Bytes that are not UTF-8, and halves of characters, become U+FFFD, so a name with it may stand for many
/// names.
pub(crate) fn cut() -> InvalidValue {
    InvalidValue::new("must not hold a part of a character (U+FFFD)")
}

/// Checks the rule for accounts and for the target of a session id.
pub(crate) fn check_target(text: &str) -> Result<(), InvalidValue> {
    if text.is_empty() {
        Err(InvalidValue::new("must not be empty"))
    } else if text.len() > MAX_TARGET_BYTES {
        Err(InvalidValue::new("must be at most 255 bytes long"))
    } else if text.bytes().all(|byte| matches!(byte, b' '..=b'.' | b'0'..=b'~')) {
        // Nearly all ids take this branch. It matters because ids are read for each session item of a list.
        Ok(())
    } else if text.chars().any(char::is_control) {
        Err(InvalidValue::new("must not contain control characters"))
    } else if text.contains('/') {
        Err(InvalidValue::new("must not contain '/'"))
    } else if text.contains(char::REPLACEMENT_CHARACTER) {
        Err(cut())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_yunxin_are_accepted() {
        for text in ["alice", "A.b-c_d@e", "用户", &"x".repeat(255), "with space", "a|b"] {
            assert_eq!(text.parse::<Account>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn characters_unfit_for_a_path_or_key_are_rejected() {
        for text in
            ["", "a/b", "cut \u{fffd}", "a\nb", "a\u{7f}b", "a\u{85}b", &"x".repeat(256), &"é".repeat(128)]
        {
            assert!(text.parse::<Account>().is_err(), "{text:?}");
        }
    }
}
