//! Requests as shell commands.

/// Quotes the text as one word of a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns a request as a curl command.
pub(crate) fn curl(method: &str, url: &str, headers: &[(&str, String)], body: Option<&str>) -> String {
    let mut words = vec!["curl -s".to_owned()];
    if method != "GET" {
        words.push(format!("-X {method}"));
    }
    words.push(quoted(url));
    words.extend(headers.iter().map(|(name, value)| format!("-H {}", quoted(&format!("{name}: {value}")))));
    words.extend(body.map(|body| format!("--data-binary {}", quoted(body))));
    words.join(" ")
}
