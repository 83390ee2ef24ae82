//! The input of a replay: lines of a file, or items of the dead-letter table.

use std::io::Read;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// A line to post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line's number, from 1, or the number of the dead letter.
    pub number: u64,
    /// The number of bytes of the input up to and including this line.
    pub read_bytes: u64,
    /// The line's content.
    pub(super) what: What,
}

/// The content of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A message copy, byte for byte.
    Copy(Vec<u8>),
    /// A change of a group's members, or its complete member list.
    Members { method: Method, group_id: String, body: Vec<u8> },
    /// Something that is not posted.
    Nothing(Vec<u8>),
}

impl Line {
    /// The line as read, with invalid UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let (What::Copy(bytes) | What::Members { body: bytes, .. } | What::Nothing(bytes)) = &self.what;
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// The fields that distinguish the kinds of lines. All other fields are left to the service.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "eventType", borrow)]
    event_type: Option<&'a RawValue>,
    #[serde(rename = "groupId")]
    group_id: Option<String>,
    #[serde(borrow)]
    members: Option<&'a RawValue>,
    #[serde(borrow)]
    add: Option<&'a RawValue>,
    #[serde(borrow)]
    remove: Option<&'a RawValue>,
    reason: Option<String>,
    copy: Option<String>,
}

/// Classifies a line. A line of the file of rejected lines contains the line that was rejected.
fn read(line: &[u8]) -> What {
    let shape = serde_json::from_slice::<Shape<'_>>(line);
    match shape {
        Ok(Shape { reason: Some(_), copy: Some(copy), event_type: None, .. }) => read(copy.trim().as_bytes()),
        Ok(Shape { group_id: Some(group_id), event_type: None, members, add, remove, .. })
            if members.is_some() || add.is_some() || remove.is_some() =>
        {
            let method = if members.is_some() { Method::PUT } else { Method::PATCH };
            What::Members { method, group_id, body: line.to_vec() }
        }
        // Input that is not valid JSON may still be a message copy. The service decides.
        _ if line.starts_with(b"{") && line.ends_with(b"}") => What::Copy(line.to_vec()),
        _ => What::Nothing(line.to_vec()),
    }
}

/// Reads an input: JSON objects, one per line, or the output of `aws dynamodb scan` on the dead-letter table. Empty lines are
/// counted and skipped.
pub async fn lines(mut input: impl AsyncBufRead + Unpin) -> Result<impl Stream<Item = Result<Line>>> {
    let mut first = Vec::new();
    input.read_until(b'\n', &mut first).await.context("cannot read")?;
    let begins = without_mark(&first).trim_ascii();
    if begins == b"{" || begins.starts_with(b"{\"Items\"") {
        let mut whole = first;
        input.read_to_end(&mut whole).await.context("cannot read")?;
        let items: Vec<Result<Line>> = dead_letters(&whole)?.into_iter().map(Ok).collect();
        return Ok(stream::iter(items).left_stream());
    }
    let state = (input, Some(first), 0, 0);
    let all = stream::unfold(state, async |(mut input, first, number, read_bytes)| {
        let mut line = first.unwrap_or_default();
        let read_now =
            if line.is_empty() { input.read_until(b'\n', &mut line).await } else { Ok(line.len()) };
        let number: u64 = number + 1;
        match read_now {
            Ok(0) => None,
            Ok(_) => {
                let read_bytes: u64 = read_bytes + line.len() as u64;
                let what = if number == 1 { without_mark(&line) } else { &line[..] }.trim_ascii();
                let read = (!what.is_empty()).then(|| Ok(Line { number, read_bytes, what: read(what) }));
                Some((read, (input, None, number, read_bytes)))
            }
            Err(error) => {
                Some((Some(Err(unreadable(number, &error.to_string()))), (input, None, number, read_bytes)))
            }
        }
    });
    Ok(all.filter_map(std::future::ready).right_stream())
}

/// The text without the byte order mark that some editors write in front of it.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

#[derive(Deserialize)]
struct Scan {
    #[serde(rename = "Items")]
    items: Vec<DeadLetter>,
}

#[derive(Deserialize)]
struct DeadLetter {
    body: Binary,
}

#[derive(Deserialize)]
struct Binary {
    #[serde(rename = "B")]
    base64: String,
}

