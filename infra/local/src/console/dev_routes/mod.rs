//! Routes that only a local service has: its clock, and the console with the data that it shows. Only pages and programs of this
//! machine may use them.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use anyhow::Result;
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::{Gateway, message};
use crate::{
    clock::parse_duration,
    copies::{Cast, Sample},
    feed::sign,
    trace::Summary,
};

const PAGE: &str = include_str!("console.html");
/// The maximum number of a user's session items that are shown.
const MAX_ITEMS: usize = 200;

pub(super) fn router(url: &str) -> Router<Arc<Gateway>> {
    let port = url.rsplit(':').next().unwrap_or_default().to_owned();
    let hosts: Arc<[String]> = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{port}")).into();
    Router::new()
        .route("/local-clock", get(clock).post(move_clock))
        .route("/console", get(page))
        .route("/console/events", get(events))
        .route("/console/requests", get(exchanges))
        .route("/console/requests/{number}", get(exchange))
        .route("/console/requests/{number}/repeat", post(repeat))
        .route("/console/items", get(session_items))
        .route("/console/samples", get(samples))
        .route("/console/samples/{name}", get(sample))
        .route("/console/signed", post(signed))
        .route_layer(middleware::from_fn_with_state(hosts, of_this_machine))
}

/// Rejects requests that another site's page may have made a browser send.
async fn of_this_machine(State(hosts): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    if is_of_this_machine(&hosts, request.headers()) {
        next.run(request).await
    } else {
        message(StatusCode::FORBIDDEN, "Only for pages and programs of this machine")
    }
}

/// Whether the request names this machine and comes from no other origin. A name that was made to resolve to this machine is not
/// accepted.
fn is_of_this_machine(hosts: &[String], headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = header("host").unwrap_or_default();
    hosts.iter().any(|known| known == host)
        && header("origin").is_none_or(|origin| origin == format!("http://{host}"))
        && header("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site))
}

async fn page() -> Response {
    // Only the page's own scripts and styles may run.
    let nonce = Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut page = Html(PAGE.replace("{nonce}", &nonce)).into_response();
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            page.headers_mut().insert(name, value);
        }
    }
    page
}

