//! The template, deployed as an operator deploys it: built by `sam build` and deployed by `sam deploy`, to MiniStack, a local cloud
//! on a loopback port. `tests/ministack/README.md` lists how MiniStack differs from AWS.

use std::{collections::HashMap, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use axum::{Json, Router, routing::get};
use serde_json::Value;
use session_local::{
    backend::{
        client::Feed,
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    },
    emulator::{clock::Clock, dynamodb::DynamoDb, jwt::Issuer, template::Route},
    workspace::workspace,
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
    repository::template,
    terminal,
    tools::{Tools, run},
};

/// The stack that most scenarios run on.
pub const STACK: &str = "session-service";
const AUDIENCE: &str = "app";
/// The secret that the stack was created with.
pub const OLD_SECRET: &str = "the secret before";

/// The deployed service and its cloud. Everything that was started for it ends when this is dropped.
pub struct Deployment {
    pub stack: Stack,
    pub issuer: Issuer,
    pub dynamodb: DynamoDb,
    pub routes: Vec<Route>,
    pub tools: Tools,
    pub cloud: Cloud,
    _tasks: JoinSet<()>,
}

/// A stack of the template.
pub struct Stack {
    pub url: String,
    pub feed_url: String,
    /// A client for both URLs. Their host names do not exist outside MiniStack.
    pub http: reqwest::Client,
    outputs: HashMap<String, String>,
}

impl Deployment {
    /// Installs the tools, builds, starts the cloud and deploys. The stack is first deployed with an old secret and then updated to
    /// a new one, as in a rotation of secrets.
    pub async fn start() -> Result<Self, String> {
        let (tools, ministack) = (Tools::for_the_template().await?, Tools::ministack().await?);
        build(&tools).await?;
        let mut tasks = JoinSet::new();
        let issuer = serve_issuer(&mut tasks).await?;
        let cloud = Cloud::start(&ministack).await?;
        cloud.deploy(&tools, STACK, &parameters(&issuer, OLD_SECRET)).await?;
        let mut rotated = parameters(&issuer, LOCAL_APP_SECRET);
        rotated.push(("MessageCopyPreviousAppSecret", OLD_SECRET.to_owned()));
        cloud.deploy(&tools, STACK, &rotated).await?;
        Ok(Self {
            stack: cloud.stack(&tools, STACK).await?,
            issuer,
            dynamodb: DynamoDb::at(&cloud.endpoint()),
            routes: template().routes,
            tools,
            cloud,
            _tasks: tasks,
        })
    }

    /// Deploys another stack, with these parameters set.
    pub async fn deploy(&self, name: &str, own: &[(&'static str, &str)]) -> Result<Stack, String> {
        let mut parameters = parameters(&self.issuer, LOCAL_APP_SECRET);
        parameters.retain(|(name, _)| own.iter().all(|(given, _)| given != name));
        parameters.extend(own.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.cloud.deploy(&self.tools, name, &parameters).await?;
        self.cloud.stack(&self.tools, name).await
    }

    /// Deploys a stack by a file of settings that an operator has filled in.
    pub async fn deploy_by(&self, name: &str, settings: &Path) -> Result<Stack, String> {
        eprintln!("sam deploy by {}", settings.display());
        let mut sam = self.cloud.command(&self.tools, "sam");
        let arguments = ["deploy", "--no-confirm-changeset", "--s3-prefix", name, "--stack-name", name];
        run(sam.args(arguments).arg("--config-file").arg(settings)).await?;
        self.cloud.stack(&self.tools, name).await
    }

    /// Deploys a stack by `sam deploy --guided` at a terminal. `answers` are the answers to questions that contain a text; to any
    /// other question the answer is Enter.
    pub async fn deploy_guided(&self, name: &str, answers: &[(&str, &str)]) -> Result<Stack, String> {
        eprintln!("sam deploy --guided");
        let mut command = self.cloud.command(&self.tools, "sam");
        command.args(["deploy", "--guided", "--s3-prefix", name]);
        terminal::converse(&command, answers).await?;
        self.cloud.stack(&self.tools, name).await
    }

    /// Deletes another stack, as an operator does.
    pub async fn delete(&self, name: &str) -> Result<(), String> {
        let arguments = ["delete", "--no-prompts", "--region", "us-east-1"];
        self.cloud.sam(&self.tools, name, &arguments).await.map(|_| ())
    }

    /// Stops the cloud, and its functions with it.
    pub async fn stop(&self) {
        let mut process = self.cloud.process.lock().await;
        if let Some(id) = process.id() {
            let _ = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        }
        let _ = timeout(Duration::from_secs(20), process.wait()).await;
    }
}

impl Stack {
    /// Returns a feed of the messaging backend with this secret.
    pub fn feed(&self, secret: &str) -> Feed {
        Feed::new(&self.url, LOCAL_APP_KEY, secret).posting_to(&self.feed_url).through(self.http.clone())
    }

    /// Returns the name of a table.
    pub fn table(&self, logical_id: &str) -> &str {
        &self.outputs[&format!("{logical_id}Name")]
    }
}

/// The parameters that a stack requires.
fn parameters(issuer: &Issuer, secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Architecture", ARCHITECTURE.to_owned()),
        ("JwtIssuer", issuer.url().to_owned()),
        ("JwtAudience", AUDIENCE.to_owned()),
        ("MessageCopyAppKey", LOCAL_APP_KEY.to_owned()),
        ("MessageCopyAppSecret", secret.to_owned()),
    ]
}

/// The settings that operators copy.
fn example() -> String {
    workspace().join("infra/samconfig.example.toml").display().to_string()
}

#[cfg(target_arch = "aarch64")]
pub const ARCHITECTURE: &str = "arm64";
#[cfg(not(target_arch = "aarch64"))]
pub const ARCHITECTURE: &str = "x86_64";

/// Runs `sam build` with the settings of the profile `deploy-test`, which omit the minutes of link-time optimisation that a release
/// takes. CI also counts the instructions of these executables.
async fn build(tools: &Tools) -> Result<(), String> {
    eprintln!("sam build (minutes the first time)");
    let mut sam = tools.command("sam");
    sam.current_dir(workspace().join("infra"))
        .args(["build", "--config-file", &example(), "--parameter-overrides"])
        .arg(format!("Architecture={ARCHITECTURE}"))
        .env("SAM_CLI_TELEMETRY", "0")
        .env("CARGO_TARGET_DIR", workspace().join("target/deployed"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    run(&mut sam).await.map(|_| ())
}

/// Serves a token issuer whose keys the gateway reads.
async fn serve_issuer(tasks: &mut JoinSet<()>) -> Result<Issuer, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let issuer = Issuer::new(format!("http://{address}"), AUDIENCE.to_owned(), Clock::default());
    let issuer = issuer.map_err(|error| error.to_string())?;
    let keys = issuer.keys().and_then(|keys| Ok(serde_json::to_value(keys)?));
    let (configuration, keys) = (issuer.configuration(), keys.map_err(|error| error.to_string())?);
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async || Json(configuration)))
        .route("/.well-known/jwks.json", get(async || Json(keys)));
    tasks.spawn(async move { axum::serve(listener, router).await.expect("the issuer serves") });
    Ok(issuer)
}

/// A running MiniStack.
pub struct Cloud {
    pub address: SocketAddr,
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
            // Functions inherit this variable, and reach the cloud's own database with it.
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("MiniStack does not run: {error}"))?;
        let cloud = Self { address: SocketAddr::from(([127, 0, 0, 1], port)), process: Mutex::new(process) };
        let dynamodb = DynamoDb::at(&cloud.endpoint());
        let give_up = Instant::now() + Duration::from_mins(1);
        while let Err(error) = dynamodb.request("ListTables", &serde_json::json!({})).await {
            if Instant::now() > give_up {
                return Err(format!("MiniStack does not respond: {error:#}"));
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(cloud)
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn deploy(&self, tools: &Tools, stack: &str, parameters: &[(&str, String)]) -> Result<(), String> {
        eprintln!("sam deploy {stack}");
        let given: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        // Identical artifacts of two stacks would have the same name in the bucket, and deleting one stack would remove them. The
        // prefix separates them.
        let mut arguments =
            vec!["deploy", "--no-confirm-changeset", "--s3-prefix", stack, "--parameter-overrides"];
        arguments.extend(given.iter().map(String::as_str));
        self.sam(tools, stack, &arguments).await.map(|_| ())
    }

    /// Reads the outputs of a deployed stack.
    async fn stack(&self, tools: &Tools, name: &str) -> Result<Stack, String> {
        let outputs = self.sam(tools, name, &["list", "stack-outputs", "--output", "json"]).await?;
        let outputs = outputs_of(&outputs)?;
        let output =
            |name: &str| outputs.get(name).cloned().ok_or_else(|| format!("the stack has no {name}"));
        let (url, feed_url) = (output("ApiUrl")?, output("FeedUrl")?);
        // A Function URL has a host name of AWS, but the emulated cloud serves it at its own address.
        let function_host =
            feed_url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/').to_owned());
        let feed_url = match &function_host {
            Some(host) => format!("http://{host}:{}/", self.address.port()),
            None => feed_url,
        };
        let api_host = url.trim_start_matches("http://").split(':').next().unwrap_or_default();
        let mut http = reqwest::Client::builder().resolve(api_host, self.address);
        if let Some(host) = &function_host {
            http = http.resolve(host, self.address);
        }
        Ok(Stack { http: http.build().map_err(|error| error.to_string())?, url, feed_url, outputs })
    }

    /// Runs a command of the SAM CLI on a stack, with the settings of the example.
    async fn sam(&self, tools: &Tools, stack: &str, arguments: &[&str]) -> Result<String, String> {
        let settings = ["--config-file", &example(), "--stack-name", stack];
        run(self.command(tools, "sam").args(arguments).args(settings)).await
    }

    /// Returns the command of a tool that uses this cloud as AWS.
    pub fn command(&self, tools: &Tools, name: &str) -> Command {
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

/// Parses the stack's outputs.
fn outputs_of(json: &str) -> Result<HashMap<String, String>, String> {
    let entries: Vec<Value> = serde_json::from_str(json).map_err(|error| format!("{error}: {json}"))?;
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    Ok(entries.iter().map(|entry| (text(entry, "OutputKey"), text(entry, "OutputValue"))).collect())
}
