//! A request as a few lines of text, for a terminal.

use std::fmt::Write;

use serde_json::Value;

/// Formats the request.
pub(super) fn text(exchange: &Value) -> String {
    let word = |name: &str| match &exchange[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
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
    if let Some(dollars) = exchange["dollarsOfAMillion"].as_f64() {
        let _ = write!(text, ", ${dollars:.2} a million");
    }
    for request in exchange["requests"].as_array().into_iter().flatten() {
        let part = |name: &str| printable(request[name].as_str().unwrap_or_default());
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
    for (title, name) in [("event", "event"), ("response", "response"), ("log", "log")] {
        if !exchange[name].is_null() {
            let _ = write!(text, "\n   {title} {}", word(name));
        }
    }
    text
}

/// Escapes the control characters of a text, which could otherwise rewrite the terminal.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exchange_is_printed_in_a_few_lines() {
        let exchange = json!({
            "number": 7, "operation": "deleteMySession", "method": "DELETE", "path": "/v1/sessions/p2p%7Cbob", "user": "alice",
            "status": 200, "durationMs": 2.5, "dollarsOfAMillion": 4.03, "response": "{}", "log": null,
            "requests": [{"action": "UpdateItem", "table": "T", "key": "userId=alice", "outcome": "done", "readUnits": 0.0,
                          "writeUnits": 4.0, "dollarsOfAMillion": 2.5, "durationMs": 1.0}],
        });
        let expected = "\n#7 deleteMySession DELETE /v1/sessions/p2p%7Cbob, alice, 200, 2.5 ms, $4.03 a million\
                        \n   UpdateItem T userId=alice: done, 0.0 read and 4.0 write units, $2.50 a million, 1.0 ms\
                        \n   response {}";
        assert_eq!(text(&exchange), expected);
    }

    #[test]
    fn control_characters_are_escaped() {
        let text = text(&json!({"user": "a\u{1b}[2Jb", "path": "/ä\r", "response": "x\n"}));
        assert!(text.contains(r"a\u{1b}[2Jb") && text.contains(r"/ä\r") && text.contains(r"x\n"), "{text}");
        assert_eq!(text.trim_start().lines().count(), 2, "{text}");
    }
}
