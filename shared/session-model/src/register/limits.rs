//! The limits of what `lastMsg` shows.

use std::str::FromStr;

use crate::json::{InvalidValue, json_len};

/// What is shown of a text, within the limit of its field.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text {
    /// The text or what is left of it; `None` if it was left out.
    pub(crate) left: Option<String>,
    /// Whether that is less than the whole text.
    pub(crate) is_truncated: bool,
}

/// The maximum length of a `lastMsg`, in bytes of JSON, without its numbers, ids and field names, which are always short.
///
/// Each field has a share of its own. If all fields had one limit together, what a session shows would depend on whether a message or
/// its edit came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LastMsgBytes(usize);

impl LastMsgBytes {
    const LEAST: usize = 4_096;
    const MOST: usize = 40_960;
    /// The maximum length of the ids, numbers and field names of a `lastMsg`.
    const OTHERS: usize = 4_096;
    /// The maximum length of the amendments that wait for their messages, as JSON.
    const MOST_PENDING: usize = 64 * 1024;

    /// The maximum length of a stored `lastMsg`.
    #[must_use]
    pub fn most_stored(self) -> usize {
        self.0 + Self::OTHERS
    }

    /// The maximum length of an item's pending amendments, as JSON.
    pub(super) fn most_pending(self) -> usize {
        (2 * self.0).min(Self::MOST_PENDING)
    }

    /// What is shown of a field's text. Prose is cut after a whole character. Structured texts, which are useless when cut, are left
    /// out.
    pub(crate) fn text(self, field: &str, text: &str) -> Text {
        let limit = self.of(field);
        if json_len(text) <= limit {
            return Text { left: Some(text.to_owned()), is_truncated: false };
        }
        let is_prose = matches!(field, "body" | "postscript");
        Text { left: is_prose.then(|| cut(text, limit).to_owned()), is_truncated: true }
    }

    /// What is shown of a field's text to those who left a group by the message. Each of them has an item of their own with it.
    pub(crate) fn text_for_leavers(self, field: &str, text: &str) -> Text {
        match field {
            "ext" => Text { left: None, is_truncated: true },
            "attach" if json_len(text) > SHORT => Text { left: None, is_truncated: true },
            _ => self.text(field, text),
        }
    }

    /// The maximum length of a field's text, as a JSON string without its quotes.
    fn of(self, field: &str) -> usize {
        match field {
            "body" | "postscript" => (self.0 / 2).min(20_000),
            "attach" => (self.0 / 4).min(16_384),
            "ext" => (self.0 / 8).min(4_096),
            _ => (self.0 / 24).min(SHORT),
        }
    }
}

/// The maximum length of a short field.
const SHORT: usize = 1_020;

/// The start of a text whose JSON string is at most this long.
fn cut(text: &str, most: usize) -> &str {
    let mut length = 0;
    let end = text.char_indices().find(|(start, character)| {
        length += json_len(&text[*start..*start + character.len_utf8()]);
        length > most
    });
    end.map_or(text, |(end, _)| &text[..end])
}

impl Default for LastMsgBytes {
    fn default() -> Self {
        Self(16_384)
    }
}

impl FromStr for LastMsgBytes {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let bytes = text.parse().ok().filter(|bytes| (Self::LEAST..=Self::MOST).contains(bytes));
        bytes.map(Self).ok_or_else(|| InvalidValue::new("must be a whole number from 4096 to 40960"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(bytes: usize) -> LastMsgBytes {
        bytes.to_string().parse().unwrap()
    }

    fn left(limits: LastMsgBytes, field: &str, text: &str) -> Option<usize> {
        limits.text(field, text).left.map(|left| left.len())
    }

    #[test]
    fn each_field_has_a_share_up_to_a_limit_of_its_own() {
        for (bytes, of_each) in [
            (4_096, [2_048, 1_024, 512, 170]),
            (16_384, [8_192, 4_096, 2_048, 682]),
            (40_960, [20_000, 10_240, 4_096, 1_020]),
        ] {
            for (field, most) in ["body", "attach", "ext", "fromNick"].into_iter().zip(of_each) {
                assert_eq!(left(limits(bytes), field, &"x".repeat(most)), Some(most), "{field} of {bytes}");
                let cut = (field == "body").then_some(most);
                assert_eq!(left(limits(bytes), field, &"x".repeat(most + 1)), cut, "{field} of {bytes}");
            }
        }
        for invalid in ["", "4095", "40961", "16 KB", "-1"] {
            assert!(invalid.parse::<LastMsgBytes>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_text_counts_as_its_json() {
        let limits = LastMsgBytes::default();
        for (character, of_json) in [("\u{1}", 6), ("\"", 2), ("\n", 2), ("你", 3), ("x", 1)] {
            let long = character.repeat(10_000);
            let text = limits.text("body", &long);
            let left = text.left.unwrap();
            assert_eq!((left.len(), text.is_truncated), (8_192 / of_json * character.len(), true));
            assert!(long.starts_with(&left), "{character:?}");
        }
        assert_eq!(limits.text("attach", &"\"".repeat(2_049)).left, None);
    }

    #[test]
    fn those_who_left_see_less() {
        let limits = LastMsgBytes::default();
        assert_eq!(limits.text_for_leavers("ext", "x"), Text { left: None, is_truncated: true });
        assert_eq!(limits.text_for_leavers("attach", &"x".repeat(1_021)).left, None);
        let short = Text { left: Some("x".repeat(1_020)), is_truncated: false };
        assert_eq!(limits.text_for_leavers("attach", &"x".repeat(1_020)), short);
        assert_eq!(limits.text_for_leavers("body", "x").left.as_deref(), Some("x"));
    }
}
