//! `cargo local --trace`: each call on the terminal.

use std::{fmt::Write, sync::Arc, time::Duration};

use serde_json::Value;
use session_local::{Answered, trace::Tracer};
use tokio::{sync::broadcast::Receiver, sync::broadcast::error::RecvError, time::sleep};

/// A function's line in the log comes a moment after its answer.
const LINE_WITHIN: Duration = Duration::from_millis(500);

/// Prints each call with its event, its answer, its log line and its requests to DynamoDB.
pub(crate) async fn print(tracer: Arc<Tracer>, mut calls: Receiver<Answered>) {
    loop {
        match calls.recv().await {
            Ok(Answered { number: Some(number), in_background: false }) => {
                tokio::spawn(print_call(Arc::clone(&tracer), number));
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                eprintln!("… {missed} calls are not printed: there were too many at once");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn print_call(tracer: Arc<Tracer>, number: u64) {
    const STEP: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        let Some(call) = tracer.call(number) else { return };
        if call.is_complete() || waited >= LINE_WITHIN {
            eprintln!("{}", text(&tracer.shown(&call)));
            return;
        }
        sleep(STEP).await;
        waited += STEP;
    }
}

/// The call in a few lines.
fn text(call: &Value) -> String {
    let word = |name: &str| match &call[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut text = format!(
        "\n#{} {} {} {}, {}, {}, {} ms",
        word("number"),
        word("operation"),
        word("method"),
        word("path"),
        word("user"),
        word("status"),
        word("durationMs")
    );
    if let Some(dollars) = call["dollarsOfAMillion"].as_f64() {
        let _ = write!(text, ", ${dollars:.2} a million");
    }
    for request in call["requests"].as_array().into_iter().flatten() {
        let part = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let _ = write!(
            text,
            "\n   {} {} {}: {}, {} read and {} write units, ${:.2} a million, {} ms",
            part("action"),
            part("table"),
            part("key"),
            part("outcome"),
            request["readUnits"],
            request["writeUnits"],
            request["dollarsOfAMillion"].as_f64().unwrap_or_default(),
            request["durationMs"]
        );
    }
    for (title, name) in [("event", "event"), ("answer", "answer"), ("log", "log")] {
        if !call[name].is_null() {
            let _ = write!(text, "\n   {title} {}", word(name));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_told_in_a_few_lines() {
        let call = json!({
            "number": 7, "operation": "deleteMySession", "method": "DELETE", "path": "/v1/sessions/p2p%7Cbob", "user": "alice",
            "status": 200, "durationMs": 2.5, "dollarsOfAMillion": 4.03, "answer": "{}", "log": null,
            "requests": [{"action": "UpdateItem", "table": "T", "key": "userId=alice", "outcome": "done", "readUnits": 0.0,
                          "writeUnits": 4.0, "dollarsOfAMillion": 2.5, "durationMs": 1.0}],
        });
        let expected = "\n#7 deleteMySession DELETE /v1/sessions/p2p%7Cbob, alice, 200, 2.5 ms, $4.03 a million\
                        \n   UpdateItem T userId=alice: done, 0.0 read and 4.0 write units, $2.50 a million, 1.0 ms\
                        \n   answer {}";
        assert_eq!(text(&call), expected);
    }
}
