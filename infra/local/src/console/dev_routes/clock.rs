//! The clock of the service.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::LocalService;
use crate::emulator::{clock::parse_duration, gateway::message};

/// Returns the time of the service's clock.
pub(super) async fn read(State(local): State<Arc<LocalService>>) -> Json<Value> {
    Json(json!({"now": local.gateway.clock.now_ms(), "aheadMs": local.gateway.clock.ahead_ms()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    advance: String,
}

/// Advances the clock. Functions then restart, tokens expire by the new time, and expired items are deleted.
pub(super) async fn advance(State(local): State<Arc<LocalService>>, Json(by): Json<Advance>) -> Response {
    let by = match parse_duration(&by.advance) {
        Ok(by) => by,
        Err(reason) => return message(StatusCode::BAD_REQUEST, &format!("advance {reason}")),
    };
    if !local.gateway.clock.advance(by) {
        return message(StatusCode::BAD_REQUEST, "advance must not exceed 10 years in total");
    }
    if let Err(error) = local.dynamodb.sweep(&local.swept, &local.gateway.clock).await {
        eprintln!("cannot delete expired items: {error:#}");
    }
    read(State(local)).await.into_response()
}
