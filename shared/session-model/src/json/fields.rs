//! Reading the fields of a JSON object, so that each rejection names the field.

use std::{borrow::Cow, collections::HashSet, hash::Hash, str::FromStr};

use serde_json::{Map, Value};

use super::{
    invalid::{InvalidField, InvalidValue},
    number::whole_number,
};
use crate::time::{Ahead, Timestamp};

/// A JSON object that is being read. Absent and `null` are equivalent.
#[derive(Clone, Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Parses a body. A rejection names it `body`.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidField> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(InvalidValue::new("must be a JSON object").in_body("body")),
            Err(error) => {
                let at =
                    format!("must be JSON: malformed at line {}, column {}", error.line(), error.column());
                Err(InvalidValue::new(at).in_body("body"))
            }
        }
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rejects fields other than these.
    pub fn reject_unknown_fields(&self, known: &[&'static str]) -> Result<(), InvalidField> {
        if self.0.keys().all(|name| known.contains(&name.as_str())) {
            return Ok(());
        }
        Err(InvalidValue::new(format!("must hold no other fields than {}", known.join(", "))).in_body("body"))
    }

    /// Whether there is a field of this name, even if it is `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The field's unparsed value, unless it is absent or `null`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// An optional string.
    pub fn optional_text(&self, name: &'static str) -> Result<Option<&str>, InvalidField> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(InvalidValue::new("must be a string").in_body(name)),
        }
    }

    /// Whether the field is there, and is `null`.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    /// A required string, which may be empty.
    pub fn text(&self, name: &'static str) -> Result<&str, InvalidField> {
        self.optional_text(name)?.ok_or_else(|| InvalidValue::new("is required").in_body(name))
    }

    /// An optional time, as a string or a number.
    pub fn optional_time(&self, name: &'static str) -> Result<Option<Timestamp>, InvalidField> {
        let text: Cow<'_, str> = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.into(),
            Some(other) => {
                let json = other.to_string();
                whole_number(&json).map(Cow::into_owned).unwrap_or(json).into()
            }
        };
        text.parse().map(Some).map_err(|reason: InvalidValue| reason.in_body(name))
    }

    /// A required time: not before 2000, and not more than 5 minutes after `now`.
    pub fn time(&self, name: &'static str, now: Timestamp) -> Result<Timestamp, InvalidField> {
        let time = self.optional_time(name)?.ok_or_else(|| InvalidValue::new("is required").in_body(name))?;
        time.check_plausible(now, Ahead::FiveMinutes).map_err(|reason| reason.in_body(name))
    }

    /// A required string, parsed.
    pub fn parsed<T: FromStr<Err = InvalidValue>>(&self, name: &'static str) -> Result<T, InvalidField> {
        self.read(name, str::parse)
    }

    /// A required string, parsed by `read`.
    pub fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<T, InvalidField> {
        read(self.text(name)?).map_err(|reason| reason.in_body(name))
    }

    /// A required array of strings.
    pub fn texts(&self, name: &'static str) -> Result<Vec<&str>, InvalidField> {
        let rejection = || InvalidValue::new("must be an array of strings").in_body(name);
        match self.value(name) {
            None => Err(InvalidValue::new("is required").in_body(name)),
            Some(Value::Array(values)) => {
                values.iter().map(|value| value.as_str().ok_or_else(rejection)).collect()
            }
            Some(_) => Err(rejection()),
        }
    }

    /// A required array of objects.
    fn objects(&self, name: &'static str) -> Result<Vec<Self>, InvalidField> {
        let rejection = || InvalidValue::new("must be an array of objects").in_body(name);
        let Some(value) = self.value(name) else {
            return Err(InvalidValue::new("is required").in_body(name));
        };
        let objects = value.as_array().ok_or_else(rejection)?.iter();
        objects.map(|value| value.as_object().cloned().map(Self).ok_or_else(rejection)).collect()
    }

    /// A required array of strings, each parsed by `read`, of which no two may be the same. A rejection calls them `what` and gives
    /// the number of the one at fault.
    pub fn distinct<T: Clone + Eq + Hash>(
        &self,
        name: &'static str,
        what: &str,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Result<Vec<T>, InvalidField> {
        distinct(self.texts(name)?, name, what, read, T::clone)
    }

    /// A required array of objects, each parsed by `read`, of which no two may have the same `key`. A rejection calls them `what` and
    /// gives the number of the one at fault.
    pub fn distinct_objects<T, K: Eq + Hash>(
        &self,
        name: &'static str,
        what: &str,
        read: impl Fn(&Self) -> Result<T, InvalidField>,
        key: impl Fn(&T) -> K,
    ) -> Result<Vec<T>, InvalidField> {
        let objects = self.objects(name)?;
        let read =
            |fields: &Self| read(fields).map_err(|rejection| InvalidValue::new(format!("has: {rejection}")));
        distinct(&objects, name, what, read, key)
    }
}

