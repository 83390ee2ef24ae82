//! API Gateway: an HTTP API with the template's routes.

mod cors;
pub(crate) mod event;
mod issuer;
mod routes;

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Instant};

use anyhow::Result;
use axum::{
    Json, Router,
    body::{self, Body},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value, json};
use tokio::task;
use uuid::Uuid;

use super::{
    clock::Clock,
    jwt::{Authorizer, Issuer},
    lambda::{Function, InvokeError},
    observer::{Observer, RequestObserver, Responded, Routed},
    openapi,
    template::{Cors, Route},
};

pub(crate) use routes::Routes;

/// The path of the local token issuer, next to the template's routes.
pub(crate) const ISSUER_PATH: &str = "/local-issuer";
/// The maximum size of a body that HTTP APIs accept: 10 MB.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// The maximum size of the headers, including the request line, that HTTP APIs accept: 10 KB.
const MAX_HEADER_BYTES: usize = 10_240;

/// An HTTP API and the functions behind it.
pub(crate) struct Gateway {
    /// The URL of the API.
    pub(crate) url: String,
    /// The routes of the template.
    pub(crate) routes: Routes,
    /// The authorizer, which checks tokens.
    pub(crate) authorizer: Authorizer,
    /// The issuer of tokens, for local use.
    pub(crate) issuer: Arc<Issuer>,
    /// The functions by logical id.
    pub(crate) functions: BTreeMap<String, Arc<Function>>,
    /// The clock of the service.
    pub(crate) clock: Clock,
    /// The observer of the requests.
    pub(crate) observer: Arc<dyn Observer>,
}

/// Serves the API and its OpenAPI document, to web apps too. The token issuer, and these further routes, are served without CORS.
pub(crate) fn router(gateway: &Arc<Gateway>, cors: &Cors, further: Router) -> Result<Router> {
    let api = Router::new()
        .route("/openapi.json", get(whole_document))
        .route("/openapi-apps.json", get(document_for_apps))
        .fallback(serve)
        .layer(cors::layer(cors)?)
        .layer(middleware::from_fn(cors::browser_only))
        .with_state(Arc::clone(gateway));
    Ok(issuer::router().with_state(Arc::clone(&gateway.issuer)).merge(further).fallback_service(api))
}

async fn whole_document(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, StatusCode> {
    local_document(&gateway).map(Json)
}

async fn document_for_apps(State(gateway): State<Arc<Gateway>>) -> Result<Json<Value>, StatusCode> {
    local_document(&gateway).map(|document| Json(openapi::for_apps(&document)))
}

/// Reads the OpenAPI document as it is in the repository now, with this service as its server.
fn local_document(gateway: &Gateway) -> Result<Value, StatusCode> {
    let mut document = openapi::read().map_err(|error| {
        eprintln!("cannot serve the OpenAPI document: {error:#}");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    document["servers"] = json!([{"url": gateway.url, "description": "This service, locally"}]);
    for path in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        path.as_object_mut().map(|path| path.remove("servers"));
    }
    Ok(document)
}

async fn serve(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    gateway.serve(request).await
}

impl Gateway {
    /// The option that directs the other commands to this service. It is empty if the service is at their default URL.
    pub(crate) fn url_option(&self) -> String {
        if self.url.ends_with(":8080") { String::new() } else { format!(" --url {}", self.url) }
    }

    /// Responds to a request, and reports it to the observer.
    pub(crate) async fn serve(&self, request: Request) -> Response {
        let started = Instant::now();
        let request_id = Uuid::new_v4().to_string();
        let (parts, body) = request.into_parts();
        let mut observer = self.observer.request(&request_id, &parts);
        let mut response = self.route(parts, body, &request_id, observer.as_mut()).await;
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("apigw-requestid", value);
        }
        let (parts, body) = response.into_parts();
        // Every response is in memory already.
        let body = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        let duration = started.elapsed();
        observer.responded(Responded {
            status: parts.status,
            headers: &parts.headers,
            body: &body,
            duration,
        });
        Response::from_parts(parts, Body::from(body))
    }

    async fn route(
        &self,
        parts: Parts,
        body: Body,
        request_id: &str,
        observer: &mut dyn RequestObserver,
    ) -> Response {
        if header_bytes(&parts) > MAX_HEADER_BYTES {
            return message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        }
        if has_stray_percent(parts.uri.path()) || !has_one_host(&parts) {
            return message(StatusCode::BAD_REQUEST, "Bad Request");
        }
        let Some(found) = self.routes.find(&parts.method, parts.uri.path()) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let Some(function) = self.functions.get(&found.route.function) else {
            return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let claims = if found.route.authorized {
            let Some(claims) = self.authorizer.claims(authorization) else {
                let mut rejection = message(StatusCode::UNAUTHORIZED, "Unauthorized");
                rejection.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                return rejection;
            };
            Some(claims)
        } else {
            None
        };
        let body = match body::to_bytes(body, MAX_BODY_BYTES).await {
            Ok(body) => body,
            Err(error) if error.source().is_some_and(<dyn Error>::is::<LengthLimitError>) => {
                return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
            }
            // It is malformed, such as one whose chunks break off.
            Err(_) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        let program = function.program();
        observer.routed(Routed {
            operation: &program.operation,
            function: &program.name,
            memory_mb: program.memory_mb,
            user: claims.as_ref().and_then(|claims| claims.get("sub")?.as_str()),
            body: &body,
        });
        let event = event::payload(&parts, &body, &found, claims, request_id, &self.clock);
        observer.invoked(&event);
        // The invocation gets its own task: Lambda completes it even when the client has hung up.
        let function = Arc::clone(function);
        let invocation = task::spawn(async move { function.invoke(&event).await });
        let response = invocation.await.unwrap_or_else(|error| Err(InvokeError::Failed(error.to_string())));
        match response {
            Ok(response) => match from_function(&response) {
                Some(response) => overwritten(response, found.route),
                None => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            },
            Err(error) => {
                eprintln!("{}: {error}", found.route.function);
                message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }
}

fn header_bytes(parts: &Parts) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    headers.sum::<usize>() + parts.uri.path_and_query().map_or(0, |line| line.as_str().len())
}

/// Whether the request names its host once, as HTTP/1.1 demands (RFC 9112, 3.2).
fn has_one_host(parts: &Parts) -> bool {
    parts.version != Version::HTTP_11 || parts.headers.get_all(header::HOST).iter().count() == 1
}

/// Whether the path has a `%` that does not begin an encoded byte.
fn has_stray_percent(path: &str) -> bool {
    path.split('%').skip(1).any(|rest| {
        let encoded = rest.as_bytes().get(..2);
        !encoded.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Returns the response with the status that the route's integration maps it to.
fn overwritten(mut response: Response, route: &Route) -> Response {
    let status = route.overwritten.get(response.status().as_str());
    if let Some(status) = status.and_then(|status| status.parse().ok()) {
        *response.status_mut() = status;
    }
    response
}

/// Creates a response of the gateway itself.
pub(crate) fn message(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "message": text }))).into_response()
}

/// Converts a function's response in payload format 2.0 to the HTTP response.
fn from_function(response: &Value) -> Option<Response> {
    let status = StatusCode::from_u16(response["statusCode"].as_u64()?.try_into().ok()?).ok()?;
    let text = response["body"].as_str().unwrap_or_default();
    let body = if response["isBase64Encoded"] == true {
        Body::from(base64_simd::STANDARD.decode_to_vec(text).ok()?)
    } else {
        Body::from(text.to_owned())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.as_str()?).ok()?);
    }
    Some((status, headers, body).into_response())
}
