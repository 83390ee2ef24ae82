//! The log: one JSON line per invocation. It never contains an account, an ext, a message, a token or a body.

use std::{
    io::{self, Write},
    panic,
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};
use session_model::Timestamp;
use session_store::{Units, Unreadable};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::clock;

/// What the log contains about a request besides its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The outcome of a message copy that was not applied.
    pub outcome: Option<Outcome>,
    /// The reason, which names a field but never contains its value.
    pub reason: Option<String>,
    /// The server id of the message.
    pub msg_id: Option<String>,
    /// Whether the copy was a notification of an unknown kind.
    pub unknown_notice: bool,
    /// Whether bytes of the copy were not UTF-8 and became U+FFFD.
    pub invalid_utf8: bool,
}

/// The outcome of a message copy. Alarms count these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was applied. The log does not contain this outcome.
    Applied,
    /// It does not concern sessions.
    Ignored,
    /// It could not be applied, or only in part, and is stored in `DeadLetters`.
    DeadLettered,
    /// It was rejected for its signature or its length.
    Rejected,
}

/// The result of one invocation.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    pub(crate) code: u16,
    pub(crate) cause: Option<&'a str>,
    pub(crate) duration: Duration,
    pub(crate) units: Units,
    pub(crate) request_id: &'a str,
    /// Whether this is the first invocation of its process.
    pub(crate) cold_start: bool,
    /// The items that were left out.
    pub(crate) unreadable: Option<Unreadable>,
    pub(crate) note: Option<&'a Note>,
}

/// Writes the log line. Lambda's own log filter depends on `level` and `timestamp`: it files a line that lacks one of them as INFO,
/// and drops it if only warnings and errors are wanted.
impl Serialize for Invocation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nothing = Note::default();
        let note = self.note.unwrap_or(&nothing);
        let level = match (self.status, note.outcome) {
            (500.., _) | (_, Some(Outcome::DeadLettered)) | (413, Some(Outcome::Rejected)) => "ERROR",
            (400.., _) => "WARN",
            _ if self.unreadable.is_some() => "WARN",
            _ => "INFO",
        };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("timestamp", &rfc3339(clock::now()))?;
        line.serialize_entry("level", level)?;
        line.serialize_entry("operation", self.operation)?;
        line.serialize_entry("status", &self.status)?;
        line.serialize_entry("code", &self.code)?;
        line.serialize_entry("durationMs", &((self.duration.as_secs_f64() * 1e6).round() / 1e3))?;
        line.serialize_entry("readUnits", &self.units.read)?;
        line.serialize_entry("writeUnits", &self.units.write)?;
        line.serialize_entry("requestId", self.request_id)?;
        if self.cold_start {
            line.serialize_entry("coldStart", &true)?;
        }
        if let Some(unreadable) = self.unreadable {
            line.serialize_entry("unreadable", &unreadable.items)?;
            line.serialize_entry("unreadableAttribute", unreadable.attribute)?;
        }
        if let Some(cause) = note.reason.as_deref().or(self.cause) {
            line.serialize_entry("cause", cause)?;
        }
        if let Some(outcome) = note.outcome {
            line.serialize_entry("outcome", &outcome)?;
        }
        if let Some(msg_id) = &note.msg_id {
            line.serialize_entry("msgId", msg_id)?;
        }
        if note.unknown_notice {
            line.serialize_entry("unknownNotice", &true)?;
        }
        if note.invalid_utf8 {
            line.serialize_entry("invalidUtf8", &true)?;
        }
        line.end()
    }
}

fn rfc3339(time: Timestamp) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.as_millis()) * 1_000_000);
    // A time after the year 9999 has no such form.
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

impl Invocation<'_> {
    pub(crate) fn log(&self) {
        print(self);
    }
}

/// Logs why a function cannot start.
pub(crate) fn start_failed(operation: &'static str, problem: &str) {
    error(operation, &format!("cannot start: {problem}"), None);
}

/// Logs that the local clock is ahead of DynamoDB's, or behind it.
pub(crate) fn clock_skew(ahead_ms: i64) {
    print(&skew_line(ahead_ms));
}

fn skew_line(ahead_ms: i64) -> Value {
    let message = "our clock and DynamoDB's differ by more than 20 seconds";
    json!({"timestamp": rfc3339(clock::now()), "level": "ERROR", "message": message, "clockSkewMs": ahead_ms})
}