/// Parses each element of the array `name`. No two may have the same key.
fn distinct<E, T, K: Eq + Hash>(
    elements: impl IntoIterator<Item = E>,
    name: &'static str,
    what: &str,
    read: impl Fn(E) -> Result<T, InvalidValue>,
    key: impl Fn(&T) -> K,
) -> Result<Vec<T>, InvalidField> {
    let mut seen = HashSet::new();
    let values = elements.into_iter().enumerate().map(|(index, element)| {
        let rejection = |reason: &str| {
            InvalidValue::new(format!("must hold valid {what}: number {} {reason}", index + 1)).in_body(name)
        };
        let value = read(element).map_err(|reason| rejection(&reason.to_string()))?;
        if seen.insert(key(&value)) { Ok(value) } else { Err(rejection("is there twice")) }
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Place;

    fn rejection<T>(result: Result<T, InvalidField>) -> String {
        result.err().unwrap().to_string()
    }

    #[test]
    fn a_body_must_be_an_object() {
        assert_eq!(rejection(Fields::parse(b"[]")), "body must be a JSON object");
        assert_eq!(rejection(Fields::parse(b"{\n  x")), "body must be JSON: malformed at line 2, column 3");
        assert_eq!(rejection(Fields::parse(b"\xff")), "body must be JSON: malformed at line 1, column 1");
    }

    #[test]
    fn a_whole_number_may_be_written_as_a_double() {
        let time = |text: &str| {
            let fields = Fields::parse(format!(r#"{{"time": {text}}}"#).as_bytes()).unwrap();
            fields.optional_time("time").ok().flatten().map(Timestamp::as_millis)
        };
        for text in ["1700000000000", "1700000000000.0", "1.7e12", "\"1700000000000\""] {
            assert_eq!(time(text), Some(1_700_000_000_000), "{text}");
        }
        assert_eq!((time("0"), time("-0.0"), time("null")), (Some(0), Some(0), None));
        for text in ["1.5", "-1", "-1.0", "1e300", "true", "\"1.0\"", "9007199254740992.0"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn a_rejection_names_its_field() {
        let fields = Fields::parse(br#"{"text": "", "number": 5, "none": null, "mixed": ["a", 1]}"#).unwrap();
        assert_eq!(fields.text("text"), Ok(""));
        assert_eq!(fields.optional_text("none"), Ok(None));
        assert_eq!(rejection(fields.text("absent")), "absent is required");
        assert_eq!(rejection(fields.text("number")), "number must be a string");
        for name in ["text", "number", "mixed"] {
            let reason = rejection(fields.time(name, Timestamp::default()));
            assert!(reason.starts_with(&format!("{name} must be a time in milliseconds")), "{reason}");
        }
        assert_eq!(rejection(fields.texts("none")), "none is required");
        assert_eq!(fields.texts("mixed").err().unwrap().place, Place::Body);
        assert_eq!(rejection(fields.texts("number")), "number must be an array of strings");
        assert_eq!(rejection(fields.texts("mixed")), "mixed must be an array of strings");
        assert_eq!(
            rejection(fields.reject_unknown_fields(&["text"])),
            "body must hold no other fields than text"
        );
    }
}
