//! `lastMsg`: what a session shows of a message or its recall, within limits.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::limits::{LastMsgBytes, Text};
use crate::{
    json::{JsonText, JsonValue},
    time::Timestamp,
};

/// The fields that one `lastMsg` shows. A message copy may be far longer than what fits in an item along with the other attributes,
/// so each text has a limit. Fields that were cut or left out are named in `truncated`.
#[derive(Clone)]
pub(crate) struct Shown {
    fields: Map<String, Value>,
    truncated: Vec<&'static str>,
}

/// The fields of a message that are shown, in the order in which `truncated` names them.
pub(crate) const OF_A_MESSAGE: [&str; 6] = ["body", "attach", "ext", "subType", "fromNick", "fromClientType"];
/// The fields of a recall notice that are shown, in the order in which `truncated` names them.
const OF_A_RECALL: [&str; 2] = ["postscript", "attach"];
const TRUNCATED: &str = "truncated";

/// A field that an edit may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    Body,
    Ext,
    Attach,
    SubType,
}

impl Field {
    pub(crate) const ALL: [Self; 4] = [Self::Body, Self::Ext, Self::Attach, Self::SubType];

    /// The field's name in `lastMsg`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Ext => "ext",
            Self::Attach => "attach",
            Self::SubType => "subType",
        }
    }
}

impl Shown {
    pub(crate) fn new(from: &str) -> Self {
        let fields = Map::from_iter([("from".to_owned(), from.into())]);
        Self { fields, truncated: Vec::new() }
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, name: &'static str, number: impl Into<u64>) {
        self.fields.insert(name.to_owned(), number.into().into());
    }

    /// Adds an id as received. Ids are never long.
    pub(crate) fn id(&mut self, name: &'static str, id: Option<&Cow<'_, str>>) {
        if let Some(id) = id {
            self.fields.insert(name.to_owned(), id.as_ref().into());
        }
    }

    /// Adds the message fields of a copy, each within the limit that `limit` applies to it. A value that is not a string is shown as its
    /// JSON text, and absent fields are left out.
    pub(crate) fn message<'a>(
        mut self,
        value: impl Fn(&str) -> Option<JsonValue<'a>>,
        limit: impl Fn(&str, &str) -> Text,
    ) -> Self {
        for field in OF_A_MESSAGE {
            self.field(field, value(field), &limit);
        }
        self
    }

    /// Adds the recall fields of a copy, by their names in the copy.
    pub(crate) fn recall<'a>(
        mut self,
        value: impl Fn(&str) -> Option<JsonValue<'a>>,
        limits: LastMsgBytes,
    ) -> Self {
        for (field, name) in OF_A_RECALL.into_iter().zip(["selfMsg", "attach"]) {
            self.field(field, value(name), |field, text| limits.text(field, text));
        }
        self
    }

    fn field(
        &mut self,
        field: &'static str,
        value: Option<JsonValue<'_>>,
        limit: impl Fn(&str, &str) -> Text,
    ) {
        let Some(value) = value else { return };
        let text = limit(field, &value.string_or_json());
        if let Some(left) = text.left {
            self.fields.insert(field.to_owned(), left.into());
        }
        if text.is_truncated {
            self.truncated.push(field);
        }
    }

    /// The fields, with the names of those that were cut or left out.
    pub(crate) fn into_fields(mut self) -> Map<String, Value> {
        if !self.truncated.is_empty() {
            self.fields.insert(TRUNCATED.to_owned(), self.truncated.into());
        }
        self.fields
    }

    /// The JSON text.
    pub(crate) fn into_json(self) -> String {
        Value::Object(self.into_fields()).to_string()
    }
}

/// The `lastMsg` of a message that is being edited.
pub(crate) struct Edited(Map<String, Value>);

impl Edited {
    /// Parses a `lastMsg`. Returns `None` if it is not an object, which is never written.
    pub(crate) fn parse(last_msg: &JsonText) -> Option<Self> {
        serde_json::from_str(&last_msg.plain()).ok().map(Self)
    }