/// Returns the time of the service's clock.
async fn clock(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(json!({"now": gateway.clock.now_ms(), "aheadMs": gateway.clock.ahead_ms()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance: String,
}

/// Advances the clock. Functions then restart, tokens expire by the new time, and expired items are deleted.
async fn move_clock(State(gateway): State<Arc<Gateway>>, Json(by): Json<Move>) -> Response {
    let by = match parse_duration(&by.advance) {
        Ok(by) => by,
        Err(reason) => return message(StatusCode::BAD_REQUEST, &format!("advance {reason}")),
    };
    if !gateway.clock.advance(by) {
        return message(StatusCode::BAD_REQUEST, "advance must not exceed 10 years in total");
    }
    if let Err(error) = gateway.dynamodb.sweep(&gateway.swept, &gateway.clock).await {
        eprintln!("cannot delete expired items: {error:#}");
    }
    clock(State(gateway)).await.into_response()
}

/// Sends an event for each completed request, until the page disconnects.
async fn events(State(gateway): State<Arc<Gateway>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first = json!({"tracing": gateway.tracer.is_some(), "service": gateway.issuer.key_id()});
    let first = Event::default().event("hello").data(first.to_string());
    let exchanges = stream::unfold(gateway.completed.subscribe(), async |mut exchanges| {
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
struct After {
    #[serde(default)]
    after: u64,
}

/// Lists the last requests.
async fn exchanges(State(gateway): State<Arc<Gateway>>, Query(query): Query<After>) -> Json<Vec<Summary>> {
    Json(gateway.tracer.as_ref().map(|tracer| tracer.after(query.after)).unwrap_or_default())
}

/// Returns one request with everything that it did.
async fn exchange(State(gateway): State<Arc<Gateway>>, Path(number): Path<u64>) -> Response {
    let found = gateway.tracer.as_ref().and_then(|tracer| Some((tracer, tracer.exchange(number)?)));
    let Some((tracer, exchange)) = found else { return no_such_request() };
    let mut shown = tracer.shown(&exchange);
    shown["curl"] = exchange.curl(&gateway.url, &format!("cargo local token{}", gateway.url_option())).into();
    Json(shown).into_response()
}

/// Repeats a request with a new token or signature.
async fn repeat(State(gateway): State<Arc<Gateway>>, Path(number): Path<u64>) -> Response {
    let Some(exchange) = gateway.tracer.as_ref().and_then(|tracer| tracer.exchange(number)) else {
        return no_such_request();
    };
    let Some(body) = exchange.whole_body() else {
        return message(StatusCode::BAD_REQUEST, "The body was not recorded whole, or is not text");
    };
    let (method, path) = exchange.line();
    let authorization = exchange.user().and_then(|user| gateway.issuer.token(user).ok());
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
    gateway.send(method, path, headers, body.to_owned(), exchange.is_signed()).await
}

fn no_such_request() -> Response {
    message(StatusCode::NOT_FOUND, "No such request is recorded")
}

#[derive(Deserialize)]
struct OfUser {
    user: String,
}

/// Returns a user's session items as stored in the database, and the group items of their groups.
async fn session_items(State(gateway): State<Arc<Gateway>>, Query(query): Query<OfUser>) -> Response {
    let found = async {
        let session_items = json!({
            "TableName": "SessionsTable", "KeyConditionExpression": "userId = :u", "Limit": MAX_ITEMS, "ConsistentRead": true,
            "ExpressionAttributeValues": {":u": {"S": query.user}},
        });
        let session_items = gateway.dynamodb.request("Query", &session_items).await?;
        let mut group_items = Vec::new();
        for session_item in session_items["Items"].as_array().into_iter().flatten() {
            let id = session_item["sessionId"]["S"].as_str().unwrap_or_default();
            if id.starts_with("p2p|") {
                continue;
            }
            let key =
                json!({"TableName": "GroupsTable", "Key": {"groupId": {"S": id}}, "ConsistentRead": true});
            let group_item = gateway.dynamodb.request("GetItem", &key).await?;
            group_items.extend(group_item.get("Item").filter(|item| !item.is_null()).cloned());
        }
        Result::<_>::Ok(
            json!({"sessionItems": session_items["Items"], "groupItems": group_items, "more": !session_items["LastEvaluatedKey"].is_null()}),
        )
    };
    match found.await {
        Ok(found) => Json(found).into_response(),
        Err(error) => {
            eprintln!("cannot read items: {error:#}");
            message(StatusCode::BAD_GATEWAY, "The database does not respond")
        }
    }
}

/// Lists the samples of message copies.
async fn samples() -> Response {
    let samples = Sample::all().map(|samples| {
        let samples = samples.iter().map(|sample| json!({"name": sample.name, "about": sample.about}));
        Json(samples.collect::<Vec<_>>())
    });
    samples.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), IntoResponse::into_response)
}

/// Returns the bodies of a sample's message copies, with these names.
async fn sample(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
    Query(names): Query<HashMap<String, String>>,
) -> Response {
    let mut cast = Cast::at(gateway.clock.now_ms());
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToSign {
    method: String,
    path: String,
    body: String,
}

/// Signs and sends a request of the messaging backend. The page never gets the secret.
async fn signed(State(gateway): State<Arc<Gateway>>, Json(request): Json<ToSign>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    gateway.send(&request.method, &request.path, headers, request.body, true).await
}

impl Gateway {
    /// Sends a request to the service itself and returns the response. The request is traced like any other.
    async fn send(
        &self,
        method: &str,
        path: &str,
        mut headers: HeaderMap,
        body: String,
        signed: bool,
    ) -> Response {
        if signed {
            let cur_time = self.clock.now_ms().to_string();
            let (md5, check_sum) = sign(&self.signed_by.app_secret, &body, &cur_time);
            let pairs = [
                ("appkey", &self.signed_by.app_key),
                ("curtime", &cur_time),
                ("md5", &md5),
                ("checksum", &check_sum),
            ];
            for (name, value) in pairs {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(name, value);
                }
            }
        }
        if let Ok(host) = HeaderValue::from_str(self.url.trim_start_matches("http://")) {
            headers.insert(header::HOST, host);
        }
        let (Ok(method), true) = (method.parse::<Method>(), path.starts_with('/')) else {
            return message(StatusCode::BAD_REQUEST, "method and path must be those of a request");
        };
        match Request::builder().method(method).uri(path).body(Body::from(body)) {
            Ok(mut request) => {
                *request.headers_mut() = headers;
                self.serve(request).await
            }
            Err(_) => message(StatusCode::BAD_REQUEST, "path must be that of a request"),
        }
    }
}
