//! One request: its caller and its input.

use std::{borrow::Cow, str::FromStr};

use lambda_http::http::Method;
use percent_encoding::percent_decode_str;
use session_model::{
    Account, AccountCase, GroupId, SessionId, Timestamp,
    json::{Fields, InvalidField, InvalidValue},
};

use crate::{Problem, event::GatewayEvent};

/// The settings for callers, which are known before any request.
#[derive(Clone, Debug)]
pub(crate) struct CallerSettings {
    /// The claim of the token that names the user.
    pub(crate) user_claim: String,
    /// Whether accounts are converted to lower case.
    pub(crate) account_case: AccountCase,
}

/// The media type of a JSON merge patch.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// One request to an operation: everything that can be parsed without a store.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    event: GatewayEvent<'a>,
    now: Timestamp,
    caller_settings: &'a CallerSettings,
}

impl<'a> HttpRequest<'a> {
    /// The maximum length of the body for most operations, in bytes: 256 KB.
    pub const MAX_BODY_BYTES: usize = 256 * 1024;

    pub(crate) fn new(event: GatewayEvent<'a>, now: Timestamp, caller_settings: &'a CallerSettings) -> Self {
        Self { event, now, caller_settings }
    }

    /// When the request arrived.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether accounts are converted to lower case.
    #[must_use]
    pub fn account_case(&self) -> AccountCase {
        self.caller_settings.account_case
    }

    /// The user that the claim of the verified token names. Fails closed: 401 if no authorizer has verified a token.
    pub fn caller(&self) -> Result<Account, Problem> {
        let claim = self.event.claim(&self.caller_settings.user_claim);
        let account = claim.and_then(|user| self.account_case().account(&user).ok());
        account.ok_or_else(Problem::no_identity)
    }

    /// The HTTP method, for an operation whose routes have several methods.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.event.method()
    }

    /// The session that the path names.
    pub fn session_id(&self) -> Result<SessionId, InvalidField> {
        self.path("sessionId", |text| self.account_case().session_id(text))
    }

    /// The group that the path names.
    pub fn group_id(&self) -> Result<GroupId, InvalidField> {
        self.path("groupId", |text| self.account_case().group_id(&decoded(text)?))
    }

    fn path<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<T, InvalidField> {
        read(&self.event.path_parameter(name).unwrap_or_default()).map_err(|reason| reason.of(name))
    }

    /// Reads the query parameters. Any other parameter than those that `read` asks for is rejected. Otherwise a misspelt parameter
    /// would be treated as absent.
    pub fn query<T>(
        &self,
        read: impl FnOnce(&mut Query<'_, 'a>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        let mut query = Query { event: &self.event, known: Vec::new() };
        let value = read(&mut query)?;
        query.reject_others()?;
        Ok(value)
    }

    /// Rejects all query parameters.
    pub fn no_query(&self) -> Result<(), Problem> {
        self.query(|_| Ok(()))
    }

    /// The value of a header, or `None` if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.event.header(name)
    }

    /// The body as received. A body of more than `max_bytes` is rejected.
    pub fn body(&self, max_bytes: usize) -> Result<&[u8], Problem> {
        let body = self.event.body();
        if body.len() > max_bytes { Err(Problem::too_large(max_bytes)) } else { Ok(body) }
    }

    /// The fields of the body, which must be a JSON object and have its content type.
    pub fn fields(&self) -> Result<Fields, Problem> {
        self.fields_of(&["application/json"])
    }

    /// The fields of a body that describes a change, of type `application/json` or [`is_merge_patch`](Self::is_merge_patch).
    pub fn patch(&self) -> Result<Fields, Problem> {
        self.fields_of(&["application/json", MERGE_PATCH])
    }

    /// Whether the body is of type `application/merge-patch+json` (RFC 7396), in which `null` removes.
    #[must_use]
    pub fn is_merge_patch(&self) -> bool {
        self.media_type().eq_ignore_ascii_case(MERGE_PATCH)
    }

    fn fields_of(&self, media_types: &[&str]) -> Result<Fields, Problem> {
        let body = self.body(Self::MAX_BODY_BYTES)?;
        let given = self.media_type();
        if !media_types.iter().any(|supported| given.eq_ignore_ascii_case(supported)) {
            return Err(Problem::unsupported_media_type(media_types));
        }
        Ok(Fields::parse(body)?)
    }

    fn media_type(&self) -> String {
        let content_type = self.header("content-type").unwrap_or_default();
        content_type.split(';').next().unwrap_or_default().trim().to_owned()
    }
}