    /// What a field shows.
    pub(crate) fn get(&self, field: Field) -> Text {
        let left = self.0.get(field.name()).and_then(Value::as_str).map(str::to_owned);
        Text { left, is_truncated: self.is_truncated(field.name()) }
    }

    /// Replaces what a field shows.
    pub(crate) fn set(&mut self, field: Field, text: Text) {
        let was_truncated = |name: &str| {
            if name == field.name() { text.is_truncated } else { self.is_truncated(name) }
        };
        let truncated: Vec<_> = OF_A_MESSAGE.into_iter().filter(|name| was_truncated(name)).collect();
        let mut set = |name: &str, value: Option<Value>| match value {
            Some(value) => drop(self.0.insert(name.to_owned(), value)),
            None => drop(self.0.remove(name)),
        };
        set(TRUNCATED, (!truncated.is_empty()).then(|| truncated.into()));
        set(field.name(), text.left.map(Value::from));
    }

    /// Sets the time of the last edit.
    pub(crate) fn set_edit_time(&mut self, time: Timestamp) {
        self.0.insert("editTime".to_owned(), time.as_millis().into());
    }

    pub(crate) fn into_text(self) -> JsonText {
        Value::Object(self.0).to_string().into()
    }

    fn is_truncated(&self, name: &str) -> bool {
        let truncated = self.0.get(TRUNCATED).and_then(Value::as_array);
        truncated.is_some_and(|names| names.iter().any(|found| found == name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits() -> LastMsgBytes {
        "40960".parse().unwrap()
    }

    fn shown(name: &'static str, value: &Value) -> Value {
        let copy = json!({ name: value }).to_string();
        let fields = JsonValue::parse(&copy).unwrap().object().unwrap();
        let shown =
            Shown::new("a").message(|name| fields.get(name), |field, text| limits().text(field, text));
        serde_json::from_str(&shown.into_json()).unwrap()
    }

    #[test]
    fn strings_are_cut_between_characters_and_objects_left_out_whole() {
        let han = "你".repeat(6_667);
        assert_eq!(han.len(), 20_001);
        let cut = shown("body", &json!(han));
        assert_eq!(cut, json!({"from": "a", "body": "你".repeat(6_666), "truncated": ["body"]}));
        let whole = json!("x".repeat(10_240));
        assert_eq!(shown("attach", &whole), json!({"from": "a", "attach": whole}));
        assert_eq!(
            shown("attach", &json!("x".repeat(10_241))),
            json!({"from": "a", "truncated": ["attach"]})
        );
    }

    #[test]
    fn a_value_of_another_type_is_shown_as_its_json() {
        assert_eq!(shown("body", &json!({"a": [1]}))["body"], r#"{"a":[1]}"#);
        assert_eq!(shown("body", &json!(5))["body"], "5");
    }

    #[test]
    fn an_edit_updates_the_truncated_fields() {
        let text = |value: &Value| JsonText::from(value.to_string());
        let edited = |last_msg: &Value, field: Field, new: &str| -> Value {
            let mut edited = Edited::parse(&text(last_msg)).unwrap();
            edited.set(field, limits().text(field.name(), new));
            serde_json::from_str(&edited.into_text().plain()).unwrap()
        };
        let long = "x".repeat(20_001);
        let cut = edited(&json!({"body": "a", "truncated": ["ext"]}), Field::Body, &long);
        assert_eq!(cut, json!({"body": &long[1..], "truncated": ["body", "ext"]}));
        let whole = edited(&cut, Field::Ext, "whole");
        assert_eq!(whole, json!({"body": &long[1..], "ext": "whole", "truncated": ["body"]}));
        assert_eq!(edited(&whole, Field::Body, ""), json!({"body": "", "ext": "whole"}));
        let left_out = edited(&json!({"attach": "a"}), Field::Attach, &long);
        assert_eq!(left_out, json!({"truncated": ["attach"]}));
        assert!(Edited::parse(&"no JSON".into()).is_none());
    }
}
