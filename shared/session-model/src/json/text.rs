//! A string in the form in which it was received: plain, or as JSON.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::object::Lossy;

/// A string that may be kept as a JSON string, with its quotes and escapes. A list reads 100 of them from one JSON document and
/// writes them into another. In this form they are neither unescaped nor escaped again on the way.
#[derive(Clone)]
pub struct JsonText(Form);

#[derive(Clone)]
enum Form {
    Plain(String),
    Json(Box<RawValue>),
}

impl JsonText {
    /// Accepts a JSON string as it is written in a document. Returns `None` if the value is not a string.
    #[must_use]
    pub fn from_json(value: &RawValue) -> Option<Self> {
        value.get().starts_with('"').then(|| Self(Form::Json(value.to_owned())))
    }

    /// The plain string.
    #[must_use]
    pub fn plain(&self) -> Cow<'_, str> {
        match &self.0 {
            Form::Plain(text) => text.into(),
            // One that cannot be unescaped, which a JSON document does not contain, is not equal to any other.
            Form::Json(json) => {
                serde_json::from_str::<Lossy>(json.get()).map_or_else(|_| json.get().into(), |text| text.0)
            }
        }
    }

    /// The length of its JSON form in bytes, without the quotes.
    #[must_use]
    pub fn json_len(&self) -> usize {
        match &self.0 {
            Form::Plain(text) => json_len(text),
            Form::Json(json) => json.get().len() - 2,
        }
    }
}

/// The length of a text as a JSON string in bytes, without the quotes.
pub(crate) fn json_len(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0..=0x1f => 6,
            _ => 1,
        })
        .sum()
}

impl From<&str> for JsonText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for JsonText {
    fn from(text: String) -> Self {
        Self(Form::Plain(text))
    }
}

/// Two are equal if their plain strings are equal, however they are escaped.
impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.plain() == other.plain()
    }
}

impl Eq for JsonText {}

impl Hash for JsonText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plain().hash(state);
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain().fmt(f)
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Plain(text) => text.serialize(serializer),
            Form::Json(json) => json.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(&value).ok_or_else(|| de::Error::custom("must be a string"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_are_equal_however_they_are_escaped() {
        let escaped: JsonText = serde_json::from_str(r#""caf\u00e9 \/""#).unwrap();
        assert_eq!(escaped, "café /".into());
        assert_ne!(escaped, "cafe /".into());
        assert_eq!(serde_json::to_string(&escaped).unwrap(), r#""caf\u00e9 \/""#, "it is returned unchanged");
        assert!(serde_json::from_str::<JsonText>("1").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_unchanged(text in any::<String>()) {
            let stored = JsonText::from(text.as_str());
            prop_assert_eq!(stored.json_len() + 2, serde_json::to_string(&text).unwrap().len());
            prop_assert_eq!(stored.plain(), text);
        }
    }
}
