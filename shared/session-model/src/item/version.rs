//! The version of a session.

use std::{fmt, str::FromStr};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{id::MessageId, json::InvalidValue, register::Position, time::Timestamp};

/// What a user has seen of a session: the position of its newest message, also while that message is recalled or deleted. A delete
/// with a version does not hide a newer message. Opaque to callers. It contains only a position, so a forged version cannot reach
/// outside the caller's own list.
///
/// Its text is `<msgTime>-<number>` if the message's id is a number, otherwise `<msgTime>_<base64url of the canonical id>`, and `0`
/// for a session that never had a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version(Option<Position>);

impl Version {
    /// The position, or `None` for a session that never had a message.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.0.as_ref()
    }

    /// Whether a user who saw this version has seen the message at `position`.
    #[must_use]
    pub fn covers(&self, position: Option<&Position>) -> bool {
        position <= self.position()
    }

    /// An upper bound for the length of its text.
    pub(super) fn text_len(&self) -> usize {
        const NUMBERS: usize = 2 * 20 + 1;
        self.0.as_ref().map_or(1, |position| NUMBERS.max(20 + 1 + position.id.as_str().len().div_ceil(3) * 4))
    }
}

impl From<Option<Position>> for Version {
    fn from(position: Option<Position>) -> Self {
        Self(position)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Position { time, id }) = &self.0 else { return f.write_str("0") };
        match id.number() {
            Some(number) => write!(f, "{time}-{number}"),
            None => write!(f, "{time}_{}", URL_SAFE_NO_PAD.encode_to_string(id.as_str())),
        }
    }
}

impl FromStr for Version {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let position = || {
            let (time, id) = text.split_once(['-', '_'])?;
            let id = if text[time.len()..].starts_with('-') {
                MessageId::from_number(id)?
            } else {
                let canonical = String::from_utf8(URL_SAFE_NO_PAD.decode_to_vec(id).ok()?).ok()?;
                MessageId::from_canonical(canonical)
            };
            Some(Position { time: time.parse::<Timestamp>().ok()?, id })
        };
        let version =
            if text == "0" { Some(Self::default()) } else { position().map(|held| Self(Some(held))) };
        // A version has one spelling.
        let version = version.filter(|version| version.to_string() == text);
        version.ok_or_else(|| InvalidValue::new("must be the version of a session as it was returned"))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(time: u64, id: MessageId) -> Position {
        Position { time: Timestamp::from_millis(time), id }
    }

    #[test]
    fn each_kind_of_position_has_its_form() {
        let version = |id: &str| Version(Some(position(7, id.into()))).to_string();
        assert_eq!(Version::default().to_string(), "0");
        assert_eq!(version("9"), "7-9");
        assert_eq!(version("18446744073709551615"), "7-18446744073709551615");
        assert_eq!(version("0"), "7-0");
        assert_eq!(version("m1"), "7_fm0x");
        assert_eq!(
            Version(Some(position(7, MessageId::new("0", "c")))).to_string(),
            "7_MDAwMDAwMDAwMDAwMDAwMDAwMDBj"
        );
        assert_eq!(Version(Some(position(7, MessageId::NONE))).to_string(), "7_");
    }

    #[test]
    fn anything_else_is_rejected() {
        for text in [
            "",
            "1",
            "00",
            "-",
            "7-",
            "7",
            "-7",
            "07-7",
            "7-07",
            "7-00",
            "7--7",
            "7-m1",
            "7_f",
            "7_fm0x=",
            " 7-7",
            "7-184467440737095516150",
            "9007199254740992-1",
            "7_MDAwMDAwMDAwMDAwMDAwMDAwMDk",
            "7_gA",
            "7-٣",
        ] {
            let rejection = text.parse::<Version>().unwrap_err().to_string();
            assert_eq!(rejection, "must be the version of a session as it was returned", "{text:?}");
        }
    }

    #[test]
    fn a_version_covers_what_is_not_newer() {
        let at = |time: u64, id: &str| position(time, id.into());
        let version = Version(Some(at(7, "9")));
        for (held, expected) in [
            (None, true),
            (Some(at(6, "99")), true),
            (Some(at(7, "9")), true),
            (Some(at(7, "10")), false),
            (Some(at(8, "1")), false),
        ] {
            assert_eq!(version.covers(held.as_ref()), expected, "{held:?}");
        }
        assert!(Version::default().covers(None) && !Version::default().covers(Some(&at(0, "0"))));
    }

    proptest! {
        #[test]
        fn a_version_is_read_back_unchanged(time in 0..=Timestamp::MAX.as_millis(), server in "[0-9]{1,22}|\\PC{0,60}", client in "[0-9a-z]{0,4}") {
            let version = Version(Some(position(time, MessageId::new(&server, &client))));
            let text = version.to_string();
            prop_assert!(text.len() <= version.text_len());
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{}", text);
            prop_assert_eq!(text.parse(), Ok(version));
        }
    }
}
