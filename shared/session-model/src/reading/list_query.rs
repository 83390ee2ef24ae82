//! The parameters of a request for a list.

use super::{
    cursor::Cursor,
    page::PageRequest,
    parameters::{Limit, Window},
    sync_pass::WINDOW_MS,
};
use crate::{
    item::LATE_MS,
    json::{InvalidField, InvalidValue, Place},
    time::Timestamp,
};

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
        let max = self.cursor.as_ref().map_or(self.window.max(), Cursor::time);
        self.window.up_to(max)
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

    /// The limits of the page.
    #[must_use]
    pub fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, need_last_msg: self.need_last_msg }
    }

    /// The `minTimestamp` for the next incremental fetch, if this page begins a list up to `now`. It is 10 minutes before `now`, so
    /// that a message recorded late by less than that is still found.
    #[must_use]
    pub fn watermark(&self, now: Timestamp) -> Option<Timestamp> {
        (self.cursor.is_none() && !self.window.has_max()).then(|| now.earlier_by(WINDOW_MS + LATE_MS))
    }

    /// Whether this page begins a fetch of the whole list, from which a sync of changes can continue.
    #[must_use]
    pub fn is_of_everything(&self) -> bool {
        self.cursor.is_none() && self.window == Window::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
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
