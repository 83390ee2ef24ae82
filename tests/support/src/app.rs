//! The service under test: the functions' executables behind the template's routes, on one engine.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use session_local::{
    backend::{
        client::{Feed, feed_url},
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    },
    cost::prices::Prices,
    emulator::{clock::Clock, dynamodb::DynamoDb, jwt::Issuer, template::Route},
    service::{Options, Service},
};
use tokio::{sync::Notify, time::timeout};

use crate::{deployment::Deployment, dynamodb_local::DynamoDbLocal};

/// The engine name of a deployed service, which uses the cloud's own database.
pub const DEPLOYED: &str = "deployed";

/// The functions' log lines.
#[derive(Default)]
pub struct Logs {
    lines: Mutex<Lines>,
    arrived: Notify,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    by_request: HashMap<String, Value>,
}

impl Logs {
    fn add(&self, function: &str, line: &str) {
        let mut lines = self.lines();
        lines.all.push(format!("{function}: {line}"));
        if let Ok(line) = serde_json::from_str::<Value>(line)
            && let Some(request_id) = line["requestId"].as_str()
        {
            let request_id = request_id.to_owned();
            lines.by_request.entry(request_id).or_insert(line);
        }
        drop(lines);
        self.arrived.notify_waiters();
    }

    /// Returns the log line of a request. It arrives separately from the response, and may come a moment later.
    pub async fn of(&self, request_id: &str) -> Value {
        let search = async {
            loop {
                let arrived = self.arrived.notified();
                let found = self.lines().by_request.get(request_id).cloned();
                if let Some(line) = found {
                    return line;
                }
                arrived.await;
            }
        };
        timeout(Duration::from_secs(20), search).await.expect("the request is logged")
    }

