//! The user's custom data of a session.

use std::str::FromStr;

use crate::json::InvalidValue;

/// The custom data that a user keeps with a session: at most 1,024 Unicode characters. That is the limit of a message's own ext in
/// Yunxin, which documents none for sessions. The empty string means "none": setting it removes the custom data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ext(String);

impl Ext {
    /// The maximum length, in Unicode characters.
    pub const MAX_CHARS: usize = 1024;

    /// Creates custom data from a stored string. It is shown whatever limit applied when it was set.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, unless it is empty.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&self.0)
    }
}

impl FromStr for Ext {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidValue::new("must be at most 1024 characters long"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_characters_not_bytes() {
        assert!("界".repeat(1024).parse::<Ext>().is_ok());
        assert!("x".repeat(1025).parse::<Ext>().is_err());
    }

    #[test]
    fn the_empty_string_removes_it() {
        assert_eq!("".parse::<Ext>().unwrap().text(), None);
        assert_eq!(" ".parse::<Ext>().unwrap().text(), Some(" "));
    }
}
