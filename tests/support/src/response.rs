//! Requests and their responses, validated against the OpenAPI document.

use reqwest::Method;
use serde_json::Value;

use crate::{
    app::{App, DEPLOYED},
    contract::{CONTRACT, Request},
};

/// A response of the service.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub content_type: String,
    pub request_id: String,
    /// The header `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    pub body: Value,
}

impl Response {
    /// Reads a response, and validates it and the request against the OpenAPI document. A gateway returns the request's id in a
    /// header, but MiniStack returns a different id there.
    pub async fn of(request: &Request, response: reqwest::Response, app: &App) -> Self {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (status, content_type, mut request_id) =
            (response.status().as_u16(), header("content-type"), header("apigw-requestid"));
        let retry_after = header("retry-after").parse().ok();
        let text = response.text().await.expect("the body arrives");
        let body: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, not JSON: {text}"));
        if app.engine() == DEPLOYED {
            body["requestId"].as_str().unwrap_or_default().clone_into(&mut request_id);
        }
        if app.is_itself() {
            CONTRACT.check(request, status, &content_type, &body);
        }
        Self { status, content_type, request_id, retry_after, body }
    }

    /// Returns the body of a successful response.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// Asserts a problem document of this status whose detail begins with this text.
    #[track_caller]
    pub fn is_problem(&self, status: u16, detail: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["requestId"], self.request_id);
        let actual = self.body["detail"].as_str().unwrap_or_default();
        assert!(actual.starts_with(detail), "{actual:?} does not begin with {detail:?}");
    }
}

/// The path of the feed endpoint in the OpenAPI document.
pub const FEED: &str = "/v1/messages";

/// A request of the messaging backend.
pub fn signed(method: Method, path: String, body: Vec<u8>) -> Request {
    Request { method, path, query: String::new(), content_type: "application/json".to_owned(), body }
}
