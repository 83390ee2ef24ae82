//! Problem documents (RFC 9457), and the only table of statuses and codes.

use serde_json::{Value, json};
use session_model::json::{InvalidField, Place};
use session_store::StoreError;

use crate::Note;

/// The reason why a request failed. The caller gets `detail`; only the log gets the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    parameter: Option<String>,
    cause: Option<String>,
    note: Option<Box<Note>>,
}

/// The kinds of problems that a program may tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    InvalidParameter,
    InvalidBody,
    AnotherList,
    UnsupportedMediaType,
    Unauthenticated,
    BadSignature,
    NoSuchSession,
    MethodNotAllowed,
    SyncTokenExpired,
    TooLarge,
    Internal,
    Unavailable,
}

/// What a problem document shows of its kind.
struct KindInfo {
    /// The end of the type.
    name: &'static str,
    /// The HTTP status.
    status: u16,
    /// Yunxin's code.
    code: u16,
    title: &'static str,
}

impl Kind {
    fn info(self) -> KindInfo {
        match self {
            Self::InvalidParameter => {
                KindInfo { name: "invalid-parameter", status: 400, code: 414, title: "Bad Request" }
            }
            Self::InvalidBody => {
                KindInfo { name: "invalid-body", status: 400, code: 414, title: "Bad Request" }
            }
            Self::AnotherList => {
                KindInfo { name: "cursor-outside-window", status: 400, code: 414, title: "Bad Request" }
            }
            Self::UnsupportedMediaType => KindInfo {
                name: "unsupported-media-type",
                status: 415,
                code: 414,
                title: "Unsupported Media Type",
            },
            Self::Unauthenticated => {
                KindInfo { name: "unauthenticated", status: 401, code: 302, title: "Unauthorized" }
            }
            Self::BadSignature => {
                KindInfo { name: "bad-signature", status: 403, code: 403, title: "Forbidden" }
            }
            Self::NoSuchSession => {
                KindInfo { name: "no-such-session", status: 404, code: 404, title: "Not Found" }
            }
            Self::MethodNotAllowed => {
                KindInfo { name: "method-not-allowed", status: 405, code: 414, title: "Method Not Allowed" }
            }
            Self::SyncTokenExpired => {
                KindInfo { name: "sync-token-expired", status: 410, code: 410, title: "Gone" }
            }
            Self::TooLarge => {
                KindInfo { name: "too-large", status: 413, code: 414, title: "Content Too Large" }
            }
            Self::Internal => {
                KindInfo { name: "internal", status: 500, code: 500, title: "Internal Server Error" }
            }
            Self::Unavailable => {
                KindInfo { name: "unavailable", status: 503, code: 503, title: "Service Unavailable" }
            }
        }
    }

    /// The header that the status requires, if any.
    fn header(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Unauthenticated => Some(("www-authenticate", "Bearer")),
            Self::MethodNotAllowed => Some(("allow", "POST")),
            Self::Unavailable => Some(("retry-after", "1")),
            _ => None,
        }
    }
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), parameter: None, cause: None, note: None }
    }

    pub(crate) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// Adds a note for the log.
    #[must_use]
    pub fn with_note(self, note: Note) -> Self {
        Self { note: Some(Box::new(note)), ..self }
    }

    pub(crate) fn note(&self) -> Option<&Note> {
        self.note.as_deref()
    }

    /// 500: a response that has no JSON form.
    pub(crate) fn unserializable() -> Self {
        Self::new(Kind::Internal, "the response could not be created")
            .because("a response without a JSON form")
    }

    /// 401: the request has no authenticated user.
    pub(crate) fn no_identity() -> Self {
        Self::new(Kind::Unauthenticated, "the request carries no verified account")
    }

    /// 403: the request is not signed correctly. The detail names what does not match.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Kind::BadSignature, detail)
    }

    /// 404: the session does not exist.
    #[must_use]
    pub fn no_such_session() -> Self {
        Self::new(Kind::NoSuchSession, "sessionId names no session of the caller")
    }

    /// 405: the address accepts only `POST`.
    #[must_use]
    pub fn only_post() -> Self {
        Self::new(Kind::MethodNotAllowed, "the method must be POST")
    }

    /// 410: the sync token cannot be continued.
    #[must_use]
    pub fn sync_token_expired() -> Self {
        Self {
            parameter: Some("since".to_owned()),
            ..Self::new(
                Kind::SyncTokenExpired,
                "since is too old, or of another account or epoch: fetch the list again",
            )
        }
    }

    /// 415: the body's content type is not one of these.
    pub(crate) fn unsupported_media_type(supported: &[&str]) -> Self {
        let detail = format!("Content-Type must be {}", supported.join(" or "));
        Self::new(Kind::UnsupportedMediaType, detail)
    }

    /// 413: the body is too large.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(Kind::TooLarge, format!("body must be at most {limit} bytes long"))
    }

    /// 413: the body is too long for a dead letter.
    #[must_use]
    pub fn too_large_to_store() -> Self {
        Self::new(Kind::TooLarge, "body cannot be applied, and is too long for a dead letter")
    }

    /// 503: not possible now. The same request may be repeated.
    #[must_use]
    pub fn unavailable(detail: &'static str) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    /// 503: the deadline passed first.
    pub(crate) fn out_of_time() -> Self {
        Self::unavailable("no response in time; safe to retry").because("deadline")
    }

    /// 503: the operation panicked.
    pub(crate) fn panicked() -> Self {
        Self::unavailable("the request was interrupted; safe to retry").because("panic")
    }

    /// 503: the function was started with an unusable configuration.
    pub(crate) fn misconfigured(reason: &str) -> Self {
        Self::unavailable("the service is not configured; safe to retry").because(reason)
    }

    /// 503: the event is not one that a gateway creates for a request.
    pub(crate) fn unreadable_event() -> Self {
        Self::unavailable("the request could not be read; safe to retry")
            .because("event: not an HTTP request")
    }

    /// Turns a 500 into a 503, for callers that count a 500 as delivered, as the feed does. What failed was not done, so the caller
    /// must repeat the request.
    #[must_use]
    pub(crate) fn repeatable(self) -> Self {
        if self.kind == Kind::Internal { Self { kind: Kind::Unavailable, ..self } } else { self }
    }

    /// The header that goes with the document, if any.
    pub(crate) fn header(&self) -> Option<(&'static str, &'static str)> {
        self.kind.header()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind.info().status
    }

    /// Yunxin's code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.kind.info().code
    }

    /// The description of what went wrong, for the caller.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The cause, for the log: what the caller does not get, or else the detail. It names fields and never contains their values.
    pub(crate) fn cause(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.detail)
    }

    /// The problem document.
    pub(crate) fn document(&self, request_id: &str) -> Value {
        let KindInfo { name, status, code, title } = self.kind.info();
        let mut document = json!({
            "type": format!("urn:session-service:{name}"),
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": code,
            "requestId": request_id,
        });
        if let Some(parameter) = &self.parameter {
            document["parameter"] = parameter.as_str().into();
        }
        document
    }
}

