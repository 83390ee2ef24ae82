//! The log: one JSON line per invocation. Never an account, an ext, a message, a token or a body.

use std::{
    io::{self, Write},
    panic,
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;
use session_store::Units;

/// What came of one invocation.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    pub(crate) code: u16,
    pub(crate) cause: Option<&'a str>,
    pub(crate) duration: Duration,
    pub(crate) units: Units,
    pub(crate) request_id: &'a str,
}

/// The line. `level` is what Lambda's own log filter goes by.
impl Serialize for Invocation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let level = match self.status {
            500.. => "ERROR",
            400.. => "WARN",
            _ => "INFO",
        };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("level", level)?;
        line.serialize_entry("operation", self.operation)?;
        line.serialize_entry("status", &self.status)?;
        line.serialize_entry("code", &self.code)?;
        line.serialize_entry("durationMs", &(self.duration.as_secs_f64() * 1_000.0))?;
        line.serialize_entry("readUnits", &self.units.read)?;
        line.serialize_entry("writeUnits", &self.units.write)?;
        line.serialize_entry("requestId", self.request_id)?;
        if let Some(cause) = self.cause {
            line.serialize_entry("cause", cause)?;
        }
        line.end()
    }
}

impl Invocation<'_> {
    pub(crate) fn log(&self) {
        print(self);
    }
}

/// Logs why a function cannot start.
pub(crate) fn start_failed(operation: &'static str, problem: &str) {
    print(&json!({"level": "ERROR", "operation": operation, "message": format!("cannot start: {problem}")}));
}

/// Lets a panic log where it happened, without its message, which may hold anything.
pub(crate) fn log_panics(operation: &'static str) {
    panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(ToString::to_string);
        print(
            &json!({"level": "ERROR", "operation": operation, "message": "panicked", "location": location}),
        );
    }));
}

fn print(line: &impl Serialize) {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    // Nobody is left to tell when the log itself is gone.
    let _ = io::stdout().lock().write_all(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_happened_at_which_cost() {
        let invocation = Invocation {
            operation: "queryMySession",
            status: 503,
            code: 503,
            cause: Some("throttled: T"),
            duration: Duration::from_micros(1_500),
            units: Units { read: 1.0, write: 0.0 },
            request_id: "r-1",
        };
        assert_eq!(
            json!(invocation),
            json!({"level": "ERROR", "operation": "queryMySession", "status": 503, "code": 503, "durationMs": 1.5,
                   "readUnits": 1.0, "writeUnits": 0.0, "requestId": "r-1", "cause": "throttled: T"})
        );
        assert_eq!(json!(Invocation { status: 404, ..invocation })["level"], "WARN");
    }
}
