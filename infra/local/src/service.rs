//! Starts and stops the local service as a whole.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, sync::broadcast, task::JoinSet};

use crate::{
    backend::signing::{KeyPair, LOCAL_APP_KEY, LOCAL_APP_SECRET},
    console::{
        dev_routes::{self, LocalService},
        recorder::{Completed, LogSink, Recorder},
        trace::{self, Tracer},
    },
    cost::prices::Prices,
    emulator::{
        clock::Clock,
        dynamodb::DynamoDb,
        gateway::{self, Gateway, ISSUER_PATH, Routes},
        jwt::{Authorizer, Issuer},
        lambda::{Function, Program},
        observer::Observer,
        template::{self, Route, Template},
    },
};

const AUDIENCE: &str = "local";

/// The options of a service.
pub struct Options {
    /// The listener to serve on, created by [`listen`].
    pub listener: TcpListener,
    /// The folder of the embedded engine's data. Without one, data is in memory.
    pub data: Option<PathBuf>,
    /// The URL of a running engine to use instead of the embedded one.
    pub dynamodb_endpoint: Option<String>,
    /// The engine's URL for the functions, if it differs: a proxy in front of the engine.
    pub functions_endpoint: Option<String>,
    /// The template's parameters that differ from their defaults.
    pub parameters: HashMap<&'static str, String>,
    /// The functions' executables by name.
    pub executables: HashMap<String, PathBuf>,
    /// The sink of the functions' output.
    pub log: LogSink,
    /// The clock of the service and its functions.
    pub clock: Clock,
    /// The prices that give traced requests their cost. Without them, requests are not traced.
    pub tracing: Option<Prices>,
}

/// A service that runs until it is dropped.
pub struct Service {
    gateway: Arc<Gateway>,
    recorder: Arc<Recorder>,
    dynamodb: DynamoDb,
    routes: Vec<Route>,
    // Dropping the tasks stops everything: the server, the engine, and the functions with their processes.
    _tasks: JoinSet<()>,
}

/// Listens on a loopback port; 0 chooses a free one.
pub async fn listen(port: u16) -> Result<TcpListener> {
    let hint = || {
        format!(
            "cannot serve on port {port}: is cargo local already running? Choose another port with --port, or 0 for any free one"
        )
    };
    TcpListener::bind(("127.0.0.1", port)).await.with_context(hint)
}

impl Service {
    /// Starts the service. It accepts requests when this returns.
    pub async fn start(options: Options) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let url = format!("http://{}", options.listener.local_addr()?);
        let issuer = Issuer::with_shared_key(
            format!("{url}{ISSUER_PATH}"),
            AUDIENCE.to_owned(),
            options.clock.clone(),
        )?;
        let mut parameters = HashMap::from([
            ("JwtIssuer", issuer.url().to_owned()),
            ("JwtAudience", AUDIENCE.to_owned()),
            ("MessageCopyAppKey", LOCAL_APP_KEY.to_owned()),
            ("MessageCopyAppSecret", LOCAL_APP_SECRET.to_owned()),
        ]);
        parameters.extend(options.parameters.clone());
        let signed_by = KeyPair::of(&parameters);
        let template = Template::on_one_address(&parameters)?;
        let dynamodb = match &options.dynamodb_endpoint {
            Some(endpoint) => DynamoDb::at(endpoint),
            None => DynamoDb::embedded(options.data.as_deref(), &mut tasks).await?,
        };
        dynamodb.create_tables(&template.tables).await?;
        // Another engine deletes expired items itself, or they are not ours to delete.
        let swept = if options.dynamodb_endpoint.is_none() { template.tables.clone() } else { Vec::new() };
        dynamodb.keep_swept(swept.clone(), options.clock.clone(), &mut tasks);
        let endpoint = options.functions_endpoint.as_deref().unwrap_or(dynamodb.endpoint());
        let tracer = match options.tracing.clone() {
            None => None,
            Some(prices) => Some(trace::start(endpoint, prices, options.clock.clone(), &mut tasks).await?),
        };
        let recorder = Arc::new(Recorder::new(tracer, Arc::clone(&options.log)));
        let gateway = Arc::new(Gateway {
            url,
            routes: Routes::new(&template.routes)?,
            authorizer: Authorizer::new(template.authorizer.clone(), issuer.keys()?, options.clock.clone()),
            issuer: Arc::new(issuer),
            functions: functions(&template, endpoint, &options, &recorder)?,
            clock: options.clock,
            observer: Arc::clone(&recorder) as Arc<dyn Observer>,
        });
        let dev_routes = dev_routes::router(LocalService {
            gateway: Arc::clone(&gateway),
            recorder: Arc::clone(&recorder),
            dynamodb: dynamodb.clone(),
            swept,
            signed_by,
        });
        let router = gateway::router(&gateway, &template.cors, dev_routes)?;
        tasks.spawn(async move {
            if let Err(error) = axum::serve(options.listener, router).await {
                eprintln!("the gateway failed: {error}");
            }
        });
        Ok(Self { gateway, recorder, dynamodb, routes: template.routes, _tasks: tasks })
    }

    /// The URL of the API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.gateway.url
    }

    /// The option that directs the other commands to this service. It is empty if the service is at their default URL.
    #[must_use]
    pub fn url_option(&self) -> String {
        self.gateway.url_option()
    }

    /// The engine behind the service.
    #[must_use]
    pub fn dynamodb(&self) -> &DynamoDb {
        &self.dynamodb
    }

    /// The issuer of the service's tokens.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.gateway.issuer
    }

    /// The tracer, which keeps the last requests, if requests are traced.
    #[must_use]
    pub fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.recorder.tracer()
    }

    /// Subscribes to the service's completed requests.
    #[must_use]
    pub fn completed(&self) -> broadcast::Receiver<Completed> {
        self.recorder.completed()
    }

    /// The clock of the service.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.gateway.clock
    }

    /// The routes of the service.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The memory that the template gives to a function, by the name of its executable.
    #[must_use]
    pub fn memory_mb(&self, name: &str) -> Option<u64> {
        let mut functions = self.gateway.functions.values().map(|function| function.program());
        functions.find(|program| program.name == name).map(|program| program.memory_mb)
    }

    /// The function with this logical id.
    #[must_use]
    pub fn function(&self, id: &str) -> Option<&Function> {
        self.gateway.functions.get(id).map(AsRef::as_ref)
    }
}

fn functions(
    template: &Template,
    endpoint: &str,
    options: &Options,
    recorder: &Arc<Recorder>,
) -> Result<BTreeMap<String, Arc<Function>>> {
    let own = [
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let program = |(id, function): (&String, &template::Function)| {
        let binary = &function.binary;
        let executable =
            options.executables.get(binary).with_context(|| format!("{id}: no executable {binary}"))?;
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let program = Program {
            name: binary.clone(),
            operation: function.description.clone(),
            executable: executable.clone(),
            variables: function.environment.clone().into_iter().chain(own).collect(),
            timeout: function.timeout,
            memory_mb: function.memory_mb,
            clock: options.clock.clone(),
            observer: Arc::clone(recorder) as Arc<dyn Observer>,
        };
        Ok((id.clone(), Arc::new(Function::new(program))))
    };
    template.functions.iter().map(program).collect()
}
