//! API Gateway: an HTTP API with the template's routes.

mod cors;
mod event;
mod routes;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use axum::{
    Json, Router,
    body::{self, Body},
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task;
use uuid::Uuid;

use crate::{
    contract,
    jwt::{Authorizer, Issuer},
    lambda::{Function, InvokeError},
    template::{Cors, Route},
};

pub(crate) use routes::Routes;

/// The path under which the local issuer of tokens answers, beside the template's routes.
pub(crate) const ISSUER_PATH: &str = "/local-issuer";
/// HTTP APIs take bodies up to 10 MB.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// And headers, the request line among them, up to 10 KB.
const MAX_HEADER_BYTES: usize = 10_240;

/// An HTTP API and the functions behind it.
pub(crate) struct Gateway {
    /// The address it answers at.
    pub(crate) url: String,
    /// The routes.
    pub(crate) routes: Routes,
    /// What checks tokens.
    pub(crate) authorizer: Authorizer,
    /// What makes tokens, for local use.
    pub(crate) issuer: Issuer,
    /// The functions by logical id.
    pub(crate) functions: BTreeMap<String, Arc<Function>>,
}

/// Serves the API and its contract, to web apps too, and the local issuer, which they have no part in.
pub(crate) fn router(gateway: Arc<Gateway>, cors: &Cors) -> Result<Router> {
    let api = Router::new()
        .route("/openapi.json", get(whole_contract))
        .route("/openapi-apps.json", get(contract_for_apps))
        .fallback(serve)
        .layer(cors::layer(cors)?)
        .layer(middleware::from_fn(cors::for_browsers_alone));
    let own = Router::new()
        .route("/local-issuer/.well-known/openid-configuration", get(configuration))
        .route("/local-issuer/.well-known/jwks.json", get(keys))
        .route("/local-issuer/token", post(token));
    Ok(own.fallback_service(api.with_state(Arc::clone(&gateway))).with_state(gateway))
}

async fn whole_contract(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, StatusCode> {
    contract_here(&gateway).map(Json)
}

async fn contract_for_apps(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, StatusCode> {
    contract_here(&gateway).map(|contract| Json(contract::for_apps(&contract)))
}

/// The contract of the service that answers here, as it stands in the repository now.
fn contract_here(gateway: &Gateway) -> Result<Value, StatusCode> {
    let mut contract = contract::read().map_err(|error| {
        eprintln!("no contract: {error:#}");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    contract["servers"] = json!([{"url": gateway.url, "description": "This service, on one machine"}]);
    for path in contract["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        path.as_object_mut().map(|path| path.remove("servers"));
    }
    Ok(contract)
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
    if header_bytes(&parts) > MAX_HEADER_BYTES {
        return message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
    }
    if has_stray_percent(parts.uri.path()) {
        return message(StatusCode::BAD_REQUEST, "Bad Request");
    }
    let Some(found) = gateway.routes.find(&parts.method, parts.uri.path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let claims = if found.route.authorized {
        let Some(claims) = gateway.authorizer.claims(authorization) else {
            let mut refusal = message(StatusCode::UNAUTHORIZED, "Unauthorized");
            refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refusal;
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
        Ok(answer) => match from_function(&answer) {
            Some(response) => overwritten(response, found.route),
            None => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        },
        Err(error) => {
            eprintln!("{}: {error}", found.route.function);
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

fn header_bytes(parts: &Parts) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    headers.sum::<usize>() + parts.uri.path_and_query().map_or(0, |line| line.as_str().len())
}

/// Whether a `%` does not begin an encoded byte.
fn has_stray_percent(path: &str) -> bool {
    path.split('%').skip(1).any(|rest| {
        let encoded = rest.as_bytes().get(..2);
        !encoded.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The answer with the status that the route's integration makes of it.
fn overwritten(mut response: Response, route: &Route) -> Response {
    let status = route.overwritten.get(response.status().as_str());
    if let Some(status) = status.and_then(|status| status.parse().ok()) {
        *response.status_mut() = status;
    }
    response
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
