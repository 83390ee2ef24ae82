//! Items that borrow from the text of a response.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    fmt,
};

use aws_sdk_dynamodb::types::AttributeValue;
use base64_simd::{AsOut, STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use session_model::{id::MemberHash, json::JsonText};

use crate::{
    StoreError,
    codec::{
        item::{Attributes, Item},
        schema::USER_ID,
    },
};

/// An item that borrows from the response: its attributes in the response's order, without the partition key.
pub(crate) struct RawItem<'a>(Vec<(Cow<'a, str>, RawAttribute<'a>)>);

/// An attribute's value. Values of other types are not read.
enum RawAttribute<'a> {
    S(&'a RawValue),
    N(Cow<'a, str>),
    B(Cow<'a, str>),
    Bs(Vec<Name<'a>>),
    Other,
}

impl<'a> RawAttribute<'a> {
    fn text(&self) -> Option<JsonText> {
        if let Self::S(text) = self { JsonText::from_json(text) } else { None }
    }

    fn string(&self) -> Option<Cow<'a, str>> {
        let Self::S(text) = *self else { return None };
        let plain = text.get().strip_prefix('"')?.strip_suffix('"')?;
        // Usually there is nothing to unescape.
        if plain.contains('\\') {
            serde_json::from_str(text.get()).ok().map(Cow::Owned)
        } else {
            Some(plain.into())
        }
    }

    fn number(&self) -> Option<u64> {
        if let Self::N(number) = self { number.parse().ok() } else { None }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let Self::B(base64) = self else { return None };
        STANDARD.decode_to_vec(base64.as_bytes()).ok()
    }

    fn hashes(&self) -> Option<BTreeSet<MemberHash>> {
        let Self::Bs(hashes) = self else { return None };
        let decoded = |hash: &Name<'_>| {
            const BASE64_LENGTH: usize = size_of::<MemberHash>().div_ceil(3) * 4;
            let text = Some(hash.0.as_bytes()).filter(|text| text.len() == BASE64_LENGTH)?;
            let mut padded = [0; BASE64_LENGTH / 4 * 3];
            let decoded = STANDARD.decode(text, padded[..].as_out()).ok()?;
            MemberHash::try_from(&*decoded).ok()
        };
        hashes.iter().map(decoded).collect()
    }
}

impl<'a> RawItem<'a> {
    fn read<T>(
        &self,
        name: &'static str,
        value: impl FnOnce(&RawAttribute<'a>) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some((_, attribute)) = self.0.iter().find(|(of, _)| of == name) else { return Ok(None) };
        value(attribute).map(Some).ok_or(StoreError::MalformedItem(name))
    }
}

impl Attributes for RawItem<'_> {
    fn text(&mut self, name: &'static str) -> Result<Option<JsonText>, StoreError> {
        self.read(name, RawAttribute::text)
    }

    fn string(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, StoreError> {
        self.read(name, RawAttribute::string)
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, StoreError> {
        self.read(name, RawAttribute::number)
    }

    fn bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(name, RawAttribute::bytes)
    }

    fn hashes(&self, name: &'static str) -> Result<Option<BTreeSet<MemberHash>>, StoreError> {
        self.read(name, RawAttribute::hashes)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawItem<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Items<'a> {
            type Value = RawItem<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<RawItem<'a>, M::Error> {
                let mut attributes = Vec::with_capacity(10);
                while let Some(Name(name)) = map.next_key()? {
                    if name == USER_ID {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        attributes.push((name, map.next_value()?));
                    }
                }
                Ok(RawItem(attributes))
            }
        }

        deserializer.deserialize_map(Items(std::marker::PhantomData))
    }
}

/// A string that borrows if it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for RawAttribute<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Attribute<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Attribute<'a> {
            type Value = RawAttribute<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute's value")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<RawAttribute<'a>, M::Error> {
                let Some(Name(kind)) = map.next_key()? else { return Err(de::Error::custom("no type")) };
                let value = match &*kind {
                    "S" => RawAttribute::S(map.next_value()?),
                    "N" => RawAttribute::N(map.next_value::<Name<'_>>()?.0),
                    "B" => RawAttribute::B(map.next_value::<Name<'_>>()?.0),
                    "BS" => RawAttribute::Bs(map.next_value()?),
                    _ => map.next_value::<IgnoredAny>().map(|_| RawAttribute::Other)?,
                };
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(value)
            }
        }

        deserializer.deserialize_map(Attribute(std::marker::PhantomData))
    }
}

/// The key of an item.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct RawKey<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, RawAttribute<'a>>);

impl RawKey<'_> {
    /// The key as the SDK represents it.
    pub(crate) fn owned(&self) -> Option<Item> {
        let value = |value: &RawAttribute<'_>| match value {
            RawAttribute::N(number) => Some(AttributeValue::N(number.clone().into_owned())),
            other => other.string().map(|text| AttributeValue::S(text.into_owned())),
        };
        self.0.iter().map(|(name, of)| Some((name.clone().into_owned(), value(of)?))).collect()
    }
}
