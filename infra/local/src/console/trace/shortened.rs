//! Texts that are too long to be stored whole.

/// Cuts a text to at most `max_bytes` bytes. Also returns its whole length in bytes if it was cut.
pub(super) fn shortened(text: &str, max_bytes: usize) -> (String, Option<usize>) {
    if text.len() <= max_bytes {
        return (text.to_owned(), None);
    }
    let mut end = max_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (text[..end].to_owned(), Some(text.len()))
}
