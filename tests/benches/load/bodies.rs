//! Message copies of 1 MB that are as hard to read as possible.

use std::time::Duration;

use serde_json::{Value, json};
use session_local::{
    backend::client::{team_message, text_message},
    emulator::clock,
};

/// The maximum CPU time for one of them.
pub(crate) const MOST: Duration = Duration::from_millis(50);
const MEGABYTE: usize = 1_000_000;

pub(crate) fn of_a_megabyte() -> Vec<(&'static str, String)> {
    let now = clock::now_ms();
    let text = |body: String| text_message("alice", "bob", &body, now);
    let with = |name: &str, value: Value| {
        let mut copy = team_message("alice", "1", &[], "text", now);
        copy[name] = value;
        copy.to_string()
    };
    let notice = |attach: String| {
        let mut copy = team_message("alice", "1", &[], "text", now);
        copy["msgType"] = "NOTIFICATION".into();
        copy["attach"] = attach.into();
        copy.to_string()
    };
    let times = |part: &str, share: usize| part.repeat(MEGABYTE / share / part.len());
    let members: serde_json::Map<_, _> = (0..MEGABYTE / 12).map(|n| (format!("f{n:06}"), 1.into())).collect();
    let names: Vec<String> = (0..MEGABYTE / 12).map(|n| format!("member{n:05}")).collect();
    vec![
        ("one long string", text(times("x", 1)).to_string()),
        ("a string of quotes", text(times("\"", 2)).to_string()),
        ("a string of control characters", text(times("\u{1}", 6)).to_string()),
        ("a string of emoji", text(times("😀", 1)).to_string()),
        ("many fields", with_all(text("text".into()), members)),
        ("one field many times", format!("{{{}\"eventType\":\"1\"}}", times("\"body\":\"x\",", 1))),
        ("deep arrays", format!("{{\"eventType\":\"1\",\"body\":{}", times("[", 1))),
        ("deep objects", times("{\"a\":", 1)),
        ("one long number", format!("{{\"eventType\":\"1\",\"msgTimestamp\":{}}}", times("9", 1))),
        ("spaces", format!("{}{{}}", times(" ", 1))),
        ("a list of members", with("tMembers", format!("[{}]", names.join(", ")).into())),
        ("brackets for members", with("tMembers", times("[", 1).into())),
        ("a notice of members", notice(json!({"id": 0, "data": {"ids": names}}).to_string())),
        ("a deep notice", notice(times("{\"data\":", 2))),
        ("a notice in a notice", notice(Value::from(times("\\", 4)).to_string())),
        ("no JSON", times("\u{feff}", 1)),
    ]
}

fn with_all(mut copy: Value, members: serde_json::Map<String, Value>) -> String {
    if let Some(fields) = copy.as_object_mut() {
        fields.extend(members);
    }
    copy.to_string()
}
