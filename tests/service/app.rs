//! The service under test: real executables behind the template's routes, on one engine.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use session_local::{
    Options, Service,
    feed::{Feed, LOCAL_APP_KEY, LOCAL_APP_SECRET},
};
use tokio::{sync::Notify, time::timeout};

/// The functions' log lines, by request.
#[derive(Default)]
pub(crate) struct Logs {
    lines: Mutex<Vec<(String, String)>>,
    arrived: Notify,
}

impl Logs {
    fn add(&self, function: &str, line: &str) {
        self.lines().push((function.to_owned(), line.to_owned()));
        self.arrived.notify_waiters();
    }

    /// The log line of one request. It travels apart from the answer, so it may come a moment later.
    pub(crate) async fn of(&self, request_id: &str) -> Value {
        let search = async {
            loop {
                let arrived = self.arrived.notified();
                let found = self.lines().iter().find_map(|(_, line)| {
                    let line: Value = serde_json::from_str(line).ok()?;
                    (line["requestId"] == request_id).then_some(line)
                });
                if let Some(line) = found {
                    return line;
                }
                arrived.await;
            }
        };
        timeout(Duration::from_secs(20), search).await.expect("the request is logged")
    }

    /// Everything logged so far.
    pub(crate) fn all(&self) -> String {
        let lines: Vec<_> =
            self.lines().iter().map(|(function, line)| format!("{function}: {line}")).collect();
        lines.join("\n")
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<(String, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service on one engine.
pub(crate) struct App {
    engine: &'static str,
    executables: HashMap<String, PathBuf>,
    pub(crate) service: Service,
    pub(crate) logs: Arc<Logs>,
    pub(crate) http: reqwest::Client,
    pub(crate) feed: Feed,
}

impl App {
    /// Starts it on the embedded engine, or on the one at this address.
    pub(crate) async fn start(
        engine: &'static str,
        endpoint: Option<&str>,
        executables: HashMap<String, PathBuf>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        Self::start_with(engine, endpoint, None, executables).await
    }

    async fn start_with(
        engine: &'static str,
        endpoint: Option<&str>,
        functions_endpoint: Option<&str>,
        executables: HashMap<String, PathBuf>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let logs = Arc::new(Logs::default());
        let sink = Arc::clone(&logs);
        let service = Service::start(Options {
            listener: session_local::listen(0).await?,
            data: None,
            dynamodb_endpoint: endpoint.map(str::to_owned),
            functions_endpoint: functions_endpoint.map(str::to_owned),
            executables: executables.clone(),
            log: Arc::new(move |function, line| sink.add(function, line)),
        })
        .await?;
        let feed = Feed::new(service.url(), LOCAL_APP_KEY, LOCAL_APP_SECRET);
        Ok(Self { engine, executables, service, logs, http: reqwest::Client::new(), feed })
    }

    /// The same tables behind a service of its own, whose functions reach them by another address.
    pub(crate) async fn behind(&self, functions_endpoint: &str) -> Self {
        let endpoint = Some(self.service.dynamodb().endpoint());
        let app = Self::start_with(self.engine, endpoint, Some(functions_endpoint), self.executables.clone());
        app.await.expect("a second service starts")
    }

    /// The same tables behind a service of its own, in which another executable stands for a function.
    pub(crate) async fn with_function(&self, function: &str, executable: &str) -> Self {
        let mut executables = self.executables.clone();
        executables.insert(function.to_owned(), self.executables[executable].clone());
        let endpoint = Some(self.service.dynamodb().endpoint());
        Self::start_with(self.engine, endpoint, None, executables).await.expect("a second service starts")
    }

    /// A service of its own on an embedded engine of its own.
    pub(crate) async fn on_a_new_engine(&self) -> Self {
        Self::start("embedded", None, self.executables.clone()).await.expect("a second service starts")
    }

    pub(crate) fn engine(&self) -> &'static str {
        self.engine
    }

    pub(crate) fn executable(&self, name: &str) -> &PathBuf {
        &self.executables[name]
    }
}
