//! The local issuer of tokens.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Gateway;

pub(super) fn router() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/local-issuer/.well-known/openid-configuration", get(configuration))
        .route("/local-issuer/.well-known/jwks.json", get(keys))
        .route("/local-issuer/token", post(token))
}

async fn configuration(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(gateway.issuer.configuration())
}

async fn keys(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, StatusCode> {
    let keys = gateway.issuer.keys().and_then(|keys| Ok(serde_json::to_value(keys)?));
    keys.map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[derive(Deserialize)]
struct TokenRequest {
    user: String,
}

async fn token(
    State(gateway): State<Arc<Gateway>>,
    Query(request): Query<TokenRequest>,
) -> Result<Json<Value>, StatusCode> {
    let token = gateway.issuer.token(&request.user).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({"access_token": token, "token_type": "Bearer"})))
}
