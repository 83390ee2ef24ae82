//! Samples of every kind of message copy that the feed sends, from `infra/local/copies`, for `cargo local trigger`, the console and
//! the tests.
//!
//! A sample is one message copy, or several if one alone shows nothing, such as a message and its recall. Its strings contain
//! placeholders:
//!
//! - `{alice}`, `{bob}` and `{carol}` are accounts, `{team}` and `{superTeam}` are groups.
//! - `{now}`, `{now-1000}` and `{now+1}` are times in ms.
//! - `{id}`, `{id2}`, … and `{client}`, `{client2}`, … are unique message ids.
//!
//! A message copy given as a JSON string is the request body itself, for bodies that are not valid JSON.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

macro_rules! samples {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../copies/", $name, ".json")))),*]
    };
}

/// The samples' names and files.
const FILES: &[(&str, &str)] = samples![
    "application",
    "audio",
    "blocked",
    "broken-notice",
    "console-check",
    "custom",
    "dismissal",
    "early",
    "edit",
    "edit-first",
    "file",
    "half-emoji",
    "information",
    "intercepted",
    "invitation",
    "invite",
    "kick",
    "late",
    "leave",
    "location",
    "login",
    "markup",
    "numbers",
    "odd-list",
    "owner",
    "picture",
    "recall",
    "recall-first",
    "repeated",
    "stream",
    "super-team-created",
    "super-team-dismissal",
    "super-team-edit",
    "super-team-invite",
    "super-team-kick",
    "super-team-leave",
    "super-team-numbers",
    "super-team-owner",
    "super-team-recall",
    "super-team-text",
    "system",
    "team-edit",
    "team-intercepted",
    "team-recall",
    "team-text",
    "text",
    "tips",
    "to-oneself",
    "unknown-event",
    "unknown-notice",
    "unreadable",
];

/// A sample.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The sample's name.
    #[serde(skip)]
    pub name: &'static str,
    /// A description of what happens in the sample.
    pub about: String,
    copies: Vec<Value>,
    /// The outcome of the last message copy.
    pub result: SampleResult,
    /// The state afterwards: maps an account and the id of one of its sessions to the relevant fields of the last message, or to
    /// null if that session does not exist.
    #[serde(default)]
    seen: BTreeMap<String, Value>,
}

/// The outcome of a message copy.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SampleResult {
    /// The response is `{"result": "applied"}`.
    Applied,
    /// The response is `{"result": "ignored", "reason": "…"}`.
    Ignored,
    /// The response is `{"result": "dead-lettered", "reason": "…"}`.
    DeadLettered,
    /// The response is 503, and the message copy is stored as a dead letter.
    Early,
}

impl SampleResult {
    /// Reads the outcome from a response. `None` means that the message copy was rejected.
    #[must_use]
    pub fn of(status: u16, response: &Value) -> Option<Self> {
        match status {
            200 if response["result"] == "dead-lettered" => Some(Self::DeadLettered),
            200 if response["result"] == "ignored" => Some(Self::Ignored),
            200 => Some(Self::Applied),
            503 => Some(Self::Early),
            _ => None,
        }
    }
}

/// The names and the time that fill a sample's placeholders.
#[derive(Clone, Debug)]
pub struct Cast {
    names: BTreeMap<String, String>,
    now_ms: u64,
    /// The seed of the message ids.
    seed: Uuid,
}

impl Cast {
    /// Creates a cast of alice, bob and carol, team 7 and super team 9, at this time.
    #[must_use]
    pub fn at(now_ms: u64) -> Self {
        let names =
            [("alice", "alice"), ("bob", "bob"), ("carol", "carol"), ("team", "7"), ("superTeam", "9")];
        let names = names.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { names: names.into(), now_ms, seed: Uuid::new_v4() }
    }

    /// Renames an account or a group. Returns whether samples use a placeholder of this name.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        match self.names.get_mut(name) {
            Some(held) => {
                value.clone_into(held);
                true
            }
            None => false,
        }
    }

    /// Replaces all placeholders in the text.
    fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            filled.push_str(before);
            let named = behind.split_once('}').and_then(|(name, after)| Some((self.value(name)?, after)));
            let (value, after) = named.unwrap_or_else(|| ("{".to_owned(), behind));
            filled.push_str(&value);
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some(value) = self.names.get(name) {
            return Some(value.clone());
        }
        if let Some(offset) = name.strip_prefix("now") {
            let offset: i64 = if offset.is_empty() { 0 } else { offset.parse().ok()? };
            return self.now_ms.checked_add_signed(offset).map(|time| time.to_string());
        }
        let (is_client, number) = match name.strip_prefix("client") {
            Some(number) => (true, number),
            None => (false, name.strip_prefix("id")?),
        };
        let number: u128 = if number.is_empty() { 1 } else { number.parse().ok()? };
        let mixed = Uuid::from_u128(self.seed.as_u128().wrapping_add(number));
        Some(if is_client { mixed.to_string() } else { id_of(mixed) })
    }
}

