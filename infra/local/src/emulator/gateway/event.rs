//! The event of a request, in payload format 2.0 of HTTP APIs.

use axum::{
    body::Bytes,
    http::{HeaderMap, header, request::Parts},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::routes::Match;
use crate::emulator::clock::Clock;

pub(super) fn payload(
    parts: &Parts,
    body: &Bytes,
    found: &Match<'_>,
    claims: Option<Map<String, Value>>,
    request_id: &str,
    clock: &Clock,
) -> Value {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let query = parts.uri.query().unwrap_or_default();
    let user_agent =
        parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.route.key(),
        "rawPath": path,
        "rawQueryString": query,
        "headers": forwarded(&parts.headers),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": user_agent,
            },
            "requestId": request_id,
            "routeKey": found.route.key(),
            "stage": "$default",
            "timeEpoch": clock.now_ms(),
        },
        "isBase64Encoded": false,
    });
    if !query.is_empty() {
        event["queryStringParameters"] = Value::Object(query_parameters(query));
    }
    if !found.parameters.is_empty() {
        event["pathParameters"] = Value::Object(found.parameters.clone());
    }
    if let Some(claims) = claims {
        event["requestContext"]["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(text) if is_text(&parts.headers) => event["body"] = text.into(),
            _ => {
                event["body"] = base64_simd::STANDARD.encode_to_string(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

/// Returns the headers with lower-case names and the values of one name joined by commas. Cookies are passed separately.
pub(crate) fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let names = headers.keys().filter(|name| *name != header::COOKIE);
    let joined = |name| {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        values.join(",")
    };
    names.map(|name| (name.to_string(), joined(name).into())).collect()
}

/// Returns the headers that the gateway forwards: those of the request, and its protocol and source address.
fn forwarded(of: &HeaderMap) -> Map<String, Value> {
    let own = [("x-forwarded-proto", "http"), ("x-forwarded-for", "127.0.0.1")];
    headers(of).into_iter().chain(own.map(|(name, value)| (name.to_owned(), value.into()))).collect()
}

fn query_parameters(query: &str) -> Map<String, Value> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        match parameters.get(&name).and_then(Value::as_str) {
            Some(first) => parameters.insert(name, format!("{first},{value}").into()),
            None => parameters.insert(name, value.into()),
        };
    }
    parameters
}

/// Whether HTTP APIs pass the body as a string. Bodies of all other types are passed as base64.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("text/plain");
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&media_type.as_str())
}
