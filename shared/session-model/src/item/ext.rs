//! A session's private extension text.

use std::str::FromStr;

use crate::json::InvalidValue;

/// The extension text a user keeps with a session: at most 1,024 Unicode characters (the limit of a message's own ext in
/// Yunxin, which documents none for sessions). The empty text stands for "none": setting it removes what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ext(String);

impl Ext {
    /// The longest text, in Unicode characters.
    pub const MAX_CHARS: usize = 1024;

    /// A text that is stored already: whatever limit held when it was set, it is shown.
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
