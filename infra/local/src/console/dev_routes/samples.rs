//! The samples of message copies.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::state::LocalService;
use crate::{
    backend::samples::{Cast, Sample},
    emulator::gateway::message,
};

/// Lists the samples of message copies.
pub(super) async fn list() -> Response {
    let samples = Sample::all().map(|samples| {
        let samples = samples.iter().map(|sample| json!({"name": sample.name, "about": sample.about}));
        Json(samples.collect::<Vec<_>>())
    });
    samples.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), IntoResponse::into_response)
}

/// Returns the bodies of a sample's message copies, with these names.
pub(super) async fn one(
    State(local): State<Arc<LocalService>>,
    Path(name): Path<String>,
    Query(names): Query<HashMap<String, String>>,
) -> Response {
    let mut cast = Cast::at(local.gateway.clock.now_ms());
    for (name, value) in &names {
        if !cast.set(name, value) {
            return message(StatusCode::BAD_REQUEST, "The names are alice, bob, carol, team and superTeam");
        }
    }
    match Sample::named(&name).and_then(|sample| sample.bodies(&cast, &[])) {
        Ok(bodies) => {
            let bodies: Vec<_> = bodies.into_iter().map(pretty).collect();
            Json(json!({ "bodies": bodies })).into_response()
        }
        Err(error) => message(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

/// Indents JSON. Other text is returned unchanged.
fn pretty(text: String) -> String {
    let indented =
        serde_json::from_str::<Value>(&text).and_then(|value| serde_json::to_string_pretty(&value));
    indented.unwrap_or(text)
}
