//! The log: one JSON line per invocation. Never an account, an ext, a message, a token or a body.

use std::{
    io::{self, Write},
    panic,
    time::Duration,
};

use serde_json::{Value, json};
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

impl Invocation<'_> {
    /// The line. `level` is what Lambda's own log filter goes by.
    fn line(&self) -> Value {
        let level = match self.status {
            500.. => "ERROR",
            400.. => "WARN",
            _ => "INFO",
        };
        let mut line = json!({
            "level": level,
            "operation": self.operation,
            "status": self.status,
            "code": self.code,
            "durationMs": self.duration.as_secs_f64() * 1_000.0,
            "readUnits": self.units.read,
            "writeUnits": self.units.write,
            "requestId": self.request_id,
        });
        if let Some(cause) = self.cause {
            line["cause"] = cause.into();
        }
        line
    }

    pub(crate) fn log(&self) {
        print(&self.line());
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

fn print(line: &Value) {
    // Nobody is left to tell when the log itself is gone.
    let _ = writeln!(io::stdout().lock(), "{line}");
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
            invocation.line(),
            json!({"level": "ERROR", "operation": "queryMySession", "status": 503, "code": 503, "durationMs": 1.5,
                   "readUnits": 1.0, "writeUnits": 0.0, "requestId": "r-1", "cause": "throttled: T"})
        );
        assert_eq!(Invocation { status: 404, ..invocation }.line()["level"], "WARN");
    }
}
