//! The local issuer of tokens.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::emulator::jwt::Issuer;

pub(super) fn router() -> Router<Arc<Issuer>> {
    Router::new()
        .route("/local-issuer/.well-known/openid-configuration", get(configuration))
        .route("/local-issuer/.well-known/jwks.json", get(keys))
        .route("/local-issuer/token", post(token))
}

async fn configuration(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    Json(issuer.configuration())
}

async fn keys(State(issuer): State<Arc<Issuer>>) -> Result<Json<Value>, StatusCode> {
    let keys = issuer.keys().and_then(|keys| Ok(serde_json::to_value(keys)?));
    keys.map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[derive(Deserialize)]
struct TokenRequest {
    user: String,
}

async fn token(
    State(issuer): State<Arc<Issuer>>,
    Query(request): Query<TokenRequest>,
) -> Result<impl IntoResponse, StatusCode> {
    let token = issuer.token(&request.user).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let not_stored = [(header::CACHE_CONTROL, "no-store")];
    Ok((not_stored, Json(json!({"access_token": token, "token_type": "Bearer"}))))
}
