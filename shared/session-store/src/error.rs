//! The errors of the store, classified in one place.

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

/// The reason why an operation of the store failed. Its text names the class and DynamoDB's error code, never an item's content or
/// the SDK's own text, so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB throttled the request, even after the SDK's retries. Safe to repeat.
    #[error("throttled: {0}")]
    Throttled(String),
    /// DynamoDB did not respond or failed internally, even after the SDK's retries. Safe to repeat.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// An item that this service never writes.
    #[error("malformed item: attribute {0}")]
    MalformedItem(&'static str),
    /// DynamoDB does not write this one item, however often the write is repeated: its partition is full, or it would be too large.
    #[error("rejected: {0}")]
    Rejected(String),
    /// DynamoDB rejects the request, however often it is repeated: a table or permission is missing, or the request is invalid.
    #[error("failed: {0}")]
    Failed(String),
}

const REJECTED: [&str; 2] = ["ItemCollectionSizeLimitExceededException", "ValidationException"];

const THROTTLED: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "ThrottledException",
];

impl StoreError {
    /// Whether this concerns a single item and is permanent. Other items can still be read and written.
    #[must_use]
    pub fn is_of_one_item(&self) -> bool {
        matches!(self, Self::MalformedItem(_) | Self::Rejected(_))
    }
}

impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for StoreError {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::TimeoutError(_) => Self::Unavailable("timeout".into()),
            SdkError::DispatchFailure(_) => Self::Unavailable("no connection".into()),
            SdkError::ResponseError(_) => Self::Unavailable("unreadable response".into()),
            SdkError::ServiceError(failure) => {
                let status = failure.raw().status().as_u16();
                if failure.raw().status().is_success() {
                    // Something other than DynamoDB has responded, or the response is incomplete.
                    return Self::Unavailable("unreadable response".into());
                }
                let code = failure.err().code().map_or_else(|| format!("status {status}"), str::to_owned);
                if THROTTLED.contains(&code.as_str()) || status == 429 {
                    Self::Throttled(code)
                } else if REJECTED.contains(&code.as_str()) {
                    Self::Rejected(code)
                } else if status >= 500 {
                    Self::Unavailable(code)
                } else {
                    Self::Failed(code)
                }
            }
            _ => Self::Failed("request not built".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        config::http::HttpResponse, error::ErrorMetadata, operation::get_item::GetItemError,
    };

    use super::*;

    fn classified(status: u16, code: Option<&str>) -> StoreError {
        let mut metadata = ErrorMetadata::builder().message("secret");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        let raw = HttpResponse::new(status.try_into().unwrap(), "secret".into());
        SdkError::service_error(GetItemError::generic(metadata.build()), raw).into()
    }

    #[test]
    fn each_rejection_has_its_class_and_none_shows_internal_text() {
        for (status, code, expected) in [
            (
                400,
                Some("ProvisionedThroughputExceededException"),
                "throttled: ProvisionedThroughputExceededException",
            ),
            (400, Some("ThrottlingException"), "throttled: ThrottlingException"),
            (400, Some("RequestLimitExceeded"), "throttled: RequestLimitExceeded"),
            (
                400,
                Some("ItemCollectionSizeLimitExceededException"),
                "rejected: ItemCollectionSizeLimitExceededException",
            ),
            (400, Some("ValidationException"), "rejected: ValidationException"),
            (500, Some("InternalServerError"), "unavailable: InternalServerError"),
            (503, None, "unavailable: status 503"),
            (200, None, "unavailable: unreadable response"),
            (400, Some("ResourceNotFoundException"), "failed: ResourceNotFoundException"),
            (400, Some("AccessDeniedException"), "failed: AccessDeniedException"),
            (400, None, "failed: status 400"),
        ] {
            assert_eq!(classified(status, code).to_string(), expected);
        }
    }

    #[test]
    fn no_response_means_unavailable() {
        let timeout: SdkError<GetItemError, HttpResponse> = SdkError::timeout_error("secret");
        assert_eq!(StoreError::from(timeout).to_string(), "unavailable: timeout");
        let construction: SdkError<GetItemError, HttpResponse> = SdkError::construction_failure("secret");
        assert_eq!(StoreError::from(construction).to_string(), "failed: request not built");
    }
}
