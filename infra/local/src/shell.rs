//! Requests as shell commands.

/// Quotes the text as one word of a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns a request as a curl command.
pub(crate) fn curl(method: &str, url: &str, headers: &[(&str, String)], body: Option<&str>) -> String {
    let mut words = vec!["curl -s".to_owned()];
    if method != "GET" {
        // A method may contain characters that the shell would interpret.
        let is_word = method.bytes().all(|byte| byte.is_ascii_alphabetic());
        words.push(format!("-X {}", if is_word { method.to_owned() } else { quoted(method) }));
    }
    words.push(quoted(url));
    words.extend(headers.iter().map(|(name, value)| format!("-H {}", quoted(&format!("{name}: {value}")))));
    words.extend(body.map(|body| format!("--data-binary {}", quoted(body))));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_request_is_interpreted_by_the_shell() {
        let headers = [("x", "'; touch b".to_owned())];
        let command = curl("GET`touch${IFS}a`", "http://h/$(touch c)", &headers, Some("'d'"));
        let expected = [
            r"curl -s -X 'GET`touch${IFS}a`'",
            r"'http://h/$(touch c)'",
            r"-H 'x: '\''; touch b'",
            r"--data-binary ''\''d'\'''",
        ];
        assert_eq!(command, expected.join(" "));
        assert_eq!(curl("DELETE", "http://h", &[], None), "curl -s -X DELETE 'http://h'");
    }
}
