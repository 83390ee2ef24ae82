//! Pages of a query, read where they lie.
//!
//! The SDK would make a map of owned values of every item. A page of a hundred is most of a list's work, so its answer is
//! taken as bytes instead, and items borrow from them; the long texts go into the page as DynamoDB wrote them.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    config::interceptors::BeforeSerializationInterceptorContextMut,
    error::ErrorMetadata,
    operation::query::{QueryError, QueryOutput},
    types::AttributeValue,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context},
        orchestrator::{HttpResponse, OrchestratorError},
        runtime_components::RuntimeComponents,
        ser_de::{DeserializeResponse, SharedResponseDeserializer},
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use session_model::{JsonText, Row, SessionId};

use crate::{
    StoreError,
    item::{self, Attributes, Item},
    table::USER_ID,
};

/// Keeps the bytes of one query's answer, of which the SDK then sees nothing. Its refusals stay the operation's own errors
/// with their codes, which the SDK's retries go by.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeepAnswer(Arc<Mutex<Option<SdkBody>>>);

impl KeepAnswer {
    /// The answer, once the query is done.
    pub(crate) fn take(&self) -> Option<SdkBody> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for KeepAnswer {
    fn name(&self) -> &'static str {
        "KeepAnswer"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        Ok(())
    }
}

impl DeserializeResponse for KeepAnswer {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<context::Output, OrchestratorError<context::Error>> {
        if response.status().is_success() {
            // A clone of what is in memory shares it.
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = response.body().try_clone();
            return Ok(context::Output::erase(QueryOutput::builder().build()));
        }
        let error = QueryError::generic(metadata(response.body().bytes().unwrap_or_default()));
        Err(OrchestratorError::operation(context::Error::erase(error)))
    }
}

/// The code of a refusal: `{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", …}`.
fn metadata(body: &[u8]) -> ErrorMetadata {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type")]
        kind: String,
    }
    let refusal = serde_json::from_slice::<Refusal>(body);
    let code = refusal.ok().and_then(|refusal| refusal.kind.rsplit('#').next().map(str::to_owned));
    code.map_or_else(ErrorMetadata::builder, |code| ErrorMetadata::builder().code(code)).build()
}

/// The answer of a query.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueryAnswer<'a> {
    /// What the items hold.
    #[serde(default)]
    items: Vec<ReadItem>,
    /// Where the next page starts.
    #[serde(borrow, default)]
    last_evaluated_key: Option<HashMap<String, RawAttribute<'a>>>,
    #[serde(default)]
    consumed_capacity: Option<Consumed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Consumed {
    capacity_units: f64,
}

impl<'a> QueryAnswer<'a> {
    /// Reads an answer; one that is cut off or no JSON may be asked for again.
    pub(crate) fn read(answer: &'a [u8]) -> Result<Self, StoreError> {
        // Checked once to be UTF-8, and not at each text.
        let answer = std::str::from_utf8(answer).ok().and_then(|answer| serde_json::from_str(answer).ok());
        answer.ok_or_else(|| StoreError::Unavailable("unreadable response".into()))
    }

    /// The rows of the items, in their order, as far as each can be read.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = Result<(SessionId, Row), StoreError>> {
        self.items.into_iter().map(|item| item.0)
    }

    pub(crate) fn read_units(&self) -> f64 {
        self.consumed_capacity.as_ref().map_or(0.0, |consumed| consumed.capacity_units)
    }

    /// The key that the next page starts from, if there is one. A key that cannot be read is an error, never the end.
    pub(crate) fn next(&self) -> Result<Option<Item>, StoreError> {
        let value = |value: &RawAttribute<'_>| match value {
            RawAttribute::N(number) => Some(AttributeValue::N(number.clone().into_owned())),
            other => other.string().map(|text| AttributeValue::S(text.into_owned())),
        };
        let Some(key) = &self.last_evaluated_key else { return Ok(None) };
        let key: Option<Item> = key.iter().map(|(name, of)| Some((name.clone(), value(of)?))).collect();
        key.map(Some).ok_or(StoreError::MalformedItem("LastEvaluatedKey"))
    }
}

/// The row of an item, read as soon as the item is.
struct ReadItem(Result<(SessionId, Row), StoreError>);

impl<'de> Deserialize<'de> for ReadItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut item = RawItem::deserialize(deserializer)?;
        Ok(Self(item::session_id(&item).and_then(|id| Ok((id, item::row(&mut item)?)))))
    }
}

