//! One call: who calls, with what.

use std::{borrow::Cow, str::FromStr, sync::Arc};

use lambda_http::{
    Request, RequestExt,
    http::{HeaderMap, Method, header},
    request::RequestContext,
};
use percent_encoding::percent_decode_str;
use session_model::{Account, Fields, GroupId, InvalidField, InvalidValue, SessionId, Timestamp};
use session_store::Store;

use crate::Problem;

/// One call of an operation.
#[derive(Debug)]
pub struct Call {
    request: Request,
    store: Store,
    now: Timestamp,
    user_claim: Arc<str>,
}

impl Call {
    /// The longest body of most operations, in bytes: 64 KB.
    pub const MAX_BODY_BYTES: usize = 64 * 1024;

    pub(crate) fn new(request: Request, store: Store, now: Timestamp, user_claim: Arc<str>) -> Self {
        Self { request, store, now, user_claim }
    }

    /// The store, counting the units of this call.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// When the call arrived.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The user whom the verified token's claim names. Fails closed: 401 when no authorizer has been there.
    pub fn caller(&self) -> Result<Account, Problem> {
        let claims = match self.request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref())
            }
            _ => None,
        };
        let claim = claims.and_then(|jwt| jwt.claims.get(&*self.user_claim));
        claim.and_then(|user| user.parse().ok()).ok_or_else(Problem::no_identity)
    }

    /// The method, for an operation with routes of several.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.request.method()
    }

    /// The session that the path names.
    pub fn session_id(&self) -> Result<SessionId, InvalidField> {
        self.path("sessionId")
    }

    /// The group that the path names.
    pub fn group_id(&self) -> Result<GroupId, InvalidField> {
        self.path("groupId")
    }

    fn path<T: FromStr<Err = InvalidValue>>(&self, name: &'static str) -> Result<T, InvalidField> {
        let parameters = self.request.path_parameters_ref();
        let text = parameters.and_then(|parameters| parameters.first(name)).unwrap_or_default();
        decoded_once(text).and_then(|text| text.parse()).map_err(|reason| reason.of(name))
    }

    /// A query parameter, if it is given.
    pub fn query<T: FromStr<Err = InvalidValue>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, InvalidField> {
        let values = self.request.query_string_parameters_ref().and_then(|parameters| parameters.all(name));
        match values.as_deref() {
            None | Some([]) => Ok(None),
            Some([""]) => Err(InvalidValue::new("must not be empty").of(name)),
            Some([value]) => value.parse().map(Some).map_err(|reason: InvalidValue| reason.of(name)),
            Some(_) => Err(InvalidValue::new("must be given only once").of(name)),
        }
    }

    /// A header's text; none when it is absent or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as it came.
    pub fn body(&self, max_bytes: usize) -> Result<&[u8], Problem> {
        let body: &[u8] = self.request.body().as_ref();
        if body.len() > max_bytes { Err(Problem::too_large(max_bytes)) } else { Ok(body) }
    }

    /// The fields of the body, which must be a JSON object and say so.
    pub fn fields(&self, max_bytes: usize) -> Result<Fields, Problem> {
        let body = self.body(max_bytes)?;
        let content_type = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(InvalidValue::new("must be application/json").of("Content-Type").into());
        }
        Ok(Fields::parse(body)?)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The id of the call: the gateway's where it came through one, which the client has as `apigw-requestid`.
    pub(crate) fn request_id(&self) -> Cow<'_, str> {
        let gateway = match self.request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.as_deref(),
            _ => None,
        };
        let lambda = || self.request.lambda_context_ref().map(|context| context.request_id.as_str());
        gateway.or_else(lambda).unwrap_or_default().into()
    }
}

/// API Gateway decodes a path parameter, `cargo lambda watch` leaves it encoded. A session id always holds a literal
/// `|`, so it has been decoded already iff there is one.
fn decoded_once(text: &str) -> Result<Cow<'_, str>, InvalidValue> {
    if text.contains('|') {
        return Ok(text.into());
    }
    percent_decode_str(text).decode_utf8().map_err(|_| InvalidValue::new("must be UTF-8"))
}

