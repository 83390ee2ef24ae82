//! Responses as bytes, of which the SDK sees nothing.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::{
    config::interceptors::BeforeSerializationInterceptorContextMut,
    error::ErrorMetadata,
    operation::{
        batch_get_item::{BatchGetItemError, BatchGetItemOutput},
        query::{QueryError, QueryOutput},
    },
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context},
        orchestrator::{HttpResponse, OrchestratorError},
        runtime_components::RuntimeComponents,
        ser_de::{DeserializeResponse, SharedResponseDeserializer},
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use serde::Deserialize;

/// Captures the bytes of one request's response, of which the SDK then sees nothing. Rejections stay the operation's own errors
/// with their codes, because the SDK's retries depend on them.
#[derive(Clone, Debug)]
pub(crate) struct CaptureResponse {
    of: Of,
    captured: Arc<Mutex<Option<SdkBody>>>,
}

/// The operation whose response is captured.
#[derive(Clone, Copy, Debug)]
enum Of {
    Query,
    BatchGetItem,
}

impl CaptureResponse {
    pub(crate) fn of_query() -> Self {
        Self { of: Of::Query, captured: Arc::default() }
    }

    pub(crate) fn of_batch() -> Self {
        Self { of: Of::BatchGetItem, captured: Arc::default() }
    }

    /// The response, once the request is done.
    pub(crate) fn take(&self) -> Option<SdkBody> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Of {
    /// What the SDK gets instead of the response.
    fn nothing(self) -> context::Output {
        match self {
            Self::Query => context::Output::erase(QueryOutput::builder().build()),
            Self::BatchGetItem => context::Output::erase(BatchGetItemOutput::builder().build()),
        }
    }

    fn rejection(self, metadata: ErrorMetadata) -> context::Error {
        match self {
            Self::Query => context::Error::erase(QueryError::generic(metadata)),
            Self::BatchGetItem => context::Error::erase(BatchGetItemError::generic(metadata)),
        }
    }
}

impl Intercept for CaptureResponse {
    fn name(&self) -> &'static str {
        "CaptureResponse"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        Ok(())
    }
}

impl DeserializeResponse for CaptureResponse {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<context::Output, OrchestratorError<context::Error>> {
        if response.status().is_success() {
            // The bytes are in memory, so a clone shares them.
            *self.captured.lock().unwrap_or_else(PoisonError::into_inner) = response.body().try_clone();
            return Ok(self.of.nothing());
        }
        let metadata = metadata(response.body().bytes().unwrap_or_default());
        Err(OrchestratorError::operation(self.of.rejection(metadata)))
    }
}

/// The error code of a rejection: `{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", …}`.
pub(crate) fn metadata(body: &[u8]) -> ErrorMetadata {
    #[derive(Deserialize)]
    struct Rejection {
        #[serde(rename = "__type")]
        kind: String,
    }
    let rejection = serde_json::from_slice::<Rejection>(body);
    let code = rejection.ok().and_then(|rejection| rejection.kind.rsplit('#').next().map(str::to_owned));
    code.map_or_else(ErrorMetadata::builder, |code| ErrorMetadata::builder().code(code)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_keeps_its_code() {
        let body = br#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"secret"}"#;
        assert_eq!(metadata(body).code(), Some("ThrottlingException"));
        assert_eq!(metadata(b"<html>").code(), None);
    }
}
