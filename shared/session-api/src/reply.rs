//! Replies, and how they are encoded as responses.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    sync::LazyLock,
};

use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{Note, Problem};

/// The length in bytes from which a page is worth compressing.
const MIN_GZIP_BYTES: usize = 1_000;
/// The length in bytes above which a body is sent to the Runtime API as base64, which the gateway decodes. As JSON text, every
/// quote in the body would be escaped. For a page of 100 sessions, that took a third of all instructions. Escaping may also double
/// the length, whereas base64 always adds a third (a response is limited to 6 MB).
const MAX_ESCAPED_BYTES: usize = 8_000;

/// The reply to a request that succeeded: 200 and a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    json: String,
    compressible: bool,
    retry_after: Option<u64>,
    note: Option<Box<Note>>,
}

impl Reply {
    /// Creates a reply with the value as JSON. Fails if the value has no JSON form, which no response of ours lacks.
    pub fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let json = serde_json::to_string(value).map_err(|_| Problem::unserializable())?;
        Ok(Self { json, compressible: false, retry_after: None, note: None })
    }

    /// Allows compression with gzip if the client accepts it (HTTP APIs of API Gateway do not compress).
    #[must_use]
    pub fn compressible(self) -> Self {
        Self { compressible: true, ..self }
    }

    /// Asks the caller to repeat the request after this many seconds.
    #[must_use]
    pub fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Adds a note for the log.
    #[must_use]
    pub fn with_note(self, note: Note) -> Self {
        Self { note: Some(Box::new(note)), ..self }
    }

    pub(crate) fn note(&self) -> Option<&Note> {
        self.note.as_deref()
    }

    /// The JSON text.
    #[cfg(test)]
    fn text(&self) -> &str {
        &self.json
    }

    /// The response to a client that accepts these encodings (`Accept-Encoding`).
    pub(crate) fn into_response(self, accept_encoding: &str) -> Response {
        let mut head = ResponseHead::new(200, "application/json");
        if let Some(seconds) = self.retry_after {
            head = head.with_header("retry-after", seconds.to_string());
        }
        if self.compressible {
            head = head.with_header("vary", "accept-encoding");
            if self.json.len() >= MIN_GZIP_BYTES
                && accepts_gzip(accept_encoding)
                && let Ok(gzipped) = gzip(self.json.as_bytes())
            {
                return head.with_header("content-encoding", "gzip").with_bytes(&gzipped);
            }
        }
        if self.json.len() > MAX_ESCAPED_BYTES {
            head.with_bytes(self.json.as_bytes())
        } else {
            head.with_text(&self.json)
        }
    }
}

impl Problem {
    pub(crate) fn into_response(self, request_id: &str) -> Response {
        let mut head = ResponseHead::new(self.status(), "application/problem+json");
        if let Some((name, value)) = self.header() {
            head = head.with_header(name, value);
        }
        head.with_text(&self.document(request_id).to_string())
    }
}

/// A response in the form that the gateway accepts (payload format 2.0), as JSON. `lambda_http` would choose between text and
/// base64 by the content type, search a long base64 text for characters to escape, and copy it once more.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Response(Box<RawValue>);

/// A response without its body, if the body is appended later.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseHead<'a> {
    status_code: u16,
    headers: BTreeMap<&'static str, Cow<'static, str>>,
    is_base64_encoded: bool,
    /// Always empty, but `cargo lambda`'s gateway rejects a response without this field.
    cookies: [&'static str; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

impl<'a> ResponseHead<'a> {
    fn new(status_code: u16, content_type: &'static str) -> Self {
        let headers = BTreeMap::from([
            ("content-type", content_type.into()),
            // A user's list is private, and may be outdated a moment later.
            ("cache-control", "no-store".into()),
            ("x-content-type-options", "nosniff".into()),
        ]);
        Self { status_code, headers, is_base64_encoded: false, cookies: [], body: None }
    }

    fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// Writes the response in one step, and does not search it again.
    fn with_text(self, text: &'a str) -> Response {
        // Every field has a JSON form.
        Response(to_raw_value(&Self { body: Some(text), ..self }).unwrap_or_default())
    }

    fn with_bytes(mut self, bytes: &[u8]) -> Response {
        const BODY: &str = ",\"body\":\"";
        self.is_base64_encoded = true;
        // This is an object, which is closed after the body. Base64 in quotes is valid JSON.
        let head = serde_json::to_string(&self).unwrap_or_default();
        let mut json = String::with_capacity(head.len() + BODY.len() + bytes.len().div_ceil(3) * 4 + 2);
        json.push_str(head.strip_suffix('}').unwrap_or_default());
        json.push_str(BODY);
        base64_simd::STANDARD.encode_append(bytes, &mut json);
        json.push_str("\"}");
        Response(RawValue::from_string(json).unwrap_or_default())
    }
}

/// Whether `Accept-Encoding` lists gzip or `*` with a weight above 0 and not below that of the unencoded form (RFC 9110, 12.5.3).
/// The gateway joins repeated headers into one.
fn accepts_gzip(codings: &str) -> bool {
    let weight = |wanted: &str| -> Option<f32> {
        codings.split(',').find_map(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next().filter(|name| name.eq_ignore_ascii_case(wanted))?;
            let mut parameters = parts.filter_map(|part| part.split_once('='));
            let q = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
            Some(q.map_or(1.0, |(_, q)| q.trim().parse().unwrap_or(0.0)))
        })
    };
    let gzip = weight("gzip").or_else(|| weight("*")).unwrap_or(0.0);
    gzip > 0.0 && gzip >= weight("identity").unwrap_or(0.0)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::fast());
    encoder.write_all(bytes)?;
    let mut gzipped = encoder.finish()?;
    pad(&mut gzipped);
    Ok(gzipped)
}

