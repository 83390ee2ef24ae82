//! Responses with many items, which are parsed in place: pages of a query, and batches of items.
//!
//! The SDK would create a map of owned values for every item. A page of 100 is most of a list's work. Its response is therefore
//! kept as bytes from which items borrow, and the long strings go into the page as DynamoDB wrote them.

use std::{borrow::Cow, collections::HashMap};

use aws_smithy_types::body::SdkBody;
use serde::{Deserialize, Deserializer};
use session_model::{SessionId, SessionItem};

use super::{
    item::{self, Item},
    raw_item::{RawItem, RawKey},
};
use crate::StoreError;

/// The response to a query.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueryResponse<'a> {
    /// The session items.
    #[serde(default)]
    items: Vec<ReadItem>,
    /// Where the next page starts.
    #[serde(borrow, default)]
    last_evaluated_key: Option<RawKey<'a>>,
    #[serde(default)]
    consumed_capacity: Option<Consumed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Consumed {
    capacity_units: f64,
}

/// Parses a response. If it is cut off or is not JSON, the request may be repeated.
pub(crate) fn read<'a, T: Deserialize<'a>>(response: Option<&'a SdkBody>) -> Result<T, StoreError> {
    parse(response.and_then(SdkBody::bytes).unwrap_or_default())
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(response: &'a [u8]) -> Result<T, StoreError> {
    // The text is checked once to be UTF-8, and not for each string.
    let response =
        std::str::from_utf8(response).ok().and_then(|response| serde_json::from_str(response).ok());
    response.ok_or_else(|| StoreError::Unavailable("unreadable response".into()))
}

/// The response to a batch of items of one table.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchResponse<'a> {
    #[serde(borrow, default)]
    responses: HashMap<Cow<'a, str>, Vec<RawItem<'a>>>,
    #[serde(borrow, default)]
    unprocessed_keys: HashMap<Cow<'a, str>, Unprocessed<'a>>,
    #[serde(default)]
    consumed_capacity: Vec<Consumed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed<'a> {
    #[serde(borrow)]
    keys: Vec<RawKey<'a>>,
}

impl<'a> BatchResponse<'a> {
    /// The items of the response.
    pub(crate) fn items(self) -> impl Iterator<Item = RawItem<'a>> {
        self.responses.into_values().flatten()
    }

    pub(crate) fn read_units(&self) -> f64 {
        self.consumed_capacity.iter().map(|consumed| consumed.capacity_units).sum()
    }

    /// The keys that must be requested again. A key that cannot be read is an error, and is never skipped.
    pub(crate) fn unprocessed(&self) -> Result<Vec<Item>, StoreError> {
        let keys = self.unprocessed_keys.values().flat_map(|of_table| &of_table.keys);
        keys.map(|key| key.owned().ok_or(StoreError::MalformedItem("UnprocessedKeys"))).collect()
    }
}

impl QueryResponse<'_> {
    /// The session items in their order, as far as each can be read.
    pub(crate) fn into_session_items(
        self,
    ) -> impl Iterator<Item = Result<(SessionId, SessionItem), StoreError>> {
        self.items.into_iter().map(|item| item.0)
    }

    pub(crate) fn read_units(&self) -> f64 {
        self.consumed_capacity.as_ref().map_or(0.0, |consumed| consumed.capacity_units)
    }

    /// The key that the next page starts from, if there is one. A key that cannot be read is an error, never the end.
    pub(crate) fn next(&self) -> Result<Option<Item>, StoreError> {
        let Some(key) = &self.last_evaluated_key else { return Ok(None) };
        key.owned().map(Some).ok_or(StoreError::MalformedItem("LastEvaluatedKey"))
    }
}

/// The session item of an item, which is read as soon as the item is.
struct ReadItem(Result<(SessionId, SessionItem), StoreError>);

