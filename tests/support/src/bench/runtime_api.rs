//! The Lambda Runtime API of one process, which records the times of its polls and responses.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// An event in a process's life.
pub enum ProcessEvent {
    /// The process polled for an event.
    Polled(Instant),
    /// The process responded.
    Responded(Instant, Bytes),
    /// The process reported an error.
    Failed(String),
}

pub struct RuntimeApi {
    pub address: String,
    events: mpsc::Sender<String>,
    process_events: mpsc::Receiver<ProcessEvent>,
    _tasks: JoinSet<()>,
}

struct Api {
    events: Mutex<mpsc::Receiver<String>>,
    process_events: mpsc::Sender<ProcessEvent>,
}

impl RuntimeApi {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (events, receiver) = mpsc::channel(1);
        let (sender, process_events) = mpsc::channel(4);
        let api = Arc::new(Api { events: Mutex::new(receiver), process_events: sender });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/benchmark/response", post(response))
            .route("/2018-06-01/runtime/invocation/benchmark/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error))
            .layer(DefaultBodyLimit::disable())
            .with_state(api);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            use axum::serve::ListenerExt;
            let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the Runtime API failed: {error}");
            }
        });
        Ok(Self { address, events, process_events, _tasks: tasks })
    }

    pub async fn hand_out(&self, event: String) -> Result<()> {
        self.events.send(event).await.context("the Runtime API has ended")
    }

    pub async fn next_event(&mut self) -> Result<ProcessEvent> {
        self.process_events.recv().await.context("the Runtime API has ended")
    }
}

async fn next(State(api): State<Arc<Api>>) -> Result<(HeaderMap, String), StatusCode> {
    let gone = |_| StatusCode::GONE;
    api.process_events.send(ProcessEvent::Polled(Instant::now())).await.map_err(gone)?;
    let event = api.events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", "benchmark"),
        ("lambda-runtime-deadline-ms", "9999999999999"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:benchmark"),
        ("content-type", "application/json"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok((headers, event))
}

async fn response(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    let sent = api.process_events.send(ProcessEvent::Responded(Instant::now(), body)).await;
    if sent.is_ok() { StatusCode::ACCEPTED } else { StatusCode::GONE }
}

async fn error(State(api): State<Arc<Api>>, body: String) -> StatusCode {
    let sent = api.process_events.send(ProcessEvent::Failed(body)).await;
    if sent.is_ok() { StatusCode::ACCEPTED } else { StatusCode::GONE }
}