/// A server id with as many digits as Yunxin's: a decimal number.
fn id_of(uuid: Uuid) -> String {
    let (high, low) = uuid.as_u64_pair();
    (1_000_000_000_000_000_000 + (high ^ low) % 8_000_000_000_000_000_000).to_string()
}

impl Sample {
    /// Returns all samples, in the order of their names.
    pub fn all() -> Result<Vec<Self>> {
        FILES.iter().map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// Returns the sample with this name.
    pub fn named(name: &str) -> Result<Self> {
        match FILES.iter().find(|(known, _)| *known == name) {
            Some((name, text)) => Self::parse(name, text),
            None => bail!("there is no sample {name}: cargo local trigger --list lists all samples"),
        }
    }

    fn parse(name: &'static str, text: &str) -> Result<Self> {
        let sample: Self = serde_json::from_str(text).with_context(|| format!("in {name}.json"))?;
        Ok(Self { name, ..sample })
    }

    /// Returns the bodies of the sample's message copies, in the order to post them in, with these fields set. A field is set in
    /// every message copy that has it, or in the last one if none has it.
    pub fn bodies(&self, cast: &Cast, fields: &[(String, String)]) -> Result<Vec<String>> {
        let mut copies: Vec<Value> = self.copies.iter().map(|copy| filled(copy, cast)).collect();
        for (field, value) in fields {
            let mut having: Vec<_> = copies.iter_mut().filter_map(Value::as_object_mut).collect();
            if having.is_empty() {
                bail!("{} has no fields to set: its body is not a JSON object", self.name);
            }
            let last = having.len() - 1;
            if having.iter().any(|copy| copy.contains_key(field)) {
                for copy in having.iter_mut().filter(|copy| copy.contains_key(field)) {
                    copy.insert(field.clone(), value.as_str().into());
                }
            } else {
                having[last].insert(field.clone(), value.as_str().into());
            }
        }
        let body = |copy: Value| match copy {
            Value::String(text) => text,
            copy => copy.to_string(),
        };
        Ok(copies.into_iter().map(body).collect())
    }

    /// Returns the state afterwards: an account, the id of one of its sessions, and fields of its last message, or null if that
    /// session does not exist.
    #[must_use]
    pub fn seen(&self, cast: &Cast) -> Vec<(String, String, Value)> {
        let seen = |(who, last_msg): (&String, &Value)| {
            let who = cast.fill(who);
            let (account, session) = who.split_once(' ').unwrap_or((&who, ""));
            (account.to_owned(), session.to_owned(), filled(last_msg, cast))
        };
        self.seen.iter().map(seen).collect()
    }
}

fn filled(value: &Value, cast: &Cast) -> Value {
    match value {
        Value::String(text) => cast.fill(text).into(),
        Value::Array(values) => values.iter().map(|value| filled(value, cast)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), filled(value, cast)));
            fields.collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;
    use crate::workspace::workspace;

    #[test]
    fn every_file_is_a_sample() {
        let files = fs::read_dir(workspace().join("infra/local/copies")).unwrap();
        let files: BTreeSet<_> = files
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let names: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, names);
        for sample in Sample::all().unwrap() {
            assert!(!sample.copies.is_empty() && !sample.about.is_empty(), "{}", sample.name);
            for body in sample.bodies(&Cast::at(1_700_000_000_000), &[]).unwrap() {
                assert!(!body.contains("{alice}") && !body.contains("{now"), "{}: {body}", sample.name);
            }
        }
    }

    #[test]
    fn names_times_and_ids_are_filled_in() {
        let mut cast = Cast::at(5_000);
        assert!(cast.set("bob", "robert") && !cast.set("dave", "x"));
        assert_eq!(cast.fill("{bob} {now} {now-1000} {now+1} {x} {"), "robert 5000 4000 5001 {x} {");
        assert_eq!(cast.fill("{id}"), cast.fill("{id1}"));
        assert_ne!(cast.fill("{id}"), cast.fill("{id2}"));
        assert_eq!(cast.fill(r#"{"id":1,"ids":["{carol}"]}"#), r#"{"id":1,"ids":["carol"]}"#);
    }

    #[test]
    fn a_field_is_set_where_it_exists_or_in_the_last_copy() {
        let set = |sample: &str, field: &str| {
            let fields = [(field.to_owned(), "X".to_owned())];
            Sample::named(sample).unwrap().bodies(&Cast::at(1), &fields).map(|bodies| {
                bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap()[field] == "X").collect()
            })
        };
        let both: Vec<bool> = set("recall", "to").unwrap();
        assert_eq!(both, [true, true]);
        assert_eq!(set("recall", "body").unwrap(), [true, false]);
        assert_eq!(set("recall", "attach").unwrap(), [false, true]);
        assert!(set("console-check", "to").is_err());
    }
}