/// The query of a request.
#[derive(Debug)]
pub struct Query<'r, 'a> {
    event: &'r GatewayEvent<'a>,
    /// The parameters that were asked for.
    known: Vec<&'static str>,
}

impl Query<'_, '_> {
    /// A parameter, if it is present.
    pub fn read<T: FromStr<Err = InvalidValue>>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, InvalidField> {
        self.known.push(name);
        let mut values = self.event.query(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) if value.is_empty() => Err(InvalidValue::new("must not be empty").of(name)),
            (Some(value), None) => value.parse().map(Some).map_err(|reason: InvalidValue| reason.of(name)),
            (Some(_), Some(_)) => Err(InvalidValue::new("must be given only once").of(name)),
        }
    }

    fn reject_others(&self) -> Result<(), Problem> {
        let mut unknown = self.event.query_names().filter(|name| !self.known.contains(&&**name));
        let Some(first) = unknown.next() else { return Ok(()) };
        let others: Vec<_> = unknown.collect();
        let others =
            if others.is_empty() { String::new() } else { format!(", nor is {}", others.join(", ")) };
        let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        let reason = InvalidValue::new(format!("is not known{others}; known here: {known}"));
        // The log must not contain anything that the caller wrote.
        Err(Problem::from(reason.of(first.into_owned())).because("a query parameter that is not known"))
    }
}

