//! Truncated attachments: what is complete before the JSON breaks off.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::named::Named;
use crate::json::{JsonValue, object::Lossy};

/// The values at `/id`, `/data/ids` and `/data/id` that are complete, and in their own places, before the JSON breaks off.
pub(super) fn read(text: &str) -> Named<'_> {
    let mut named = Named { is_broken: true, ..Named::default() };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // This ends with an error, because the text is not JSON. Everything before the error is in `named` by then.
    let _ = Attachment { named: &mut named, in_data: false }.deserialize(&mut deserializer);
    // If a number ends where the text ends, more digits may have followed.
    let continues = |value: JsonValue<'_>| {
        value.json().as_bytes().as_ptr_range().end == text.as_bytes().as_ptr_range().end
    };
    let is_number = |value: &JsonValue<'_>| value.whole_number().is_some();
    named.number = named.number.filter(|number| is_number(number) && !continues(*number));
    named.id = named.id.filter(|id| !(is_number(id) && continues(*id)));
    named
}

/// The attachment, or the `data` in it.
struct Attachment<'n, 'a> {
    named: &'n mut Named<'a>,
    in_data: bool,
}

impl<'a> DeserializeSeed<'a> for Attachment<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Attachment<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { named, in_data } = self;
        while let Some(Lossy(name)) = map.next_key()? {
            match (in_data, &*name) {
                (false, "id") => named.number = Some(value(&mut map)?),
                (false, "data") => map.next_value_seed(Attachment { named, in_data: true })?,
                (true, "ids") => named.ids = Some(value(&mut map)?),
                (true, "id") => named.id = Some(value(&mut map)?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

fn value<'a, M: MapAccess<'a>>(map: &mut M) -> Result<JsonValue<'a>, M::Error> {
    map.next_value::<&RawValue>().map(JsonValue)
}