    /// Everything logged so far.
    pub fn all(&self) -> String {
        self.lines().all.join("\n")
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service on one engine.
pub struct App {
    engine: &'static str,
    executables: HashMap<String, PathBuf>,
    hosting: Hosting,
    is_itself: bool,
    pub logs: Arc<Logs>,
    pub http: reqwest::Client,
    pub feed: Feed,
    /// The engine, if it was started for this service.
    _engine: Option<DynamoDbLocal>,
}

/// The place where the service runs.
enum Hosting {
    /// The service was started by `infra/local`.
    Local(Service),
    /// The service was deployed by its template.
    Deployed(Box<Deployment>),
}

impl App {
    /// Starts the service on the embedded engine, or on the given one.
    pub async fn start(
        name: &'static str,
        engine: Option<DynamoDbLocal>,
        executables: HashMap<String, PathBuf>,
    ) -> anyhow::Result<Self> {
        let endpoint = engine.as_ref().map(|engine| engine.endpoint().to_owned());
        let app = Self::start_with(name, executables, |options| options.dynamodb_endpoint = endpoint);
        Ok(Self { _engine: engine, ..app.await? })
    }

    async fn start_with(
        engine: &'static str,
        executables: HashMap<String, PathBuf>,
        change: impl FnOnce(&mut Options),
    ) -> anyhow::Result<Self> {
        let logs = Arc::new(Logs::default());
        let sink = Arc::clone(&logs);
        let mut options = Options {
            listener: session_local::service::listen(0).await?,
            data: None,
            dynamodb_endpoint: None,
            functions_endpoint: None,
            parameters: HashMap::new(),
            executables: executables.clone(),
            log: Arc::new(move |function, line| sink.add(function, line)),
            clock: Clock::default(),
            tracing: None,
        };
        change(&mut options);
        let service = Service::start(options).await?;
        let feed = Feed::new(service.url(), LOCAL_APP_KEY, LOCAL_APP_SECRET).by(service.clock().clone());
        let (hosting, http) = (Hosting::Local(service), session_local::http::client());
        Ok(Self { engine, executables, hosting, is_itself: true, logs, http, feed, _engine: None })
    }

    /// Deploys the service. The logs of its functions stay in that cloud.
    pub async fn deploy() -> Result<Self, String> {
        let deployment = Deployment::start().await?;
        let (http, feed) = (deployment.stack.http.clone(), deployment.stack.feed(LOCAL_APP_SECRET));
        let (hosting, logs) = (Hosting::Deployed(Box::new(deployment)), Arc::default());
        Ok(Self {
            engine: DEPLOYED,
            executables: HashMap::new(),
            hosting,
            is_itself: true,
            logs,
            http,
            feed,
            _engine: None,
        })
    }

    /// Starts another service on the same tables.
    async fn sibling(&self, change: impl FnOnce(&mut Options)) -> Self {
        let endpoint = self.dynamodb().endpoint().to_owned();
        let app = Self::start_with(self.engine, self.executables.clone(), |options| {
            options.dynamodb_endpoint = Some(endpoint);
            change(options);
        });
        app.await.expect("a second service starts")
    }

    /// Starts another service on the same tables, whose functions reach them at another address.
    pub async fn behind(&self, functions_endpoint: &str) -> Self {
        self.sibling(|options| options.functions_endpoint = Some(functions_endpoint.to_owned())).await
    }

    /// Starts another service on the same tables, with another executable in place of a function.
    pub async fn with_function(&self, function: &str, executable: &str) -> Self {
        let executable = self.executables[executable].clone();
        let app = self.sibling(|options| {
            options.executables.insert(function.to_owned(), executable);
        });
        Self { is_itself: false, ..app.await }
    }

    /// Starts another service on the same tables, with other parameters of the template.
    pub async fn with_parameters(&self, parameters: &[(&'static str, &str)]) -> Self {
        let parameters = parameters.iter().map(|(name, value)| (*name, (*value).to_owned()));
        self.sibling(|options| options.parameters = parameters.collect()).await
    }

    /// Starts a service on its own embedded engine.
    pub async fn on_a_new_engine(&self) -> Self {
        self.alone(|_| {}).await
    }

    /// Starts a service on its own embedded engine, with traced requests.
    pub async fn traced(&self) -> Self {
        self.alone(|options| options.tracing = Some(Prices::of_the_repository().expect("a price table")))
            .await
    }

    async fn alone(&self, change: impl FnOnce(&mut Options)) -> Self {
        let app = Self::start_with("embedded", self.executables.clone(), change);
        app.await.expect("a second service starts")
    }

    pub fn engine(&self) -> &'static str {
        self.engine
    }

    /// Whether all functions are the service's own.
    pub fn is_itself(&self) -> bool {
        self.is_itself
    }

    pub fn executable(&self, name: &str) -> &PathBuf {
        &self.executables[name]
    }

    /// Stops everything that does not end by itself.
    pub async fn stop(&self) {
        if let Hosting::Deployed(deployment) = &self.hosting {
            deployment.stop().await;
        }
    }

    /// The URL of the API.
    pub fn url(&self) -> &str {
        match &self.hosting {
            Hosting::Local(service) => service.url(),
            Hosting::Deployed(deployment) => &deployment.stack.url,
        }
    }

    /// The URL of the feed endpoint.
    pub fn feed_url(&self) -> String {
        match &self.hosting {
            Hosting::Local(service) => feed_url(service.url()),
            Hosting::Deployed(deployment) => deployment.stack.feed_url.clone(),
        }
    }

    /// The issuer of the service's tokens.
    pub fn issuer(&self) -> &Issuer {
        match &self.hosting {
            Hosting::Local(service) => service.issuer(),
            Hosting::Deployed(deployment) => &deployment.issuer,
        }
    }

    pub fn routes(&self) -> &[Route] {
        match &self.hosting {
            Hosting::Local(service) => service.routes(),
            Hosting::Deployed(deployment) => &deployment.routes,
        }
    }

    /// The engine behind the service.
    pub fn dynamodb(&self) -> &DynamoDb {
        match &self.hosting {
            Hosting::Local(service) => service.dynamodb(),
            Hosting::Deployed(deployment) => &deployment.dynamodb,
        }
    }

    /// The name of the table with this logical id.
    pub fn table<'a>(&'a self, logical_id: &'a str) -> &'a str {
        match &self.hosting {
            Hosting::Local(_) => logical_id,
            Hosting::Deployed(deployment) => deployment.stack.table(logical_id),
        }
    }

    /// Returns the service, which must be a local one.
    pub fn service(&self) -> &Service {
        match &self.hosting {
            Hosting::Local(service) => service,
            Hosting::Deployed(_) => panic!("this scenario is of a service on this machine"),
        }
    }

    /// Returns the deployment. The service must be deployed.
    pub fn deployment(&self) -> &Deployment {
        match &self.hosting {
            Hosting::Deployed(deployment) => deployment,
            Hosting::Local(_) => panic!("this scenario is of a deployed service"),
        }
    }
}
