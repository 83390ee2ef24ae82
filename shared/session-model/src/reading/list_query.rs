//! The parameters of a request for a list.

use std::str::FromStr;

use super::{LATE_MS, WINDOW_MS, cursor::Cursor};
use crate::{
    json::{InvalidField, InvalidValue, Place},
    time::Timestamp,
};

/// An inclusive range of `updateTime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The parameters of one page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    window: Window,
    cursor: Option<Cursor>,
    limit: Limit,
    need_last_msg: bool,
}

impl ListQuery {
    /// Creates the query for the page after the cursor, in the bounds of the cursor's list. Without a cursor, it is for the first
    /// page in the given bounds, and absent bounds are no bounds. Bounds that differ from the cursor's are rejected, because the
    /// cursor belongs to another list.
    pub fn new(
        min: Option<Timestamp>,
        max: Option<Timestamp>,
        cursor: Option<Cursor>,
        limit: Limit,
        need_last_msg: bool,
    ) -> Result<Self, InvalidField> {
        let given = cursor.as_ref().map(Cursor::window);
        let (default_min, default_max) = given.as_ref().map(Window::bounds).unwrap_or_default();
        let window = Window::new(min.unwrap_or(default_min), max.unwrap_or(default_max));
        if given.is_some_and(|given| window != Ok(given)) {
            let reason =
                "belongs to a list with other bounds: send it alone, or with the bounds of its first page";
            let rejection = InvalidValue::new(reason).of("cursor");
            return Err(InvalidField { place: Place::AnotherList, ..rejection });
        }
        Ok(Self { window: window?, cursor, limit, need_last_msg })
    }

    /// The bounds of the list.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// The range of this page: the window, from the cursor's time downwards.
    #[must_use]
    pub fn range(&self) -> Window {
        let max = self.cursor.as_ref().map(Cursor::time).or(self.window.max);
        Window { max, ..self.window }
    }

    /// Where the previous page ended.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// The maximum number of sessions.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether sessions include their last message.
    #[must_use]
    pub fn need_last_msg(&self) -> bool {
        self.need_last_msg
    }

    /// The `minTimestamp` for the next incremental fetch, if this page begins a list up to `now`. It is 10 minutes before `now`, so
    /// that a message recorded late by less than that is still found.
    #[must_use]
    pub fn watermark(&self, now: Timestamp) -> Option<Timestamp> {
        (self.cursor.is_none() && self.window.max.is_none()).then(|| now.earlier_by(WINDOW_MS + LATE_MS))
    }

    /// Whether this page begins a fetch of the whole list, from which a sync of changes can continue.
    #[must_use]
    pub fn is_of_everything(&self) -> bool {
        self.cursor.is_none() && self.window == Window { min: Timestamp::default(), max: None }
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

    #[test]
    fn only_the_first_page_of_an_open_list_has_a_watermark() {
        let open = Window::new(ms(0), ms(0)).unwrap();
        let cursor = Some(Cursor::start(open, ms(80_000)));
        let watermark =
            |max, cursor| ListQuery::new(None, max, cursor, Limit::MAX, true).unwrap().watermark(ms(700_000));
        assert_eq!(watermark(None, None), Some(ms(100_000)));
        assert_eq!(watermark(Some(ms(0)), None), Some(ms(100_000)));
        assert_eq!(watermark(None, cursor), None);
        assert_eq!(watermark(Some(ms(90_000)), None), None);
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let bounded = Cursor::start(Window::new(ms(5), ms(7)).unwrap(), ms(6));
        let open = Cursor::start(Window::new(ms(0), ms(0)).unwrap(), ms(6));
        for (cursor, min, max, fits) in [
            (&bounded, None, None, true),
            (&bounded, Some(5), None, true),
            (&bounded, Some(5), Some(7), true),
            (&bounded, Some(4), None, false),
            (&bounded, Some(0), None, false),
            (&bounded, None, Some(6), false),
            (&bounded, None, Some(0), false),
            (&bounded, Some(8), None, false),
            (&open, Some(0), Some(0), true),
            (&open, None, None, true),
            (&open, Some(1), None, false),
            (&open, None, Some(9), false),
        ] {
            let query = ListQuery::new(min.map(ms), max.map(ms), Some(cursor.clone()), Limit::MAX, true);
            match query {
                Ok(query) => {
                    assert!(fits, "{min:?} {max:?}");
                    assert_eq!((query.range().min(), query.range().max()), (cursor.window().min(), ms(6)));
                }
                Err(rejection) => {
                    assert_eq!((fits, rejection.place), (false, Place::AnotherList), "{rejection}");
                }
            }
        }
    }
}
