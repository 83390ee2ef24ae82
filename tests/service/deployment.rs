//! The template, deployed as an operator deploys it: built by `sam build`, deployed by `sam deploy`, to MiniStack, a local
//! cloud on a loopback port. What MiniStack does otherwise than AWS is listed in `tests/ministack/README.md`.

use std::{collections::HashMap, net::SocketAddr, process::Stdio, time::Duration};

use axum::{Json, Router, routing::get};
use serde_json::Value;
use session_local::{
    dynamodb::DynamoDb,
    executables::workspace,
    feed::{Feed, LOCAL_APP_KEY, LOCAL_APP_SECRET},
    jwt::Issuer,
    template::Route,
};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    dynamodb_local::free_port,
    scenarios::template,
    tools::{Tools, run},
};

const STACK: &str = "session-service";
const AUDIENCE: &str = "app";
/// The secret that the stack was made with.
pub(crate) const OLD_SECRET: &str = "the secret before";

/// A deployed stack; everything that was started for it ends with this.
pub(crate) struct Deployment {
    pub(crate) url: String,
    /// Reaches the API: its host name is nobody's outside of MiniStack.
    pub(crate) http: reqwest::Client,
    pub(crate) issuer: Issuer,
    pub(crate) dynamodb: DynamoDb,
    pub(crate) routes: Vec<Route>,
    pub(crate) tools: Tools,
    outputs: HashMap<String, String>,
    cloud: Cloud,
    _tasks: JoinSet<()>,
}

impl Deployment {
    /// Installs the tools, builds, starts the cloud and deploys: first with an old secret, then updated to a new one, as when
    /// secrets rotate.
    pub(crate) async fn start() -> Result<Self, String> {
        let (tools, ministack) = (Tools::for_the_template().await?, Tools::ministack().await?);
        build(&tools).await?;
        let mut tasks = JoinSet::new();
        let issuer = serve_issuer(&mut tasks).await?;
        let cloud = Cloud::start(&ministack).await?;
        let parameters = |secret: &str, previous: &str| {
            vec![
                ("Architecture", ARCHITECTURE.to_owned()),
                ("JwtIssuer", issuer.url().to_owned()),
                ("JwtAudience", AUDIENCE.to_owned()),
                ("MessageCopyAppKey", LOCAL_APP_KEY.to_owned()),
                ("MessageCopyAppSecret", secret.to_owned()),
                ("MessageCopyPreviousAppSecret", previous.to_owned()),
            ]
        };
        cloud.deploy(&tools, &parameters(OLD_SECRET, "")).await?;
        cloud.deploy(&tools, &parameters(LOCAL_APP_SECRET, OLD_SECRET)).await?;
        let outputs = cloud.sam(&tools, &["list", "stack-outputs", "--output", "json"]).await?;
        let outputs = outputs_of(&outputs)?;
        let url = outputs.get("ApiUrl").ok_or("the stack has no ApiUrl")?.clone();
        let host = url.trim_start_matches("http://").split(':').next().unwrap_or_default();
        let http = reqwest::Client::builder().resolve(host, cloud.address).build();
        Ok(Self {
            http: http.map_err(|error| error.to_string())?,
            url,
            issuer,
            dynamodb: DynamoDb::at(&cloud.endpoint()),
            routes: template().routes,
            tools,
            outputs,
            cloud,
            _tasks: tasks,
        })
    }

    /// The messaging backend, with this secret.
    pub(crate) fn feed(&self, secret: &str) -> Feed {
        Feed::new(&self.url, LOCAL_APP_KEY, secret).through(self.http.clone())
    }

    /// The name that a table was given.
    pub(crate) fn table(&self, logical_id: &str) -> &str {
        &self.outputs[&format!("{logical_id}Name")]
    }

    /// Stops the cloud, and with it its functions.
    pub(crate) async fn stop(&self) {
        let mut process = self.cloud.process.lock().await;
        if let Some(id) = process.id() {
            let _ = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        }
        let _ = timeout(Duration::from_secs(20), process.wait()).await;
    }
}

#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: &str = "arm64";
#[cfg(not(target_arch = "aarch64"))]
const ARCHITECTURE: &str = "x86_64";

/// `sam build`, without the minutes of link-time optimisation that a release takes.
async fn build(tools: &Tools) -> Result<(), String> {
    eprintln!("sam build (minutes the first time)");
    let mut sam = tools.command("sam");
    sam.current_dir(workspace().join("infra"))
        .args(["build", "--parameter-overrides", &format!("Architecture={ARCHITECTURE}")])
        .env("SAM_CLI_TELEMETRY", "0")
        .env("CARGO_TARGET_DIR", workspace().join("target/deployed"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    run(&mut sam).await.map(|_| ())
}

/// An issuer of tokens whose keys the gateway reads.
async fn serve_issuer(tasks: &mut JoinSet<()>) -> Result<Issuer, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let issuer = Issuer::new(format!("http://{address}"), AUDIENCE.to_owned());
    let issuer = issuer.map_err(|error| error.to_string())?;
    let keys = issuer.keys().and_then(|keys| Ok(serde_json::to_value(keys)?));
    let (configuration, keys) = (issuer.configuration(), keys.map_err(|error| error.to_string())?);
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async || Json(configuration)))
        .route("/.well-known/jwks.json", get(async || Json(keys)));
    tasks.spawn(async move { axum::serve(listener, router).await.expect("the issuer serves") });
    Ok(issuer)
}

/// MiniStack, running.
struct Cloud {
    address: SocketAddr,
    process: Mutex<Child>,
}

impl Cloud {
    async fn start(ministack: &Tools) -> Result<Self, String> {
        let port = free_port().await?;
        let mut command = ministack.command("ministack");
        let process = command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_ENABLED", "0")
            // Functions inherit it, and with it reach the cloud's own database.
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("MiniStack does not run: {error}"))?;
        let cloud = Self { address: SocketAddr::from(([127, 0, 0, 1], port)), process: Mutex::new(process) };
        let dynamodb = DynamoDb::at(&cloud.endpoint());
        let give_up = Instant::now() + Duration::from_mins(1);
        while let Err(error) = dynamodb.call("ListTables", &serde_json::json!({})).await {
            if Instant::now() > give_up {
                return Err(format!("MiniStack does not answer: {error:#}"));
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(cloud)
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn deploy(&self, tools: &Tools, parameters: &[(&str, String)]) -> Result<(), String> {
        eprintln!("sam deploy");
        let given: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let mut arguments = vec!["deploy", "--no-confirm-changeset", "--parameter-overrides"];
        arguments.extend(given.iter().map(String::as_str));
        self.sam(tools, &arguments).await.map(|_| ())
    }

    /// A command of the SAM CLI on the stack, with the settings of `samconfig.toml`.
    async fn sam(&self, tools: &Tools, arguments: &[&str]) -> Result<String, String> {
        run(self.command(tools, "sam").args(arguments).args(["--stack-name", STACK])).await
    }

    /// A tool that takes this for AWS.
    fn command(&self, tools: &Tools, name: &str) -> Command {
        let mut command = tools.command(name);
        command
            .current_dir(workspace().join("infra"))
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("SAM_CLI_TELEMETRY", "0");
        command
    }
}

/// The stack's outputs.
fn outputs_of(json: &str) -> Result<HashMap<String, String>, String> {
    let entries: Vec<Value> = serde_json::from_str(json).map_err(|error| format!("{error}: {json}"))?;
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    Ok(entries.iter().map(|entry| (text(entry, "OutputKey"), text(entry, "OutputValue"))).collect())
}
