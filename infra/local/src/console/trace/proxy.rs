//! The proxy through which traced processes reach DynamoDB, each by its own path.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use reqwest::Client;
use serde_json::Value;

use super::{request::DbRequest, tracer::Tracer};
use crate::http;

struct Proxy {
    engine: String,
    http: Client,
    tracer: Arc<Tracer>,
}

pub(super) fn router(engine: String, tracer: Arc<Tracer>) -> Router {
    let proxy = Proxy { engine, http: http::client(), tracer };
    Router::new().fallback(forward).layer(DefaultBodyLimit::disable()).with_state(Arc::new(proxy))
}

async fn forward(State(proxy): State<Arc<Proxy>>, uri: Uri, mut headers: HeaderMap, body: Bytes) -> Response {
    let started = Instant::now();
    let seat = uri.path().trim_matches('/').parse().unwrap_or_default();
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default().to_owned();
    headers.remove(header::HOST);
    let response = proxy.http.post(&proxy.engine).headers(headers).body(body.clone()).send().await;
    let whole = async move {
        let response = response?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
    };
    let Ok((status, mut headers, output)) = whole.await else {
        // The SDK retries on this status, as it does when nothing listens there.
        return StatusCode::BAD_GATEWAY.into_response();
    };
    headers.remove(header::TRANSFER_ENCODING);
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let request = DbRequest::new(&action, &json(&body), status.as_u16(), &json(&output), started.elapsed());
    proxy.tracer.requested(seat, request);
    (status, headers, output).into_response()
}
