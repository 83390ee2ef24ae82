//! Parameters of a list: its range, its limit, and flags.

use std::str::FromStr;

use crate::{
    json::{InvalidField, InvalidValue},
    time::Timestamp,
};

/// An inclusive range of `updateTime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    min: Timestamp,
    max: Option<Timestamp>,
}

impl Window {
    /// Creates the range from `min` to `max`, both inclusive. A `max` of 0 means no upper bound, as in Yunxin.
    pub fn new(min: Timestamp, max: Timestamp) -> Result<Self, InvalidField> {
        if max == Timestamp::default() {
            return Ok(Self { min, max: None });
        }
        if min > max {
            return Err(InvalidValue::new("must not be above maxTimestamp").of("minTimestamp"));
        }
        Ok(Self { min, max: Some(max) })
    }

    /// The bounds as a caller gives them, in which 0 means no upper bound.
    #[must_use]
    pub(crate) fn bounds(&self) -> (Timestamp, Timestamp) {
        (self.min, self.max.unwrap_or_default())
    }

    /// The lower bound.
    #[must_use]
    pub fn min(&self) -> Timestamp {
        self.min
    }

    /// The upper bound, or the latest possible time if there is none.
    #[must_use]
    pub fn max(&self) -> Timestamp {
        self.max.unwrap_or(Timestamp::MAX)
    }

    /// Whether the time is inside the range.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        (self.min..=self.max()).contains(&time)
    }

    /// Whether there is an upper bound.
    pub(super) fn has_max(&self) -> bool {
        self.max.is_some()
    }

    /// The range with this upper bound instead of its own.
    pub(super) fn up_to(self, max: Timestamp) -> Self {
        Self { max: (max != Timestamp::MAX || self.max.is_some()).then_some(max), ..self }
    }
}

/// The maximum number of sessions on a page: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The largest limit, and the default.
    pub const MAX: Self = Self(100);

    /// The limit as a number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0.into()
    }
}

impl FromStr for Limit {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.parse() {
            Ok(number @ 1..=100) if !text.starts_with('+') => Ok(Self(number)),
            _ => Err(InvalidValue::new("must be a whole number from 1 to 100")),
        }
    }
}

/// A yes or no in a query, written as 1 or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(bool);

impl Flag {
    /// Yes.
    pub const YES: Self = Self(true);

    /// Whether the flag is 1.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.0
    }
}

impl FromStr for Flag {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "0" => Ok(Self(false)),
            "1" => Ok(Self(true)),
            _ => Err(InvalidValue::new("must be 0 or 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_window_is_inclusive_and_zero_is_no_upper_bound() {
        let window = Window::new(ms(5), ms(7)).unwrap();
        assert_eq!([4, 5, 7, 8].map(|time| window.contains(ms(time))), [false, true, true, false]);
        assert_eq!(Window::new(ms(5), ms(0)).unwrap().max(), Timestamp::MAX);
        assert!(Window::new(ms(5), ms(5)).is_ok());
        assert_eq!(Window::new(ms(6), ms(5)).unwrap_err().field, "minTimestamp");
    }

    #[test]
    fn a_limit_is_1_to_100() {
        assert_eq!("1".parse::<Limit>().unwrap().get(), 1);
        assert_eq!("100".parse::<Limit>().unwrap(), Limit::MAX);
        for text in ["", "0", "101", "-1", "+1", "1.5", "many", "256"] {
            assert!(text.parse::<Limit>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_flag_is_0_or_1() {
        assert_eq!(("0".parse(), "1".parse()), (Ok(Flag(false)), Ok(Flag::YES)));
        for text in ["", "2", "-1", "true", "01"] {
            assert!(text.parse::<Flag>().is_err(), "{text:?}");
        }
    }
}
