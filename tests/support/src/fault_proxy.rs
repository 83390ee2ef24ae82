//! A proxy in front of the engine that can fail as DynamoDB does.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

/// How a request is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is forwarded.
    None,
    /// The request is throttled.
    Throttle,
    /// The request is rejected with an internal error.
    InternalError,
    /// The request never gets a response.
    Hang,
    /// The request is forwarded, but the response is withheld.
    LoseResponse,
    /// The request is forwarded, but the connection is cut in the middle of the response.
    CutResponse,
    /// Half of a batch is forwarded, and the rest is reported as unprocessed.
    HalfUnprocessed,
    /// The request is forwarded after 1 second.
    Slow,
    /// The response is not one of DynamoDB.
    OtherContent,
    /// An eventually consistent read of one item does not find it yet.
    Lag,
}

/// A fault for the requests that contain a name.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    pub fault: Fault,
    /// The number of such requests that are forwarded first.
    pub after: usize,
    /// Whether the fault lasts. Otherwise it affects a single request.
    pub lasts: bool,
}

/// The proxy, which runs until it is dropped.
pub struct FaultProxy {
    endpoint: String,
    state: Arc<Proxied>,
    _tasks: JoinSet<()>,
}

struct Proxied {
    engine: String,
    http: reqwest::Client,
    /// The user agent, the action and the input of each request.
    requests: Mutex<Vec<(String, String, Value)>>,
    /// The keys whose requests are rejected, each with an error code of DynamoDB.
    rejected: Mutex<Vec<(Value, &'static str)>>,
    /// The key of the user whose partition is full.
    full: Mutex<Option<Value>>,
    /// The aim for requests that contain a name, and the number of those. All requests contain the empty name.
    aimed: Mutex<HashMap<String, (Option<Aim>, usize)>>,
}

impl FaultProxy {
    pub async fn before(engine: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let http = session_local::http::client();
        let state = Arc::new(Proxied {
            engine: engine.to_owned(),
            http,
            requests: Mutex::default(),
            rejected: Mutex::default(),
            full: Mutex::default(),
            aimed: Mutex::default(),
        });
        let router = Router::new().fallback(proxy).with_state(Arc::clone(&state));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.expect("the proxy serves") });
        Self { endpoint, state, _tasks: tasks }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sets the fault for all requests from now on.
    pub fn set(&self, fault: Fault) {
        self.set_after(0, fault);
    }

    /// Sets the fault for all requests after this many have been forwarded.
    pub fn set_after(&self, passing: usize, fault: Fault) {
        self.aim_at("", Some(Aim { fault, after: passing, lasts: true }));
    }

    /// Rejects writes of a user's session items from now on.
    pub fn reject(&self, account: &str, code: &'static str) {
        let rejection = (serde_json::json!({ "S": account }), code);
        self.state.rejected.lock().unwrap_or_else(PoisonError::into_inner).push(rejection);
    }

    /// Fills a user's partition: updates of its items are rejected until some items have been deleted in a batch.
    pub fn fill_partition(&self, account: &str) {
        let full = serde_json::json!({ "S": account });
        *self.state.full.lock().unwrap_or_else(PoisonError::into_inner) = Some(full);
    }

    /// Sets the aim for requests that contain this name. Returns how many there were since the previous aim at that name.
    pub fn aim_at(&self, name: &str, aim: Option<Aim>) -> usize {
        let mut aimed = self.state.aimed.lock().unwrap_or_else(PoisonError::into_inner);
        aimed.insert(name.to_owned(), (aim, 0)).map_or(0, |(_, count)| count)
    }