/// An item that borrows from the answer: its attributes in the answer's order, without the partition key.
struct RawItem<'a>(Vec<(Cow<'a, str>, RawAttribute<'a>)>);

/// An attribute's value; of what the rows of users hold, there are texts and numbers only.
enum RawAttribute<'a> {
    S(&'a RawValue),
    N(Cow<'a, str>),
    Other,
}

impl<'a> RawAttribute<'a> {
    fn text(&self) -> Option<JsonText> {
        if let Self::S(text) = self { JsonText::from_json(text) } else { None }
    }

    fn string(&self) -> Option<Cow<'a, str>> {
        let Self::S(text) = *self else { return None };
        let plain = text.get().strip_prefix('"')?.strip_suffix('"')?;
        // Mostly there is nothing to unescape.
        if plain.contains('\\') {
            serde_json::from_str(text.get()).ok().map(Cow::Owned)
        } else {
            Some(plain.into())
        }
    }

    fn number(&self) -> Option<u64> {
        if let Self::N(number) = self { number.parse().ok() } else { None }
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

/// A text that borrows where it has no escapes.
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
                    _ => map.next_value::<IgnoredAny>().map(|_| RawAttribute::Other)?,
                };
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(value)
            }
        }

        deserializer.deserialize_map(Attribute(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use session_model::{LastMsg, Position, Register, Timestamp};

    use super::*;

    const ANSWER: &str = r#"{"Count":2,"Items":[
        {"userId":{"S":"bob"},"sessionId":{"S":"p2p|al\"ice"},"updateTime":{"N":"7"},"msgTime":{"N":"7"},"msgId":{"S":"~m"},
         "lastMsg":{"S":"{\"body\":\"caf\u00e9\"}"},"lastMsgType":{"N":"0"},"ext":{"S":"m\ni"},"expiresAt":{"BOOL":true}},
        {"sessionId":{"S":"p2p|carol"},"updateTime":{"S":"7"}}],
        "LastEvaluatedKey":{"userId":{"S":"b\"ob"},"updateTime":{"N":"7"}},
        "ConsumedCapacity":{"CapacityUnits":1.5,"TableName":"T"}}"#;

    #[test]
    fn an_answer_is_read_as_the_sdk_would() {
        let answer = QueryAnswer::read(ANSWER.as_bytes()).unwrap();
        assert!((answer.read_units() - 1.5).abs() < 1e-9);
        let expected =
            [("userId", AttributeValue::S("b\"ob".into())), ("updateTime", AttributeValue::N("7".into()))];
        assert_eq!(answer.next(), Ok(Some(expected.map(|(name, value)| (name.to_owned(), value)).into())));
        let [first, second] = &answer.items[..] else { panic!("two items") };
        let register = Register {
            position: Position { time: Timestamp::from_millis(7), id: "m".into() },
            last_msg: Some(LastMsg::Message(r#"{"body":"café"}"#.into())),
        };
        let row = Row { register: Some(register), ext: "m\ni".parse().unwrap(), ..Row::default() };
        assert_eq!(first.0, Ok((r#"p2p|al"ice"#.parse().unwrap(), row)));
        assert_eq!(second.0, Err(StoreError::MalformedItem("updateTime")));
        assert_eq!(answer.into_rows().map(|row| row.is_ok()).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_list_does_not_end_at_a_key_that_cannot_be_read() {
        let answer =
            QueryAnswer::read(br#"{"Items":[],"LastEvaluatedKey":{"userId":{"B":"AA=="}}}"#).unwrap();
        assert_eq!(answer.next(), Err(StoreError::MalformedItem("LastEvaluatedKey")));
        assert_eq!(QueryAnswer::read(br#"{"Items":[]}"#).unwrap().next(), Ok(None));
    }

    #[test]
    fn what_is_no_answer_may_be_asked_for_again() {
        for text in ["", "{", r#"{"Items":[{"a":1}]}"#] {
            assert!(matches!(QueryAnswer::read(text.as_bytes()), Err(StoreError::Unavailable(_))), "{text}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_code() {
        let body = br#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"secret"}"#;
        assert_eq!(metadata(body).code(), Some("ThrottlingException"));
        assert_eq!(metadata(b"<html>").code(), None);
    }
}
