//! Cursors: where a page of a list ended.

use std::{fmt, str::FromStr};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::parameters::Window;
use crate::{
    id::{SessionId, SessionType},
    json::InvalidValue,
    time::Timestamp,
};

/// The end of a page: the time T of its last element, and the last own session item and the last group on it at T. At one time T, a
/// user's own session items come first, in the index's order, then their groups by id. Therefore paging continues exactly there,
/// even if hundreds of sessions share one millisecond. A cursor also contains the bounds of its list, so that it alone is enough to
/// request the next page.
///
/// Opaque to callers. It contains only positions, never whose list it is. The partition always comes from the token, so a forged
/// cursor cannot reach outside the caller's own list. `Display` and `FromStr` are inverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    window: Window,
    time: Timestamp,
    own: Option<SessionId>,
    group: Option<SessionId>,
}

impl Cursor {
    /// The position before every session of that time, in a list with this window. The time is inside the window.
    #[must_use]
    pub fn start(window: Window, time: Timestamp) -> Self {
        Self { window, time, own: None, group: None }
    }

    /// Continues from the cursor that the page was given. While the time stays the same, the id that this page does not advance is
    /// kept.
    #[must_use]
    fn at(given: Option<Self>, window: Window, time: Timestamp) -> Self {
        given.filter(|cursor| cursor.time == time).unwrap_or(Self::start(window, time))
    }

    /// The cursor after an own session item.
    #[must_use]
    pub fn after_own(given: Option<Self>, window: Window, time: Timestamp, own: SessionId) -> Self {
        Self { own: Some(own), ..Self::at(given, window, time) }
    }

    /// The cursor after a group.
    #[must_use]
    pub fn after_group(given: Option<Self>, window: Window, time: Timestamp, group: SessionId) -> Self {
        Self { group: Some(group), ..Self::at(given, window, time) }
    }

    /// The bounds of the list.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// The time of the page's last element.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The last own session item at that time.
    #[must_use]
    pub fn own(&self) -> Option<&SessionId> {
        self.own.as_ref()
    }

    /// The last group at that time.
    #[must_use]
    pub fn group(&self) -> Option<&SessionId> {
        self.group.as_ref()
    }
}

/// Formats the cursor as base64url of the bounds, the time, and the ids of the own session item and of the group, separated by NUL.
/// An absent id is empty. Ids never contain control characters.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |id: &Option<SessionId>| id.as_ref().map_or(String::new(), SessionId::to_string);
        let (min, max) = self.window.bounds();
        let plain = format!("{min}\0{max}\0{}\0{}\0{}", self.time, id(&self.own), id(&self.group));
        f.write_str(&URL_SAFE_NO_PAD.encode_to_string(plain))
    }
}

impl FromStr for Cursor {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let id = |text: &str| (!text.is_empty()).then(|| text.parse::<SessionId>()).transpose().ok();
        let parse = || {
            let plain = String::from_utf8(URL_SAFE_NO_PAD.decode_to_vec(text).ok()?).ok()?;
            let [min, max, time, own, group] = plain.split('\0').collect::<Vec<_>>()[..] else { return None };
            let window = Window::new(min.parse().ok()?, max.parse().ok()?).ok()?;
            let cursor = Self { window, time: time.parse().ok()?, own: id(own)?, group: id(group)? };
            let is_group = |id: &SessionId| id.session_type() != SessionType::P2p;
            let is_sound = window.contains(cursor.time) && cursor.group.as_ref().is_none_or(is_group);
            is_sound.then_some(cursor)
        };
        parse().ok_or_else(|| InvalidValue::new("must be a nextCursor as an earlier page gave it"))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_made_up_cursor_is_rejected() {
        let encoded = |plain: &str| URL_SAFE_NO_PAD.encode_to_string(plain.replace(' ', "\0"));
        let texts = [
            String::new(),
            "?".into(),
            "AA==".into(),
            encoded("0 9"),
            encoded("0 9 5 "),
            encoded("0 9 -5  "),
            encoded("0 9 5 alice "),
            encoded("0 9 5  p2p|alice"),
            encoded("0 9 5   "),
            encoded("0 4 5  "),
            encoded("6 9 5  "),
            encoded("9 8 5  "),
        ];
        for text in texts {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_other_id_stays_while_the_time_is_equal() {
        let (own, group): (SessionId, SessionId) = ("p2p|a".parse().unwrap(), "team|1".parse().unwrap());
        let window = Window::new(ms(0), ms(9)).unwrap();
        let first = Cursor::after_own(None, window, ms(5), own.clone());
        let second = Cursor::after_group(Some(first), window, ms(5), group.clone());
        assert_eq!((second.own(), second.group()), (Some(&own), Some(&group)));
        let third = Cursor::after_own(Some(second), window, ms(4), own.clone());
        assert_eq!((third.own(), third.group()), (Some(&own), None));
    }

    proptest! {
        #[test]
        fn text_and_cursor_are_inverse(
            mut times in prop::array::uniform3(0..=Timestamp::MAX.as_millis()),
            own in proptest::option::of("(p2p|team|super_team)\\|[^/|\u{fffd}\\p{Cc}]{1,40}"),
            group in proptest::option::of("(team|super_team)\\|[^/|\u{fffd}\\p{Cc}]{1,40}"),
        ) {
            let id = |text: Option<String>| text.map(|text| text.parse().unwrap());
            times.sort_unstable();
            let window = Window::new(ms(times[0]), ms(times[2])).unwrap();
            let cursor = Cursor { window, time: ms(times[1]), own: id(own), group: id(group) };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }
}
