//! `lastMsg`: what a session shows of a message or its recall, within limits.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::JsonValue;

/// What one JSON text shows. A copy may be far longer than what fits beside it in an item, so each text has a limit; fields
/// that were cut or left out are named in `truncated`.
pub(super) struct Shown {
    fields: Map<String, Value>,
    truncated: Vec<&'static str>,
}

/// A limit, and what becomes of a longer text.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// Words: cut at the end of a character.
    Cut(usize),
    /// Structured texts, which are worth nothing when they are cut: left out.
    Omit(usize),
}

impl Limit {
    pub(super) const BODY: Self = Self::Cut(20_000);
    pub(super) const ATTACH: Self = Self::Omit(16_384);
    pub(super) const EXT: Self = Self::Omit(4_096);
    pub(super) const OTHER: Self = Self::Omit(1_020);

    /// What is left of a text, and whether that is less than all of it.
    pub(super) fn apply(self, text: &str) -> (Option<&str>, bool) {
        match self {
            Self::Cut(bytes) | Self::Omit(bytes) if text.len() <= bytes => (Some(text), false),
            Self::Cut(bytes) => (Some(&text[..text.floor_char_boundary(bytes)]), true),
            Self::Omit(_) => (None, true),
        }
    }
}

impl Shown {
    pub(super) fn new(from: &str) -> Self {
        let fields = Map::from_iter([("from".to_owned(), from.into())]);
        Self { fields, truncated: Vec::new() }
    }

    /// Shows a number.
    pub(super) fn number(&mut self, name: &'static str, number: impl Into<u64>) {
        self.fields.insert(name.to_owned(), number.into().into());
    }

    /// Shows an id as it came; ids are never long.
    pub(super) fn id(&mut self, name: &'static str, id: Option<&Cow<'_, str>>) {
        if let Some(id) = id {
            self.fields.insert(name.to_owned(), id.as_ref().into());
        }
    }

    /// Shows a field of a copy, one that is no string as its JSON text; an absent one is left out.
    pub(super) fn field(&mut self, name: &'static str, value: Option<JsonValue<'_>>, limit: Limit) {
        let Some(text) = value.map(JsonValue::string_or_json) else { return };
        let (left, is_truncated) = limit.apply(&text);
        if let Some(left) = left {
            self.fields.insert(name.to_owned(), left.into());
        }
        if is_truncated {
            self.truncated.push(name);
        }
    }

    /// The JSON text.
    pub(super) fn into_json(mut self) -> String {
        if !self.truncated.is_empty() {
            self.fields.insert("truncated".to_owned(), self.truncated.into());
        }
        Value::Object(self.fields).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(name: &'static str, value: &Value, limit: Limit) -> Value {
        let mut shown = Shown::new("a");
        let value = value.to_string();
        shown.field(name, JsonValue::parse(&value), limit);
        serde_json::from_str(&shown.into_json()).unwrap()
    }

    #[test]
    fn words_are_cut_between_characters_and_the_rest_is_left_out_whole() {
        let han = "你".repeat(6_667);
        assert_eq!(han.len(), 20_001);
        let cut = shown("body", &json!(han), Limit::BODY);
        assert_eq!(cut, json!({"from": "a", "body": "你".repeat(6_666), "truncated": ["body"]}));
        for (name, limit, most) in
            [("attach", Limit::ATTACH, 16_384), ("ext", Limit::EXT, 4_096), ("fromNick", Limit::OTHER, 1_020)]
        {
            let whole = json!("x".repeat(most));
            assert_eq!(shown(name, &whole, limit), json!({"from": "a", name: whole}));
            let long = json!("x".repeat(most + 1));
            assert_eq!(shown(name, &long, limit), json!({"from": "a", "truncated": [name]}));
        }
    }

    #[test]
    fn what_is_no_text_is_shown_as_its_json() {
        assert_eq!(shown("body", &json!({"a": [1]}), Limit::BODY)["body"], r#"{"a":[1]}"#);
        assert_eq!(shown("body", &json!(5), Limit::BODY)["body"], "5");
    }
}