/// Makes a panic log where it happened, without its message, which may contain anything.
pub(crate) fn log_panics(operation: &'static str) {
    panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(ToString::to_string);
        error(operation, "panicked", location.as_deref());
    }));
}

fn error(operation: &'static str, message: &str, location: Option<&str>) {
    print(&error_line(operation, message, location));
}

fn error_line(operation: &'static str, message: &str, location: Option<&str>) -> Value {
    let timestamp = rfc3339(clock::now());
    json!({"timestamp": timestamp, "level": "ERROR", "operation": operation, "message": message, "location": location})
}

fn print(line: &impl Serialize) {
    const UNSERIALIZABLE: &str = r#"{"level":"ERROR","message":"a log line could not be created"}"#;
    let mut text = serde_json::to_vec(line).unwrap_or_else(|_| UNSERIALIZABLE.into());
    text.push(b'\n');
    // If the log itself cannot be written, the error cannot be reported anywhere.
    let _ = io::stdout().lock().write_all(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(status: u16) -> Invocation<'static> {
        Invocation {
            operation: "recordMessage",
            status,
            code: status,
            cause: None,
            duration: Duration::from_micros(1_500),
            units: Units { read: 1.0, write: 0.0 },
            request_id: "r-1",
            cold_start: false,
            unreadable: None,
            note: None,
        }
    }

    #[test]
    fn a_line_has_the_outcome_and_the_cost() {
        let mut line = json!(Invocation { cause: Some("throttled: T"), ..invocation(503) });
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        assert_eq!(
            line,
            json!({"level": "ERROR", "operation": "recordMessage", "status": 503, "code": 503, "durationMs": 1.5,
                   "readUnits": 1.0, "writeUnits": 0.0, "requestId": "r-1", "cause": "throttled: T"})
        );
        assert_eq!(rfc3339(Timestamp::from_millis(1_700_000_000_120)), "2023-11-14T22:13:20.12Z");
    }

    #[test]
    fn outcomes_that_need_attention_are_errors() {
        let level = |status, outcome| {
            let note = Note { outcome, reason: Some("to is missing".into()), ..Note::default() };
            json!(Invocation { note: Some(&note), ..invocation(status) })["level"].take()
        };
        assert_eq!(level(200, None), "INFO");
        assert_eq!(level(200, Some(Outcome::Ignored)), "INFO");
        assert_eq!(level(200, Some(Outcome::DeadLettered)), "ERROR");
        assert_eq!(level(403, Some(Outcome::Rejected)), "WARN");
        assert_eq!(level(413, Some(Outcome::Rejected)), "ERROR");
        assert_eq!(level(404, None), "WARN");
        let unreadable = Some(Unreadable { items: 2, attribute: "lastMsgType" });
        let line = json!(Invocation { unreadable, ..invocation(200) });
        let fields = ["level", "unreadable", "unreadableAttribute"].map(|name| line[name].clone());
        assert_eq!(fields, [json!("WARN"), json!(2), json!("lastMsgType")]);
    }

    /// Lambda's log filter needs both to find a line's level. It treats a line that lacks one of them as INFO.
    #[test]
    fn every_line_has_a_level_and_a_time() {
        for line in [json!(invocation(200)), skew_line(25_000), error_line("op", "panicked", None)] {
            assert!(["INFO", "WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{line}");
            let time = line["timestamp"].as_str().unwrap();
            assert!(OffsetDateTime::parse(time, &Rfc3339).is_ok(), "{line}");
        }
        assert_eq!(skew_line(-25_000)["clockSkewMs"], -25_000, "an alarm counts it");
    }

    #[test]
    fn the_first_invocation_of_a_process_is_marked() {
        assert_eq!(json!(Invocation { cold_start: true, ..invocation(200) })["coldStart"], true);
        assert_eq!(json!(invocation(200)).get("coldStart"), None);
    }

    #[test]
    fn a_note_has_the_outcome_of_a_copy() {
        let note = Note {
            outcome: Some(Outcome::DeadLettered),
            reason: Some("to is missing".into()),
            msg_id: Some("17".into()),
            unknown_notice: true,
            invalid_utf8: true,
        };
        let line = json!(Invocation { note: Some(&note), ..invocation(200) });
        assert_eq!((&line["outcome"], &line["cause"]), (&json!("dead-lettered"), &json!("to is missing")));
        assert_eq!((&line["msgId"], &line["unknownNotice"]), (&json!("17"), &json!(true)));
        assert_eq!(line["invalidUtf8"], true);
    }
}