fn dead_letters(document: &[u8]) -> Result<Vec<Line>> {
    let scan: Scan = serde_json::from_slice(without_mark(document)).context(
        "this is neither lines of JSON nor what aws dynamodb scan prints of the table of dead letters, whole",
    )?;
    let line = |(number, item): (u64, DeadLetter)| {
        let gzipped = base64_simd::STANDARD.decode_to_vec(item.body.base64);
        let gzipped = gzipped.map_err(|_| unreadable(number, "body is not base64"))?;
        let mut body = Vec::new();
        GzDecoder::new(&*gzipped)
            .read_to_end(&mut body)
            .map_err(|_| unreadable(number, "body is not gzipped"))?;
        Ok(Line { number, read_bytes: document.len() as u64, what: What::Copy(body) })
    };
    (1..).zip(scan.items).map(line).collect()
}

/// The error for a line that cannot be replayed.
pub(super) fn unreadable(number: u64, reason: &str) -> anyhow::Error {
    anyhow::anyhow!("line {number}: {reason}")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use futures_util::TryStreamExt;
    use serde_json::json;

    use super::*;

    async fn read_all(text: &str) -> Result<Vec<Line>> {
        lines(text.as_bytes()).await?.try_collect().await
    }

    fn copy(text: &str) -> What {
        What::Copy(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn each_line_is_a_copy_or_a_membership_change() {
        let text = concat!(
            "{\"eventType\":\"1\",\"groupId\":\"x\",\"add\":[]}\n",
            "\n",
            "{\"groupId\":\"team|7\",\"time\":1,\"add\":[\"a\"]}\r\n",
            "{\"groupId\":\"team|7\",\"time\":1,\"members\":[]}\n",
            "{\"eventType\":\"1\",\"x\":\"\\ud83d\"}\n",
            "no object\n",
            "{\"line\":9,\"reason\":\"x\",\"copy\":\"{\\\"eventType\\\":\\\"7\\\"}\"}",
        );
        let lines = read_all(text).await.unwrap();
        let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6, 7]);
        assert_eq!(lines[5].read_bytes, text.len() as u64);
        let members =
            |method, body: &str| What::Members { method, group_id: "team|7".into(), body: body.into() };
        let whats: Vec<_> = lines.into_iter().map(|line| line.what).collect();
        assert_eq!(whats[0], copy("{\"eventType\":\"1\",\"groupId\":\"x\",\"add\":[]}"));
        assert_eq!(whats[1], members(Method::PATCH, "{\"groupId\":\"team|7\",\"time\":1,\"add\":[\"a\"]}"));
        assert_eq!(whats[2], members(Method::PUT, "{\"groupId\":\"team|7\",\"time\":1,\"members\":[]}"));
        assert_eq!(whats[3], copy("{\"eventType\":\"1\",\"x\":\"\\ud83d\"}"));
        assert_eq!(whats[4], What::Nothing(b"no object".to_vec()));
        assert_eq!(whats[5], copy("{\"eventType\":\"7\"}"));
        assert_eq!(read_all("").await.unwrap(), []);
        let marked = read_all("\u{feff}{\"eventType\":\"1\"}\n").await.unwrap();
        assert_eq!(marked[0].what, copy("{\"eventType\":\"1\"}"), "an editor writes a byte order mark");
    }

    #[tokio::test]
    async fn dead_letters_are_read_as_scan_prints_them() {
        let mut zip = GzEncoder::new(Vec::new(), Compression::default());
        zip.write_all(b"{\"eventType\":\"1\"}").unwrap();
        let body = base64_simd::STANDARD.encode_to_string(zip.finish().unwrap());
        let item = json!({"copyId": {"S": "x"}, "body": {"B": body}, "reason": {"S": "to is missing"}});
        let scan = json!({"Items": [item, item], "Count": 2, "ScannedCount": 2, "ConsumedCapacity": null});
        for text in [serde_json::to_string_pretty(&scan).unwrap(), scan.to_string()] {
            // Compact output is recognised only if it begins with the items.
            let text = text.replacen("{\"ConsumedCapacity\":null,\"Count\":2,", "{", 1);
            let lines = read_all(&text).await.unwrap();
            let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
            assert_eq!(numbers, [1, 2]);
            assert_eq!(lines[1].what, copy("{\"eventType\":\"1\"}"));
        }
        let rejected = read_all("{\n  \"Count\": 0\n}").await.unwrap_err();
        assert!(rejected.to_string().contains("aws dynamodb scan"), "{rejected}");
        assert!(read_all("{\"Items\": [{\"body\": {\"B\": \"x\"}}]}").await.is_err());
    }
}