    /// Returns the user agent, the action and the input of every request so far.
    pub fn requests(&self) -> Vec<(String, String, Value)> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn proxy(State(state): State<Arc<Proxied>>, headers: HeaderMap, body: Bytes) -> Response {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let action = text("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    let request: (_, _, Value) =
        (text("user-agent"), action, serde_json::from_slice(&body).unwrap_or_default());
    let user = request.2["Key"]["userId"].clone();
    let is_eventual = request.1 == "GetItem" && request.2["ConsistentRead"] != true;
    let is_full = match &*request.1 {
        "BatchWriteItem" => {
            *state.full.lock().unwrap_or_else(PoisonError::into_inner) = None;
            false
        }
        "UpdateItem" => state.full.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&user),
        _ => false,
    };
    state.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let rejected = state.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, code)) = rejected.iter().find(|(rejected, _)| *rejected == user) {
        return rejection(StatusCode::BAD_REQUEST, code);
    }
    if is_full {
        return rejection(StatusCode::BAD_REQUEST, "ItemCollectionSizeLimitExceededException");
    }
    match state.aimed(&body) {
        Fault::Lag if is_eventual => {
            ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], "{}").into_response()
        }
        Fault::None | Fault::Lag => forward(&state, headers, body).await,
        Fault::Throttle => rejection(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException"),
        Fault::InternalError => rejection(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        Fault::Hang => std::future::pending().await,
        Fault::LoseResponse => {
            forward(&state, headers, body).await;
            std::future::pending().await
        }
        Fault::CutResponse => cut(forward(&state, headers, body).await).await,
        Fault::HalfUnprocessed => half(&state, headers, &body).await,
        Fault::Slow => {
            sleep(Duration::from_secs(1)).await;
            forward(&state, headers, body).await
        }
        Fault::OtherContent => {
            ([(header::CONTENT_TYPE, "text/html")], "<html>internal text</html>").into_response()
        }
    }
}

impl Proxied {
    /// Returns the fault for a request. The longest name that it contains decides.
    fn aimed(&self, body: &[u8]) -> Fault {
        let body = String::from_utf8_lossy(body);
        let mut aimed = self.aimed.lock().unwrap_or_else(PoisonError::into_inner);
        let named = aimed.iter_mut().filter(|(name, _)| body.contains(*name));
        let Some((_, (aim, count))) = named.max_by_key(|(name, _)| name.len()) else { return Fault::None };
        *count += 1;
        let aim = aim.filter(|aim| *count == aim.after + 1 || (aim.lasts && *count > aim.after));
        aim.map_or(Fault::None, |aim| aim.fault)
    }
}

/// Returns the first half of the response, and then ends the connection.
async fn cut(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.expect("the engine's response");
    let half: Result<_, io::Error> = Ok(whole.slice(..whole.len() / 2));
    // The half that was sent has to arrive before the connection ends.
    let end = stream::once(async {
        sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("cut"))
    });
    let body = Body::from_stream(stream::iter([half]).chain(end));
    (parts.status, [(header::CONTENT_LENGTH, whole.len())], body).into_response()
}

async fn forward(state: &Proxied, mut headers: HeaderMap, body: Bytes) -> Response {
    headers.remove(header::HOST);
    let response =
        state.http.post(&state.engine).headers(headers).body(body).send().await.expect("the engine responds");
    let (status, mut headers) = (response.status(), response.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    (status, headers, response.bytes().await.expect("the engine's response arrives")).into_response()
}

/// Forwards the first half of a batch. Other requests are forwarded whole.
async fn half(state: &Proxied, mut headers: HeaderMap, body: &Bytes) -> Response {
    let mut input: Value = serde_json::from_slice(body).unwrap_or_default();
    let is =
        |action: &[u8]| headers.get("x-amz-target").is_some_and(|target| target.as_bytes().ends_with(action));
    let (is_read, is_batch) = (is(b".BatchGetItem"), is(b".BatchGetItem") || is(b".BatchWriteItem"));
    let mut left = serde_json::Map::new();
    let tables = input["RequestItems"].as_object_mut().filter(|_| is_batch);
    for (table, asked) in tables.into_iter().flatten() {
        let mut rest = asked.clone();
        let [all, of_rest] = [asked, &mut rest].map(|of| if is_read { &mut of["Keys"] } else { of });
        let all = all.as_array_mut().expect("what is asked for");
        *of_rest = all.split_off(all.len().div_ceil(2)).into();
        if of_rest.as_array().is_some_and(|rest| !rest.is_empty()) {
            left.insert(table.clone(), rest);
        }
    }
    headers.remove(header::CONTENT_LENGTH);
    let whole = forward(state, headers, input.to_string().into()).await;
    let (parts, body) = whole.into_parts();
    let response = axum::body::to_bytes(body, usize::MAX).await.expect("the engine's response");
    let mut response: Value = serde_json::from_slice(&response).unwrap_or_default();
    if !left.is_empty() {
        response[if is_read { "UnprocessedKeys" } else { "UnprocessedItems" }] = left.into();
    }
    (parts.status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], response.to_string())
        .into_response()
}

fn rejection(status: StatusCode, code: &str) -> Response {
    let body =
        format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "internal text"}}"#);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
}
