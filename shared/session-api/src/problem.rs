//! Problem documents (RFC 9457), and the one table of statuses and codes.

use serde_json::{Value, json};
use session_model::InvalidField;
use session_store::StoreError;

/// Why a call was not done. What the caller reads is `detail`; what only the log gets is the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    cause: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invalid,
    NoIdentity,
    Forbidden,
    NotFound,
    NotPost,
    Expired,
    TooLarge,
    Failed,
    Unavailable,
}

impl Kind {
    /// Status, Yunxin's code, title.
    fn row(self) -> (u16, u16, &'static str) {
        match self {
            Self::Invalid => (400, 414, "Bad Request"),
            Self::NoIdentity => (401, 302, "Unauthorized"),
            Self::Forbidden => (403, 403, "Forbidden"),
            Self::NotFound => (404, 404, "Not Found"),
            Self::NotPost => (405, 414, "Method Not Allowed"),
            Self::Expired => (410, 410, "Gone"),
            Self::TooLarge => (413, 414, "Content Too Large"),
            Self::Failed => (500, 500, "Internal Server Error"),
            Self::Unavailable => (503, 503, "Service Unavailable"),
        }
    }
}

impl Kind {
    /// What a program goes by where a status says too little.
    fn type_uri(self) -> &'static str {
        match self {
            Self::Expired => "urn:session-service:sync-token-expired",
            _ => "about:blank",
        }
    }
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), cause: None }
    }

    fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// 401: the call says nobody's name.
    pub(crate) fn no_identity() -> Self {
        Self::new(Kind::NoIdentity, "the request carries no verified account")
    }

    /// 403: the call is not signed as it must be. The detail names what does not fit.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, detail)
    }

    /// 404: the session does not exist.
    #[must_use]
    pub fn no_such_session() -> Self {
        Self::new(Kind::NotFound, "sessionId names no session of the caller")
    }

    /// 405: the address takes `POST` alone.
    #[must_use]
    pub fn only_post() -> Self {
        Self::new(Kind::NotPost, "the method must be POST")
    }

    /// 410: the sync token does not go on.
    #[must_use]
    pub fn sync_token_expired() -> Self {
        Self::new(Kind::Expired, "since is too old, or of another account or epoch: pull the list anew")
    }

    /// 413: the body is too large.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(Kind::TooLarge, format!("body must be at most {limit} bytes long"))
    }

    /// 413: the body is too long to be kept for later.
    #[must_use]
    pub fn too_large_to_keep() -> Self {
        Self::new(Kind::TooLarge, "body cannot be taken, and is too long to be kept for later")
    }

    /// 503: not possible now; the same call may be repeated.
    #[must_use]
    pub fn unavailable(detail: &'static str) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    /// 503: the deadline came first.
    pub(crate) fn out_of_time() -> Self {
        Self::unavailable("no answer in time; safe to repeat").because("deadline")
    }

    /// 503: the operation panicked.
    pub(crate) fn panicked() -> Self {
        Self::unavailable("the call was interrupted; safe to repeat").because("panic")
    }

    /// 503: the function was started with a configuration that it cannot work with.
    pub(crate) fn misconfigured(reason: &str) -> Self {
        Self::unavailable("the service is not configured; safe to repeat").because(reason)
    }

    /// 503: the event is none that a gateway makes of a call.
    pub(crate) fn unreadable_event() -> Self {
        Self::unavailable("the call could not be read; safe to repeat")
            .because("event: not that of an HTTP call")
    }

    /// For a caller that takes a 500 for delivered, as the feed does: what failed is not done, so it must repeat it.
    #[must_use]
    pub(crate) fn repeatable(self) -> Self {
        if self.kind == Kind::Failed { Self { kind: Kind::Unavailable, ..self } } else { self }
    }

    /// What the status wants said beside the document.
    pub(crate) fn header(&self) -> Option<(&'static str, &'static str)> {
        (self.kind == Kind::NotPost).then_some(("allow", "POST"))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind.row().0
    }

    /// Yunxin's code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.kind.row().1
    }

    /// What went wrong, for the caller.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Why, for the log: what the caller is not told, or what he is, which names fields and never holds what was in them.
    pub(crate) fn cause(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.detail)
    }

    /// The document.
    pub(crate) fn document(&self, request_id: &str) -> Value {
        let (status, code, title) = self.kind.row();
        json!({
            "type": self.kind.type_uri(),
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": code,
            "requestId": request_id,
        })
    }
}

impl From<InvalidField> for Problem {
    fn from(refusal: InvalidField) -> Self {
        Self::new(Kind::Invalid, refusal.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match error {
            StoreError::Throttled(_) => Self::unavailable("the database is busy; safe to repeat"),
            StoreError::Unavailable(_) => Self::unavailable("the database did not answer; safe to repeat"),
            StoreError::MalformedItem(_) | StoreError::Refused(_) | StoreError::Failed(_) => {
                Self::new(Kind::Failed, "internal error")
            }
        };
        problem.because(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use session_model::InvalidValue;

    use super::*;

    #[test]
    fn a_document_names_the_parameter_and_the_request() {
        let problem = Problem::from(InvalidValue::new("must be a whole number from 1 to 100").of("limit"));
        assert_eq!(
            problem.document("r-1"),
            json!({"type": "about:blank", "title": "Bad Request", "status": 400, "code": 414, "requestId": "r-1",
                   "detail": "limit must be a whole number from 1 to 100"})
        );
    }

    #[test]
    fn a_failure_of_the_store_shows_nothing_of_its_inside() {
        for (error, status, logged) in [
            (StoreError::Throttled("T".into()), 503, "throttled: T"),
            (StoreError::Unavailable("U".into()), 503, "unavailable: U"),
            (StoreError::MalformedItem("ext"), 500, "malformed item: attribute ext"),
            (StoreError::Refused("R".into()), 500, "refused: R"),
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