/// Adds 0 to 31 bytes to a gzip file. Whoever can see the length of a user's responses, and write to that user, could otherwise learn
/// from one response whether a text is repeated in it. The number is a function of the content under a key of the process, so that
/// fetching the same content again shows the same length.
fn pad(gzipped: &mut Vec<u8>) {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    // RFC 1952: a header of 10 bytes, whose fourth one has flags; then, with this flag, a comment that ends with a zero.
    const HEADER_BYTES: usize = 10;
    const FLAGS: usize = 3;
    const HAS_COMMENT: u8 = 1 << 4;
    let crc_and_length = gzipped.len().saturating_sub(8);
    let padding = KEY.hash_one(&gzipped[crc_and_length..]) % 32;
    if padding > 0 {
        gzipped[FLAGS] |= HAS_COMMENT;
        let comment = (1..padding).map(|_| b' ').chain([0]);
        gzipped.splice(HEADER_BYTES..HEADER_BYTES, comment);
    }
}

/// The empty JSON object, for operations that have nothing to return.
impl Default for Reply {
    fn default() -> Self {
        Self { json: "{}".to_owned(), compressible: false, retry_after: None, note: None }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Read};

    use flate2::read::GzDecoder;
    use serde_json::{Value, json};

    use super::*;

    fn responded(reply: &Reply, accept_encoding: &str) -> Value {
        serde_json::to_value(reply.clone().into_response(accept_encoding)).unwrap()
    }

    #[test]
    fn gzip_follows_accept_encoding() {
        for accepted in [
            "gzip",
            "br, gzip",
            "GZIP;q=0.5",
            "*",
            "gzip;q=1.0, identity; q=0.5",
            "gzip;Q=0.5",
            "gzip, identity",
        ] {
            assert!(accepts_gzip(accepted), "{accepted}");
        }
        let rejected_by_weight = ["gzip;q=0", "gzip;Q=0", "gzip;q=0, *", "*;q=0", "gzip;q=0.1, identity;q=1"];
        for rejected in ["", "br", "identity", "gzipped"].into_iter().chain(rejected_by_weight) {
            assert!(!accepts_gzip(rejected), "{rejected}");
        }
    }

    #[test]
    fn a_compressed_page_has_the_same_content() {
        let page = Reply::json(&vec!["text"; 1_000]).unwrap().compressible();
        let response = responded(&page, "gzip");
        assert_eq!(response["headers"]["content-encoding"], "gzip");
        assert_eq!(response["headers"]["vary"], "accept-encoding");
        let body = base64_simd::STANDARD.decode_to_vec(response["body"].as_str().unwrap()).unwrap();
        let mut text = String::new();
        GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
        assert_eq!(text, page.text());
        assert_eq!(responded(&page, "br")["headers"].get("content-encoding"), None);
    }

    #[test]
    fn a_compressed_page_is_padded_by_its_content() {
        let mut lengths = BTreeSet::new();
        for number in 1_000..2_000 {
            let text = format!("{number}");
            let gzipped = gzip(text.as_bytes()).unwrap();
            assert_eq!(gzip(text.as_bytes()).unwrap(), gzipped, "the same each time");
            let mut plain = String::new();
            GzDecoder::new(&*gzipped).read_to_string(&mut plain).unwrap();
            assert_eq!(plain, text);
            lengths.insert(gzipped.len());
        }
        let (least, most) = (lengths.first().unwrap(), lengths.last().unwrap());
        assert_eq!((lengths.len(), most - least), (32, 31), "{lengths:?}");
    }

    #[test]
    fn a_long_body_is_sent_as_base64() {
        let long = "\"".repeat(4_000);
        let sent = |text: &str| responded(&Reply::json(&text).unwrap(), "");
        let (headers, body) = (
            json!({"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"}),
            base64_simd::STANDARD.encode_to_string(serde_json::to_string(&long).unwrap()),
        );
        assert_eq!(
            sent(&long),
            json!({"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": true, "cookies": []})
        );
        assert_eq!(
            sent("short"),
            json!({"statusCode": 200, "headers": headers, "body": "\"short\"", "isBase64Encoded": false, "cookies": []})
        );
    }
}
