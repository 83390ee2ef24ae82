//! Session ids: `p2p|<accid>`, `team|<tid>`, `super_team|<tid>`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::account::{Account, check_target};
use crate::json::InvalidValue;

/// The kind of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionType {
    /// Between two accounts.
    P2p,
    /// A Yunxin team.
    Team,
    /// A Yunxin super team.
    SuperTeam,
}

impl SessionType {
    const ALL: [Self; 3] = [Self::P2p, Self::Team, Self::SuperTeam];

    /// The type's name in a session id.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P2p => "p2p",
            Self::Team => "team",
            Self::SuperTeam => "super_team",
        }
    }
}

/// The id of one conversation in one user's list. Its text form is `<type>|<target>`, split at the first `|`. The target follows
/// the rule of [`Account`], and a team id does not contain `|`. `Display` and `FromStr` are inverse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    session_type: SessionType,
    text: String,
}

impl SessionId {
    /// The id under which a user has the conversation with `account`.
    #[must_use]
    pub fn p2p(account: &Account) -> Self {
        Self { session_type: SessionType::P2p, text: format!("p2p|{account}") }
    }

    /// The type before the `|`.
    #[must_use]
    pub fn session_type(&self) -> SessionType {
        self.session_type
    }

    /// The whole id as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for SessionId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let forms = "must be one of p2p|<accid>, team|<tid>, super_team|<tid>";
        let (name, target) = text.split_once('|').ok_or_else(|| InvalidValue::new(forms))?;
        let session_type = SessionType::ALL
            .into_iter()
            .find(|session_type| session_type.as_str() == name)
            .ok_or_else(|| InvalidValue::new(forms))?;
        check_target(target)
            .map_err(|reason| InvalidValue::new(format!("{forms}; after the '|' it {reason}")))?;
        if session_type != SessionType::P2p && target.contains('|') {
            return Err(InvalidValue::new(format!("{forms}; a tid must not contain '|'")));
        }
        Ok(Self { session_type, text: text.to_owned() })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_split_at_the_first_bar() {
        let id: SessionId = "p2p|a|b".parse().unwrap();
        assert_eq!((id.session_type(), id.as_str()), (SessionType::P2p, "p2p|a|b"));
        assert_eq!(SessionId::p2p(&"a|b".parse().unwrap()), id);
    }

    #[test]
    fn a_rejection_shows_the_three_forms() {
        for text in
            ["", "alice", "p2p", "p2p|", "P2P|a", "chat|a", "|a", "team|a|b", "p2p|a/b", "super_team|a\tb"]
        {
            let reason = text.parse::<SessionId>().unwrap_err().to_string();
            assert!(reason.contains("p2p|<accid>, team|<tid>, super_team|<tid>"), "{text:?}: {reason}");
        }
    }

    proptest! {
        #[test]
        fn text_and_id_are_inverse(text in "(p2p|team|super_team)\\|[^/|\u{fffd}\\p{Cc}]{1,60}") {
            prop_assert_eq!(text.parse::<SessionId>().unwrap().to_string(), text);
        }

        #[test]
        fn any_string_is_rejected_or_kept_unchanged(text in ".{0,40}") {
            if let Ok(id) = text.parse::<SessionId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
