//! The event of one invocation, as API Gateway passes it to a function (payload format 2.0).
//!
//! Only the fields in use are parsed, and they borrow from the event. Nothing else in an event can make parsing fail.

use std::borrow::Cow;

use lambda_http::http::Method;
use session_model::json::{JsonObject, JsonValue};

/// The parts of an event that are used.
#[derive(Clone, Debug)]
pub(crate) struct GatewayEvent<'a> {
    method: Method,
    headers: JsonObject<'a>,
    path_parameters: JsonObject<'a>,
    query: Cow<'a, str>,
    claims: JsonObject<'a>,
    request_id: Option<Cow<'a, str>>,
    body: Cow<'a, [u8]>,
}

impl<'a> GatewayEvent<'a> {
    /// Parses an event. Returns `None` if it is not the event of an HTTP request.
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        let event = JsonValue::parse(json)?.object()?;
        let context = event.object("requestContext")?;
        let method = context.object("http")?.get("method")?.string()?;
        let authorizer = context.object("authorizer").unwrap_or_default();
        Some(Self {
            method: method.parse().ok()?,
            headers: event.object("headers").unwrap_or_default(),
            path_parameters: event.object("pathParameters").unwrap_or_default(),
            query: event.get("rawQueryString").and_then(JsonValue::string).unwrap_or_default(),
            claims: authorizer.object("jwt").and_then(|jwt| jwt.object("claims")).unwrap_or_default(),
            request_id: context.get("requestId").and_then(JsonValue::string),
            body: body(&event)?,
        })
    }

    /// The HTTP method.
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.headers.get_ignoring_case(name)?.string()
    }

    /// A path parameter.
    pub(crate) fn path_parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        self.path_parameters.get(name)?.string()
    }

    /// The decoded values of a query parameter.
    pub(crate) fn query(&self, name: &str) -> impl Iterator<Item = Cow<'_, str>> {
        let pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.filter(move |(found, _)| found == name).map(|(_, value)| value)
    }

    /// The decoded names of the query parameters.
    pub(crate) fn query_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        form_urlencoded::parse(self.query.as_bytes()).map(|(name, _)| name)
    }

    /// A claim of the token that the authorizer has verified, if the claim is a string.
    pub(crate) fn claim(&self, name: &str) -> Option<Cow<'a, str>> {
        self.claims.get(name)?.string()
    }

    /// The gateway's id of the request.
    pub(crate) fn request_id(&self) -> Option<Cow<'a, str>> {
        self.request_id.clone()
    }

    /// The body as received.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

fn body<'a>(event: &JsonObject<'a>) -> Option<Cow<'a, [u8]>> {
    let Some(body) = event.get("body") else { return Some(Cow::Borrowed(b"")) };
    let text = body.string()?;
    if event.get("isBase64Encoded").is_some_and(|value| value.json() == "true") {
        return base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok().map(Cow::Owned);
    }
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event() -> Value {
        json!({
            "version": "2.0", "rawPath": "/v1/sessions", "rawQueryString": "limit=7&x=a%20b+c&limit=8",
            "headers": {"content-type": "application/json", "MD5": "5", "odd": [1]},
            "pathParameters": {"sessionId": "p2p|alice"},
            "requestContext": {
                "http": {"method": "PATCH"}, "requestId": "r-1", "timeEpoch": 0,
                "authorizer": {"jwt": {"claims": {"sub": "alice", "level": 5, "groups": ["a"], "none": null}}},
            },
            "body": "{\"ext\": \"é\"}", "isBase64Encoded": false,
        })
    }

    fn with_event<T>(event: &Value, read: impl FnOnce(Option<&GatewayEvent<'_>>) -> T) -> T {
        read(GatewayEvent::parse(&event.to_string()).as_ref())
    }

    #[test]
    fn the_fields_in_use_are_read() {
        with_event(&event(), |event| {
            let event = event.unwrap();
            assert_eq!((event.method(), event.request_id().as_deref()), (&Method::PATCH, Some("r-1")));
            assert_eq!(event.header("Content-Type").as_deref(), Some("application/json"));
            assert_eq!(event.header("md5").as_deref(), Some("5"));
            assert_eq!(event.path_parameter("sessionId").as_deref(), Some("p2p|alice"));
            assert_eq!(event.query("limit").collect::<Vec<_>>(), ["7", "8"]);
            assert_eq!(event.query("x").collect::<Vec<_>>(), ["a b c"]);
            assert_eq!(event.query("y").count(), 0);
            assert_eq!(event.claim("sub").as_deref(), Some("alice"));
            assert_eq!(event.body(), "{\"ext\": \"é\"}".as_bytes());
        });
    }

    #[test]
    fn claims_of_any_other_type_are_harmless_and_name_no_user() {
        with_event(&event(), |event| {
            for claim in ["level", "groups", "none", "absent"] {
                assert_eq!(event.unwrap().claim(claim), None, "{claim}");
            }
        });
    }

    #[test]
    fn unused_fields_may_hold_anything() {
        let mut odd = event();
        odd["headers"]["host"] = "no host at all: \u{1}".into();
        odd["rawPath"] = json!({"a": 1});
        odd["rawQueryString"] = "a b&limit=%ff&%".into();
        odd["requestContext"]["timeEpoch"] = "late".into();
        odd["requestContext"]["http"]["sourceIp"] = json!([]);
        odd["stageVariables"] = json!(7);
        with_event(&odd, |event| {
            assert_eq!(event.unwrap().query("limit").collect::<Vec<_>>(), ["\u{fffd}"]);
        });
        for absent in ["headers", "pathParameters", "rawQueryString", "body", "isBase64Encoded", "version"] {
            let mut event = event();
            event.as_object_mut().unwrap().remove(absent);
            with_event(&event, |event| assert!(event.is_some(), "{absent}"));
        }
    }

    #[test]
    fn a_body_may_be_base64() {
        let mut encoded = event();
        encoded["isBase64Encoded"] = true.into();
        encoded["body"] = "/wD+".into();
        with_event(&encoded, |event| assert_eq!(event.unwrap().body(), [0xFF, 0, 0xFE]));
        encoded["body"] = "not base64".into();
        with_event(&encoded, |event| assert!(event.is_none()));
    }

    #[test]
    fn an_event_that_is_not_an_http_request_is_rejected() {
        for event in [
            json!({}),
            json!([]),
            json!({"requestContext": {}}),
            json!({"requestContext": {"http": {"method": ""}}}),
        ] {
            with_event(&event, |event| assert!(event.is_none()));
        }
    }
}