impl<'de> Deserialize<'de> for ReadItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut item = RawItem::deserialize(deserializer)?;
        Ok(Self(item::session_id(&item).and_then(|id| Ok((id, item::session_item(&mut item)?)))))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use session_model::{
        Timestamp,
        register::{LastMsg, Position, Register},
    };

    use super::*;
    use crate::codec::item::Attributes;

    const RESPONSE: &str = r#"{"Count":2,"Items":[
        {"userId":{"S":"bob"},"sessionId":{"S":"p2p|al\"ice"},"updateTime":{"N":"7"},"msgTime":{"N":"7"},"msgId":{"S":"~m"},
         "lastMsg":{"S":"{\"body\":\"caf\u00e9\"}"},"lastMsgType":{"N":"0"},"ext":{"S":"m\ni"},"expiresAt":{"BOOL":true}},
        {"sessionId":{"S":"p2p|carol"},"updateTime":{"S":"7"}}],
        "LastEvaluatedKey":{"userId":{"S":"b\"ob"},"updateTime":{"N":"7"}},
        "ConsumedCapacity":{"CapacityUnits":1.5,"TableName":"T"}}"#;

    #[test]
    fn a_query_response_is_read_as_by_the_sdk() {
        let response = parse::<QueryResponse<'_>>(RESPONSE.as_bytes()).unwrap();
        assert!((response.read_units() - 1.5).abs() < 1e-9);
        let expected =
            [("userId", AttributeValue::S("b\"ob".into())), ("updateTime", AttributeValue::N("7".into()))];
        assert_eq!(response.next(), Ok(Some(expected.map(|(name, value)| (name.to_owned(), value)).into())));
        let [first, second] = &response.items[..] else { panic!("two items") };
        let register = Register {
            position: Position { time: Timestamp::from_millis(7), id: "m".into() },
            last_msg: Some(LastMsg::Message(r#"{"body":"café"}"#.into())),
        };
        let session_item =
            SessionItem { register: Some(register), ext: "m\ni".parse().unwrap(), ..SessionItem::default() };
        assert_eq!(first.0, Ok((r#"p2p|al"ice"#.parse().unwrap(), session_item)));
        assert_eq!(second.0, Err(StoreError::MalformedItem("updateTime")));
        assert_eq!(
            response.into_session_items().map(|session_item| session_item.is_ok()).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn an_unreadable_key_does_not_end_a_list() {
        let response =
            parse::<QueryResponse<'_>>(br#"{"Items":[],"LastEvaluatedKey":{"userId":{"B":"AA=="}}}"#)
                .unwrap();
        assert_eq!(response.next(), Err(StoreError::MalformedItem("LastEvaluatedKey")));
        assert_eq!(parse::<QueryResponse<'_>>(br#"{"Items":[]}"#).unwrap().next(), Ok(None));
    }

    #[test]
    fn a_malformed_response_may_be_retried() {
        for text in ["", "{", r#"{"Items":[{"a":1}]}"#] {
            assert!(
                matches!(parse::<QueryResponse<'_>>(text.as_bytes()), Err(StoreError::Unavailable(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_batch_response_is_read_as_by_the_sdk() {
        let response = br#"{"Responses":{"Groups":[
            {"groupId":{"S":"team|1"},"listedAt":{"N":"5"},"memberHashes":{"BS":["AAECAwQFBgcICQ==","/////w///////w=="]},"listDigest":{"B":"AAECAwQFBgcICQoLDA0ODw=="}},
            {"groupId":{"S":"team|2"},"memberHashes":{"BS":["AAEC"]}},
            {"groupId":{"S":"team|3"},"memberHashes":{"SS":["a"]}},
            {"groupId":{"S":"team|3"},"memberHashes":{"BS":["AAECAwQFBgcICQo="]}},
            {"groupId":{"S":"team|3"},"memberHashes":{"BS":["AAECAwQFBgcI"]}},
            {"groupId":{"S":"team|3"},"memberHashes":{"BS":["AAEC?AQFBgcICQ=="]}}]},
            "UnprocessedKeys":{"Groups":{"Keys":[{"groupId":{"S":"team|4"}}],"ConsistentRead":false}},
            "ConsumedCapacity":[{"TableName":"Groups","CapacityUnits":1.5}]}"#;
        let response: BatchResponse<'_> = parse(response).unwrap();
        assert!((response.read_units() - 1.5).abs() < 1e-9);
        let key = Item::from([("groupId".to_owned(), AttributeValue::S("team|4".into()))]);
        assert_eq!(response.unprocessed(), Ok(vec![key]));
        let items: Vec<_> = response.items().collect();
        let hashes = |item: usize| items[item].hashes("memberHashes");
        assert_eq!(
            hashes(0),
            Ok(Some(
                [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [255, 255, 255, 255, 15, 255, 255, 255, 255, 255]].into()
            ))
        );
        for malformed in 1..=5 {
            assert_eq!(hashes(malformed), Err(StoreError::MalformedItem("memberHashes")));
        }
        assert_eq!(items[1].hashes("listedAt"), Ok(None));
        assert_eq!(items[0].bytes("listDigest"), Ok(Some((0..16).collect())));
        assert_eq!(items[0].string("groupId").unwrap().as_deref(), Some("team|1"));
        let unreadable = br#"{"UnprocessedKeys":{"Groups":{"Keys":[{"groupId":{"B":"AA=="}}]}}}"#;
        let unreadable: BatchResponse<'_> = parse(unreadable).unwrap();
        assert_eq!(unreadable.unprocessed(), Err(StoreError::MalformedItem("UnprocessedKeys")));
    }
}
