//! Points in time.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::json::{InvalidValue, is_digits};

/// A point in time: milliseconds since 1970-01-01T00:00Z, from 0 to 2^53 - 1 (what a JSON number holds exactly).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest possible time, 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);
    /// 2000-01-01T00:00Z. The feed contains nothing older.
    const FEED_MIN: Self = Self(946_684_800_000);

    /// The time this many milliseconds after 1970-01-01T00:00Z, or the latest possible time if that is earlier.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis < Self::MAX.0 { millis } else { Self::MAX.0 })
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// The time this long before, but not before 1970.
    #[must_use]
    pub fn earlier_by(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// The time this long after.
    #[must_use]
    pub fn later_by(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Whether this is later than `now` by more than 5 minutes, which is the most that synchronised clocks differ.
    #[must_use]
    pub fn is_ahead(self, now: Self) -> bool {
        self.is_later(now, Ahead::FiveMinutes)
    }

    /// Rejects times that no clock of a feed shows at `now`: before 2000, or too far ahead. Such a time would stay the newest
    /// forever, or sort below everything.
    pub fn check_plausible(self, now: Self, ahead: Ahead) -> Result<Self, InvalidValue> {
        if self < Self::FEED_MIN {
            Err(InvalidValue::new("must be a time in milliseconds, not before the year 2000"))
        } else if self.is_later(now, ahead) {
            let (_, name) = ahead.length();
            Err(InvalidValue::new(format!("must be a time in milliseconds, not more than {name} ahead")))
        } else {
            Ok(self)
        }
    }

    fn is_later(self, now: Self, ahead: Ahead) -> bool {
        self.0 > now.0 + ahead.length().0
    }
}

/// How far ahead of the clock a time may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The most that synchronised clocks differ.
    FiveMinutes,
    /// As far ahead as a time can still be expected to be reached.
    OneDay,
}

impl Ahead {
    /// The length in milliseconds, and in words.
    fn length(self) -> (u64, &'static str) {
        match self {
            Self::FiveMinutes => (5 * 60 * 1000, "5 minutes"),
            Self::OneDay => (24 * 60 * 60 * 1000, "24 hours"),
        }
    }
}

impl From<Timestamp> for u64 {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl FromStr for Timestamp {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        // Only digits are accepted, because `u64::from_str` would also accept a sign.
        let digits = is_digits(text);
        match text.parse::<u64>() {
            Ok(millis) if digits && millis <= Self::MAX.0 => Ok(Self(millis)),
            _ => Err(InvalidValue::new(
                "must be a time in milliseconds, a whole number from 0 to 9007199254740991",
            )),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_up_to_the_json_limit_are_a_time() {
        assert_eq!("0".parse(), Ok(Timestamp::default()));
        assert_eq!("9007199254740991".parse(), Ok(Timestamp::MAX));
        for text in ["", "-1", "+1", " 1", "1.0", "1e3", "9007199254740992", "99999999999999999999", "now"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_feed_time_is_between_2000_and_the_near_future() {
        let now = Timestamp(1_700_000_000_000);
        for (ahead, most) in [(Ahead::FiveMinutes, 300_000), (Ahead::OneDay, 86_400_000)] {
            for plausible in [946_684_800_000, now.0, now.0 + most] {
                assert_eq!(Timestamp(plausible).check_plausible(now, ahead), Ok(Timestamp(plausible)));
            }
            for implausible in [0, 946_684_799_999, now.0 + most + 1] {
                assert!(Timestamp(implausible).check_plausible(now, ahead).is_err(), "{implausible}");
            }
        }
        assert!(Timestamp(now.0 + 300_001).is_ahead(now) && !Timestamp(now.0 + 300_000).is_ahead(now));
    }
}