/// Decodes a path parameter that is not decoded yet. API Gateway decodes a path parameter once, but `cargo lambda watch` leaves it
/// encoded. Only the operations of the backend work there, and one of them has a parameter: a group's id. A group's id always
/// contains a literal `|`, so the parameter has been decoded already if and only if it contains one.
fn decoded(text: &str) -> Result<Cow<'_, str>, InvalidValue> {
    if text.contains('|') {
        return Ok(text.into());
    }
    percent_decode_str(text).decode_utf8().map_err(|_| InvalidValue::new("must be UTF-8"))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};
    use session_model::reading::{Cursor, Limit};

    use super::*;

    /// Calls `read` with a request as API Gateway sends it, with these parts of the event set, and returns the result.
    pub(crate) fn with_request<T>(parts: &Value, read: impl FnOnce(&HttpRequest<'_>) -> T) -> T {
        with_request_in(AccountCase::Keep, parts, read)
    }

    fn with_request_in<T>(
        account_case: AccountCase,
        parts: &Value,
        read: impl FnOnce(&HttpRequest<'_>) -> T,
    ) -> T {
        let mut event = json!({
            "version": "2.0", "rawQueryString": "", "headers": {"content-type": "application/json"},
            "isBase64Encoded": false, "requestContext": {"requestId": "r-1", "http": {"method": "GET"}},
        });
        for (name, value) in parts.as_object().unwrap() {
            match name.as_str() {
                "authorizer" => event["requestContext"]["authorizer"] = value.clone(),
                name => event[name] = value.clone(),
            }
        }
        let (json, caller_settings) =
            (event.to_string(), CallerSettings { user_claim: "sub".into(), account_case });
        read(&HttpRequest::new(
            GatewayEvent::parse(&json).unwrap(),
            Timestamp::from_millis(1),
            &caller_settings,
        ))
    }

    fn claims(claims: &Value) -> Value {
        json!({"authorizer": {"jwt": {"claims": claims, "scopes": null}}})
    }

    #[test]
    fn the_caller_is_the_sub_claim_and_nothing_else() {
        let caller = |parts: &Value| {
            with_request(parts, |request| request.caller().map(|account| account.to_string()))
        };
        assert_eq!(caller(&claims(&json!({"sub": "alice"}))).as_deref(), Ok("alice"));
        let lambda_authorizer = json!({"authorizer": {"lambda": {"sub": "alice"}}});
        for parts in [
            json!({}),
            claims(&json!({})),
            claims(&json!({"sub": ""})),
            claims(&json!({"sub": 7})),
            claims(&json!({"sub": "half \u{fffd}"})),
            claims(&json!({"sub": ["alice"]})),
            lambda_authorizer,
        ] {
            assert_eq!(caller(&parts), Err(Problem::no_identity()), "{parts}");
        }
    }

    #[test]
    fn the_user_and_their_sessions_follow_the_account_case() {
        let parts = json!({
            "authorizer": {"jwt": {"claims": {"sub": "Alice"}}}, "pathParameters": {"sessionId": "p2p|Bob", "groupId": "team|T"},
        });
        for (case, expected) in [
            (AccountCase::Keep, ["Alice", "p2p|Bob", "team|T"]),
            (AccountCase::Lower, ["alice", "p2p|bob", "team|t"]),
        ] {
            let read = with_request_in(case, &parts, |request| {
                [
                    request.caller().unwrap().to_string(),
                    request.session_id().unwrap().to_string(),
                    request.group_id().unwrap().to_string(),
                ]
            });
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_session_id_is_not_decoded_again() {
        for (parameter, expected) in [
            ("p2p|alice", Some("p2p|alice")),
            ("p2p|a%20b", Some("p2p|a%20b")),
            ("p2p%7Calice", None),
            ("p2p|half \u{fffd}", None),
            ("alice", None),
        ] {
            let parts = json!({"pathParameters": {"sessionId": parameter}});
            let id = with_request(&parts, |request| request.session_id().map(|id| id.to_string()));
            assert_eq!(id.as_deref().ok(), expected, "{parameter}");
            assert!(id.is_ok() || id.is_err_and(|rejection| rejection.field == "sessionId"));
        }
    }

    #[test]
    fn a_group_s_id_may_come_encoded() {
        for parameter in ["team|1", "team%7C1"] {
            let parts = json!({"pathParameters": {"groupId": parameter}});
            assert_eq!(with_request(&parts, |request| request.group_id().unwrap().to_string()), "team|1");
        }
    }

    fn limit_and_cursor(query: &mut Query<'_, '_>) -> Result<Option<Limit>, InvalidField> {
        let limit = query.read("limit")?;
        query.read::<Cursor>("cursor")?;
        Ok(limit)
    }

    #[test]
    fn an_unknown_query_parameter_is_named() {
        let check = |query: &str| {
            with_request(&json!({"rawQueryString": query}), |request| {
                request.query(limit_and_cursor).map(drop).map_err(|problem| problem.detail().to_owned())
            })
        };
        assert_eq!((check(""), check("limit=1")), (Ok(()), Ok(())));
        assert_eq!(check("limit=1&limt=2"), Err("limt is not known; known here: limit, cursor".into()));
        let both = "Limit is not known, nor is x y; known here: limit, cursor";
        assert_eq!(check("Limit=1&x+y"), Err(both.into()));
        let none =
            with_request(&json!({"rawQueryString": "secret=1"}), |request| request.no_query().unwrap_err());
        assert_eq!((none.status(), none.detail()), (400, "secret is not known; known here: none"));
        assert_eq!(none.cause(), "a query parameter that is not known");
    }

    #[test]
    fn a_repeated_query_parameter_is_rejected() {
        let limit = |query: &str| {
            with_request(&json!({"rawQueryString": query}), |request| {
                request.query(limit_and_cursor).map_err(|problem| problem.detail().to_owned())
            })
        };
        assert_eq!(limit(""), Ok(None));
        assert_eq!(limit("limit=7"), Ok(Some("7".parse().unwrap())));
        assert_eq!(limit("limit="), Err("limit must not be empty".into()));
        assert_eq!(limit("limit=7&limit=7"), Err("limit must be given only once".into()));
        assert_eq!(limit("limit=x"), Err("limit must be a whole number from 1 to 100".into()));
    }

    #[test]
    fn a_body_has_a_json_content_type_and_a_limit() {
        let status = |problem: Problem| problem.status();
        let with = |content_type: &str, body: &str, of_patch: bool| {
            let parts = json!({"headers": {"content-type": content_type}, "body": body});
            with_request(&parts, |request| {
                let fields = if of_patch { request.patch() } else { request.fields() };
                fields.map(|fields| fields.is_empty()).map_err(status)
            })
        };
        let fields = |content_type: &str, body: &str| with(content_type, body, false);
        assert_eq!(fields("application/json", "{}"), Ok(true));
        assert_eq!(fields("Application/JSON; charset=utf-8", "{}"), Ok(true));
        for content_type in ["text/plain", "", "application/merge-patch+json"] {
            assert_eq!(fields(content_type, "{}"), Err(415), "{content_type}");
        }
        assert_eq!(with("application/merge-patch+json", "{}", true), Ok(true));
        assert_eq!(with("text/plain", "{}", true), Err(415));
        assert_eq!(fields("application/json", "{"), Err(400));
        let long = format!("{{{}}}", " ".repeat(HttpRequest::MAX_BODY_BYTES));
        assert_eq!(fields("application/json", &long), Err(413));
    }
}
