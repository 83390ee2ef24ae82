//! The recorded requests, as a list, one by one and as a stream; and requests that the page sends.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::state::LocalService;
use crate::{console::trace::Summary, emulator::gateway::message};

/// Sends an event for each completed request, until the page disconnects.
pub(super) async fn events(
    State(local): State<Arc<LocalService>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first =
        json!({"tracing": local.recorder.tracer().is_some(), "service": local.gateway.issuer.key_id()});
    let first = Event::default().event("hello").data(first.to_string());
    let exchanges = stream::unfold(local.recorder.completed(), async |mut exchanges| {
        let event = match exchanges.recv().await {
            Ok(exchange) => Event::default()
                .data(json!({"number": exchange.number, "inBackground": exchange.in_background}).to_string()),
            // Some requests were missed: have the page look for them.
            Err(RecvError::Lagged(_)) => Event::default().data(json!({"inBackground": false}).to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((event, exchanges))
    });
    let events = stream::once(async { first }).chain(exchanges).map(Ok);
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(5)))
}

#[derive(Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: u64,
}

/// Lists the last requests.
pub(super) async fn list(
    State(local): State<Arc<LocalService>>,
    Query(query): Query<After>,
) -> Json<Vec<Summary>> {
    Json(local.recorder.tracer().map(|tracer| tracer.after(query.after)).unwrap_or_default())
}

/// Returns one request with everything that it did.
pub(super) async fn one(State(local): State<Arc<LocalService>>, Path(number): Path<u64>) -> Response {
    let found = local.recorder.tracer().and_then(|tracer| Some((tracer, tracer.exchange(number)?)));
    let Some((tracer, exchange)) = found else { return no_such_request() };
    let mut shown = tracer.shown(&exchange);
    shown["curl"] =
        exchange.curl(&local.gateway.url, &format!("cargo local token{}", local.gateway.url_option())).into();
    Json(shown).into_response()
}

/// Repeats a request with a new token or signature.
pub(super) async fn repeat(State(local): State<Arc<LocalService>>, Path(number): Path<u64>) -> Response {
    let Some(exchange) = local.recorder.tracer().and_then(|tracer| tracer.exchange(number)) else {
        return no_such_request();
    };
    let Some(body) = exchange.whole_body() else {
        return message(StatusCode::BAD_REQUEST, "The body was not recorded whole, or is not text");
    };
    let (method, path) = exchange.line();
    let authorization = exchange.user().and_then(|user| local.gateway.issuer.token(user).ok());
    let mut headers = HeaderMap::new();
    let own = [("content-type", exchange.header("content-type")), ("accept", exchange.header("accept"))];
    for (name, value) in own {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    if let Some(value) =
        authorization.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok())
    {
        headers.insert(header::AUTHORIZATION, value);
    }
    local.send(method, path, headers, body.to_owned(), exchange.is_signed()).await
}

fn no_such_request() -> Response {
    message(StatusCode::NOT_FOUND, "No such request is recorded")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToSign {
    method: String,
    path: String,
    body: String,
}

/// Signs and sends a request of the messaging backend. The page never gets the secret.
pub(super) async fn signed(State(local): State<Arc<LocalService>>, Json(request): Json<ToSign>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    local.send(&request.method, &request.path, headers, request.body, true).await
}