#[cfg(test)]
pub(crate) mod tests {
    use lambda_http::request::LambdaRequest;
    use serde_json::{Value, json};
    use session_model::Limit;
    use session_store::Settings;

    use super::*;

    /// A call as API Gateway makes it, with these parts of the event set.
    pub(crate) async fn call(parts: Value) -> Call {
        let mut event = json!({
            "version": "2.0", "routeKey": "GET /v1/sessions", "rawPath": "/v1/sessions", "rawQueryString": "",
            "headers": {"content-type": "application/json"}, "isBase64Encoded": false,
            "requestContext": {
                "accountId": "123456789012", "apiId": "api", "stage": "$default", "requestId": "r-1", "timeEpoch": 0,
                "http": {"method": "GET", "path": "/v1/sessions", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                         "userAgent": "test"},
            },
        });
        for (name, value) in parts.as_object().unwrap() {
            match name.as_str() {
                "authorizer" => event["requestContext"]["authorizer"] = value.clone(),
                name => event[name] = value.clone(),
            }
        }
        let request = serde_json::from_value::<LambdaRequest>(event).unwrap().into();
        let store = Store::connect(Settings::default()).unwrap();
        Call::new(request, store, Timestamp::from_millis(1), "sub".into())
    }

    fn claims(claims: &Value) -> Value {
        json!({"authorizer": {"jwt": {"claims": claims, "scopes": null}}})
    }

    #[tokio::test]
    async fn the_caller_is_the_sub_claim_and_nothing_else() {
        assert_eq!(call(claims(&json!({"sub": "alice"}))).await.caller().unwrap().as_str(), "alice");
        let lambda_authorizer = json!({"authorizer": {"lambda": {"sub": "alice"}}});
        for parts in [json!({}), claims(&json!({})), claims(&json!({"sub": ""})), lambda_authorizer] {
            assert_eq!(call(parts.clone()).await.caller(), Err(Problem::no_identity()), "{parts}");
        }
    }

    #[tokio::test]
    async fn a_session_id_is_decoded_exactly_once() {
        for (parameter, expected) in [
            ("p2p|alice", Some("p2p|alice")),
            ("p2p%7Calice", Some("p2p|alice")),
            ("p2p|a%20b", Some("p2p|a%20b")),
            ("p2p%7Ca%2520b", Some("p2p|a%20b")),
            ("p2p%7C%ff", None),
            ("alice", None),
        ] {
            let id = call(json!({"pathParameters": {"sessionId": parameter}})).await.session_id();
            assert_eq!(id.as_ref().map(SessionId::as_str).ok(), expected, "{parameter}");
            assert!(id.is_ok() || id.is_err_and(|refusal| refusal.field == "sessionId"));
        }
    }

    #[tokio::test]
    async fn a_query_parameter_is_given_once_and_holds_something() {
        let limit = async |query: &str| {
            let limit = call(json!({"rawQueryString": query})).await.query::<Limit>("limit");
            limit.map(|limit| limit.map(Limit::get)).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(limit("").await, Ok(None));
        assert_eq!(limit("limit=7").await, Ok(Some(7)));
        assert_eq!(limit("limit=").await, Err("limit must not be empty".into()));
        assert_eq!(limit("limit=7&limit=7").await, Err("limit must be given only once".into()));
        assert_eq!(limit("limit=x").await, Err("limit must be a whole number from 1 to 100".into()));
    }

    #[tokio::test]
    async fn a_body_says_that_it_is_json_and_is_not_too_long() {
        let fields = async |content_type: &str, body: &str| {
            let parts = json!({"headers": {"content-type": content_type}, "body": body});
            call(parts).await.fields(10).map(|fields| fields.is_empty()).map_err(|problem| problem.status())
        };
        assert_eq!(fields("application/json", "{}").await, Ok(true));
        assert_eq!(fields("Application/JSON; charset=utf-8", "{}").await, Ok(true));
        assert_eq!(fields("text/plain", "{}").await, Err(400));
        assert_eq!(fields("", "{}").await, Err(400));
        assert_eq!(fields("application/json", "{").await, Err(400));
        assert_eq!(fields("application/json", "{         }").await, Err(413));
    }
}
