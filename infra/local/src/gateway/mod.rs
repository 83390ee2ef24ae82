//! API Gateway: an HTTP API with the template's routes.

mod event;
mod routes;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::{self, Body},
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task;
use uuid::Uuid;

use crate::{
    jwt::{Authorizer, Issuer},
    lambda::{Function, InvokeError},
};

pub(crate) use routes::Routes;

/// The path under which the local issuer of tokens answers, beside the template's routes.
pub(crate) const ISSUER_PATH: &str = "/local-issuer";
/// HTTP APIs take bodies up to 10 MB.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// An HTTP API and the functions behind it.
pub(crate) struct Gateway {
    /// The routes.
    pub(crate) routes: Routes,
    /// What checks tokens.
    pub(crate) authorizer: Authorizer,
    /// What makes tokens, for local use.
    pub(crate) issuer: Issuer,
    /// The functions by logical id.
    pub(crate) functions: BTreeMap<String, Arc<Function>>,
}

/// Serves the API and the local issuer.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/local-issuer/.well-known/openid-configuration", get(configuration))
        .route("/local-issuer/.well-known/jwks.json", get(keys))
        .route("/local-issuer/token", post(token))
        .fallback(serve)
        .with_state(gateway)
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

async fn serve(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let request_id = Uuid::new_v4().to_string();
    let mut response = answer(&gateway, request, &request_id).await;
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("apigw-requestid", value);
    }
    response
}

async fn answer(gateway: &Gateway, request: Request, request_id: &str) -> Response {
    let (parts, body) = request.into_parts();
    let Some(found) = gateway.routes.find(&parts.method, parts.uri.path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let claims = if found.route.authorized {
        let Some(claims) = gateway.authorizer.claims(authorization) else {
            return message(StatusCode::UNAUTHORIZED, "Unauthorized");
        };
        Some(claims)
    } else {
        None
    };
    let Ok(body) = body::to_bytes(body, MAX_BODY_BYTES).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let Some(function) = gateway.functions.get(&found.route.function) else {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    let event = event::payload(&parts, &body, &found, claims, request_id);
    // A task of its own: Lambda ends an invocation also when the client has hung up.
    let function = Arc::clone(function);
    let invocation = task::spawn(async move { function.invoke(&event).await });
    let answer = invocation.await.unwrap_or_else(|error| Err(InvokeError::Failed(error.to_string())));
    match answer {
        Ok(answer) => from_function(&answer)
            .unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
        Err(error) => {
            eprintln!("{}: {error}", found.route.function);
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// The gateway's own answers.
fn message(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "message": text }))).into_response()
}

/// The HTTP response that a function's answer in payload format 2.0 stands for.
fn from_function(answer: &Value) -> Option<Response> {
    let status = StatusCode::from_u16(answer["statusCode"].as_u64()?.try_into().ok()?).ok()?;
    let text = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        Body::from(base64_simd::STANDARD.decode_to_vec(text).ok()?)
    } else {
        Body::from(text.to_owned())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.as_str()?).ok()?);
    }
    Some((status, headers, body).into_response())
}
