//! One execution environment: a process, and the Runtime API that it polls.
//!
//! Each process has its own Runtime API on a loopback port, so the sender of a response is known without a lookup.

use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc},
    task::JoinSet,
};
use uuid::Uuid;

use super::program::Program;
use crate::emulator::{
    clock::Clock,
    observer::{Observer, ProcessObserver},
};

/// The longest response that Lambda accepts: 6 MB plus a margin of 100 bytes.
const MAX_RESPONSE_BYTES: usize = 6 * 1024 * 1024 + 100;

pub(super) struct ExecutionEnvironment {
    process: Child,
    events: mpsc::Sender<Invocation>,
    outcomes: mpsc::Receiver<InvocationResult>,
    timeout: Duration,
    observer: Option<Box<dyn ProcessObserver>>,
    clock: Clock,
    /// How far its clock is ahead.
    ahead_ms: u64,
    // Dropped with the environment, so that the Runtime API and the readers of the output end with the process.
    _tasks: JoinSet<()>,
}

struct Invocation {
    request_id: String,
    deadline_ms: u64,
    event: String,
}

/// The outcome that a process reports for its current invocation, or an error at its start.
struct InvocationResult {
    request_id: Option<String>,
    result: Result<Value, String>,
}

struct RuntimeApi {
    events: Mutex<mpsc::Receiver<Invocation>>,
    outcomes: mpsc::Sender<InvocationResult>,
}

impl ExecutionEnvironment {
    /// Starts a process, which will first handle the request with this id.
    pub(super) async fn start(program: &Program, request_id: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (events, receiver) = mpsc::channel(1);
        let (sender, outcomes) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        let api = router(Arc::new(RuntimeApi { events: Mutex::new(receiver), outcomes: sender }));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, api).await {
                eprintln!("the Runtime API failed: {error}");
            }
        });
        let ahead_ms = program.clock.ahead_ms();
        let observer = program.observer.process();
        let mut command = command(program, address, ahead_ms);
        if let Some(observer) = &observer {
            observer.handles(request_id);
            command.env("AWS_ENDPOINT_URL_DYNAMODB", observer.dynamodb_endpoint());
        }
        let mut process =
            command.spawn().with_context(|| format!("cannot start {}", program.executable.display()))?;
        if let Some(output) = process.stdout.take() {
            tasks.spawn(forward(output, program.name.clone(), Arc::clone(&program.observer)));
        }
        if let Some(output) = process.stderr.take() {
            tasks.spawn(forward(output, program.name.clone(), Arc::clone(&program.observer)));
        }
        let (timeout, clock) = (program.timeout, program.clock.clone());
        Ok(Self { process, events, outcomes, timeout, observer, clock, ahead_ms, _tasks: tasks })
    }

    /// Whether its process is running, with the clock offset that the service has now.
    pub(super) fn is_alive(&mut self) -> bool {
        self.ahead_ms == self.clock.ahead_ms() && matches!(self.process.try_wait(), Ok(None))
    }

    pub(super) fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Passes an event to the process, and waits for the response or the end of the process. `of` is the id of the HTTP request,
    /// for the trace.
    pub(super) async fn invoke(&mut self, event: &Value, of: &str) -> Result<Value, String> {
        if let Some(observer) = &self.observer {
            observer.handles(of);
        }
        let request_id = Uuid::new_v4().to_string();
        let deadline_ms = self.clock.now_ms() + u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let invocation = Invocation { request_id: request_id.clone(), deadline_ms, event: event.to_string() };
        // The channel holds one invocation, so this never waits.
        self.events.send(invocation).await.map_err(|_| "the Runtime API has ended".to_owned())?;
        loop {
            tokio::select! {
                outcome = self.outcomes.recv() => {
                    let outcome = outcome.ok_or("the Runtime API has ended")?;
                    if outcome.request_id.as_ref().is_none_or(|of| *of == request_id) {
                        return outcome.result;
                    }
                }
                status = self.process.wait() => {
                    return Err(status.map_or_else(|error| error.to_string(), |status| format!("the process ended: {status}")));
                }
            }
        }
    }
}

/// Creates the command for the process. As on Lambda, it inherits nothing from this process's environment.
fn command(program: &Program, runtime_api: SocketAddr, ahead_ms: u64) -> Command {
    let mut command = Command::new(&program.executable);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &program.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", program.memory_mb.to_string())
        .env("CLOCK_OFFSET_MS", ahead_ms.to_string())
        .envs(&program.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn forward(output: impl AsyncRead + Unpin, name: String, observer: Arc<dyn Observer>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        observer.logged(&name, &line);
    }
}

fn router(api: Arc<RuntimeApi>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request_id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{request_id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Result<(HeaderMap, String), StatusCode> {
    let invocation = api.events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", invocation.request_id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:local".into(),
        ),
        ("content-type", "application/json".into()),
    ] {
        let value = HeaderValue::from_str(&value).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok((headers, invocation.event))
}

async fn response(
    State(api): State<Arc<RuntimeApi>>,
    Path(request_id): Path<String>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let result = if body.len() > MAX_RESPONSE_BYTES {
        Err(format!("the response of {} bytes is longer than Lambda allows", body.len()))
    } else {
        serde_json::from_slice(&body).map_err(|_| "the response is not JSON".to_owned())
    };
    accept(&api, Some(request_id), result).await
}

async fn error(
    State(api): State<Arc<RuntimeApi>>,
    Path(request_id): Path<String>,
    body: String,
) -> (StatusCode, Json<Value>) {
    accept(&api, Some(request_id), Err(body)).await
}

async fn init_error(State(api): State<Arc<RuntimeApi>>, body: String) -> (StatusCode, Json<Value>) {
    accept(&api, None, Err(body)).await
}

async fn accept(
    api: &RuntimeApi,
    request_id: Option<String>,
    result: Result<Value, String>,
) -> (StatusCode, Json<Value>) {
    match api.outcomes.send(InvocationResult { request_id, result }).await {
        Ok(()) => (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))),
        Err(_) => (StatusCode::GONE, Json(json!({"errorMessage": "the environment has ended"}))),
    }
}