/// A rejection of the body as a whole has no parameter.
impl From<InvalidField> for Problem {
    fn from(rejection: InvalidField) -> Self {
        let kind = match rejection.place {
            Place::Parameter => Kind::InvalidParameter,
            Place::Body => Kind::InvalidBody,
            Place::AnotherList => Kind::AnotherList,
        };
        let detail = rejection.to_string();
        let parameter = Some(rejection.field.into_owned()).filter(|name| name != "body");
        Self { parameter, ..Self::new(kind, detail) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match error {
            StoreError::Throttled(_) => {
                Self::unavailable("the database throttled the request; safe to retry")
            }
            StoreError::Unavailable(_) => Self::unavailable("the database did not respond; safe to retry"),
            StoreError::MalformedItem(_) | StoreError::Rejected(_) | StoreError::Failed(_) => {
                Self::new(Kind::Internal, "internal error")
            }
        };
        problem.because(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use session_model::json::InvalidValue;

    use super::*;

    #[test]
    fn a_document_names_the_parameter_and_the_request() {
        let problem = Problem::from(InvalidValue::new("must be a whole number from 1 to 100").of("limit"));
        assert_eq!(
            problem.document("r-1"),
            json!({"type": "urn:session-service:invalid-parameter", "title": "Bad Request", "status": 400, "code": 414,
                   "detail": "limit must be a whole number from 1 to 100", "parameter": "limit", "requestId": "r-1"})
        );
        let of_body =
            |field| Problem::from(InvalidValue::new("must be better").in_body(field)).document("r-1");
        assert_eq!(of_body("ext")["type"], "urn:session-service:invalid-body");
        assert_eq!((&of_body("ext")["parameter"], of_body("body").get("parameter")), (&json!("ext"), None));
    }

    #[test]
    fn headers_repeat_what_the_client_should_do() {
        assert_eq!(Problem::no_identity().header(), Some(("www-authenticate", "Bearer")));
        assert_eq!(Problem::unavailable("later").header(), Some(("retry-after", "1")));
        assert_eq!(Problem::only_post().header(), Some(("allow", "POST")));
        assert_eq!(Problem::no_such_session().header(), None);
    }

    #[test]
    fn a_store_error_shows_no_internals() {
        for (error, status, logged) in [
            (StoreError::Throttled("T".into()), 503, "throttled: T"),
            (StoreError::Unavailable("U".into()), 503, "unavailable: U"),
            (StoreError::MalformedItem("ext"), 500, "malformed item: attribute ext"),
            (StoreError::Rejected("R".into()), 500, "rejected: R"),
            (StoreError::Failed("F".into()), 500, "failed: F"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status(), problem.cause()), (status, logged));
            assert!(!problem.document("r").to_string().contains(logged));
            assert_eq!(problem.repeatable().status(), 503);
        }
        assert_eq!(Problem::no_such_session().repeatable().status(), 404);
    }
}
