//! Reading JSON that others write: events of the gateway, message copies of the feed, and attachments in them.
//!
//! A value that is not read is not validated. It may contain a number that is too large, half of a surrogate pair, or more nested
//! arrays than the stack would allow.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::number::whole_number;

/// A JSON value as it is written in its document.
#[derive(Clone, Copy, Debug)]
pub struct JsonValue<'a>(pub(crate) &'a RawValue);

impl<'a> JsonValue<'a> {
    /// Parses a text that is one value. Returns `None` if it is not JSON.
    #[must_use]
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The value as it is written, without surrounding whitespace.
    #[must_use]
    pub fn json(self) -> &'a str {
        self.0.get()
    }

    /// The string, or `None` if the value is not a string. Half of a surrogate pair, which is not a character, becomes U+FFFD.
    #[must_use]
    pub fn string(self) -> Option<Cow<'a, str>> {
        serde_json::from_str::<Lossy>(self.json()).ok().map(|text| text.0)
    }

    /// The string or the digits of the whole number, or `None` if the value is neither.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.whole_number().or_else(|| self.string())
    }

    /// The digits of the whole number, or `None` if the value is not one. No digit is lost, however many there are.
    #[must_use]
    pub fn whole_number(self) -> Option<Cow<'a, str>> {
        whole_number(self.json())
    }

    /// The string, or the JSON text of any other value.
    #[must_use]
    pub fn string_or_json(self) -> Cow<'a, str> {
        self.string().unwrap_or_else(|| self.json().into())
    }

    /// The elements of the array, or `None` if the value is not an array.
    #[must_use]
    pub fn array(self) -> Option<Vec<Self>> {
        let elements: Vec<&RawValue> = serde_json::from_str(self.json()).ok()?;
        Some(elements.into_iter().map(Self).collect())
    }

    /// The object, or `None` if the value is not an object.
    #[must_use]
    pub fn object(self) -> Option<JsonObject<'a>> {
        serde_json::from_str(self.json()).ok()
    }
}

/// A JSON object whose values are not parsed yet.
#[derive(Clone, Debug, Default)]
pub struct JsonObject<'a>(Vec<(Cow<'a, str>, JsonValue<'a>)>);

impl<'a> JsonObject<'a> {
    /// The value with this name. `null` counts as absent. Of several values, the last one counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<JsonValue<'a>> {
        self.find(|found| found == name)
    }

    /// The value with this name, compared without regard to case, as names of headers are.
    #[must_use]
    pub fn get_ignoring_case(&self, name: &str) -> Option<JsonValue<'a>> {
        self.find(|found| found.eq_ignore_ascii_case(name))
    }

    /// The object with this name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<Self> {
        self.get(name)?.object()
    }

    /// Whether the object is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, is_wanted: impl Fn(&str) -> bool) -> Option<JsonValue<'a>> {
        let (_, value) = self.0.iter().rev().find(|(name, _)| is_wanted(name))?;
        (value.json() != "null").then_some(*value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = JsonObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some((Lossy(name), value)) = map.next_entry()? {
                    entries.push((name, JsonValue(value)));
                }
                Ok(JsonObject(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// A JSON string in which each half of a surrogate pair is replaced by U+FFFD.
pub(crate) struct Lossy<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Lossy<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Lossy<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Lossy(str::from_utf8(bytes).map_or_else(|_| whole(bytes).into(), Cow::Borrowed)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Lossy(whole(bytes).into()))
            }
        }

        // When asked for bytes, serde_json accepts every escape, and decodes half of a surrogate pair to 3 bytes that begin with
        // ED.
        deserializer.deserialize_bytes(Bytes)
    }
}

fn whole(bytes: &[u8]) -> String {
    const HALF_OF_A_PAIR: u8 = 0xED;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().first() == Some(&HALF_OF_A_PAIR) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(json: &str) -> JsonObject<'_> {
        JsonValue::parse(json).unwrap().object().unwrap()
    }

    fn string(json: &str) -> Option<String> {
        JsonValue::parse(json).unwrap().string().map(Cow::into_owned)
    }

    #[test]
    fn unread_values_are_not_checked() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for odd in ["1e999", r#""\ud83d""#, r#"{"\udc00": [1, 2.5e-400]}"#, "-0", &deep] {
            let json = format!(r#"{{"odd": {odd}, "\ud83d": 1, "wanted": "x"}}"#);
            assert_eq!(object(&json).get("wanted").unwrap().string().as_deref(), Some("x"), "{odd:.20}");
        }
    }

    #[test]
    fn half_of_a_surrogate_pair_is_one_replacement_character() {
        assert_eq!(string(r#""a\ud83db""#).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(string(r#""\ud83d\ud83d\ude00\ude00""#).as_deref(), Some("\u{fffd}😀\u{fffd}"));
        assert_eq!(string(r#""\ud7ff\ue000""#).as_deref(), Some("\u{d7ff}\u{e000}"));
    }

    #[test]
    fn a_number_keeps_every_digit() {
        let text = |json| JsonValue::parse(json).unwrap().text().map(Cow::into_owned);
        assert_eq!(text("123456789012345678901234567890").as_deref(), Some("123456789012345678901234567890"));
        assert_eq!(text(r#""12""#).as_deref(), Some("12"));
        for other in ["-1", "1.5", "true", "[1]", "{}"] {
            assert_eq!(text(other), None, "{other}");
        }
        assert_eq!(JsonValue::parse(r#"{"a": 1}"#).unwrap().string_or_json(), r#"{"a": 1}"#);
    }

    #[test]
    fn null_is_absent_and_the_last_of_several_counts() {
        let object = object(r#"{"a": null, "b": 1, "b": 2, "Content-Type": 3}"#);
        assert!(object.get("a").is_none() && object.get("c").is_none() && !object.is_empty());
        assert_eq!(object.get("b").unwrap().json(), "2");
        assert_eq!(object.get_ignoring_case("content-type").unwrap().json(), "3");
    }

    #[test]
    fn malformed_json_is_rejected() {
        for text in ["", "{", "{}x", "nul", "'a'", r#"{"a": 1,}"#, r#""\x""#] {
            assert!(JsonValue::parse(text).is_none(), "{text}");
        }
        for other in ["[]", "1", "null", r#""text""#] {
            assert!(JsonValue::parse(other).unwrap().object().is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_string_is_read_back_unchanged(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(JsonValue::parse(&json).unwrap().string().unwrap(), text);
        }
    }
}
