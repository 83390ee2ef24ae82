//! The official DynamoDB Local, fetched by Maven and run by Java on its own port.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use session_local::{emulator::dynamodb::DynamoDb, workspace::workspace};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::runner::installed;

/// Whether DynamoDB Local can be started: Java and Maven are installed, or an endpoint is given.
pub fn is_installed() -> Result<(), String> {
    if endpoint().is_some() { Ok(()) } else { installed(&["java", "mvn"]) }
}

#[expect(clippy::disallowed_methods, reason = "the runner's own switch")]
fn endpoint() -> Option<String> {
    env::var("DYNAMODB_LOCAL_ENDPOINT").ok()
}

/// A running DynamoDB Local, which ends when this is dropped.
pub struct DynamoDbLocal {
    endpoint: String,
    _process: Option<Child>,
}

impl DynamoDbLocal {
    /// Uses the one at `DYNAMODB_LOCAL_ENDPOINT`, or starts a new one. Fails with the reason if there is none.
    pub async fn start() -> Result<Self, String> {
        if let Some(endpoint) = endpoint() {
            let engine = Self { endpoint, _process: None };
            return engine.wait_until_ready().await.map(|()| engine);
        }
        let libraries = fetch().await?;
        let port = free_port().await?;
        let process = Command::new("java")
            // Its whole run is a warm-up, in which the second compiler takes more time than it saves.
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .arg(format!("-Dsqlite4java.library.path={}", libraries.display()))
            .args(["-cp", &format!("{}/*", libraries.display())])
            .arg("software.amazon.dynamodb.services.local.main.ServerRunner")
            .args(["-inMemory", "-disableTelemetry", "-port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("java does not run: {error}"))?;
        let engine = Self { endpoint: format!("http://127.0.0.1:{port}"), _process: Some(process) };
        engine.wait_until_ready().await.map(|()| engine)
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    async fn wait_until_ready(&self) -> Result<(), String> {
        let engine = DynamoDb::at(&self.endpoint);
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            match engine.request("ListTables", &serde_json::json!({})).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > give_up => {
                    return Err(format!("it does not respond: {error:#}"));
                }
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// Returns the folder of its libraries. Maven runs only if they have not been fetched yet.
async fn fetch() -> Result<PathBuf, String> {
    let root = workspace().canonicalize().map_err(|error| error.to_string())?;
    let folder = root.join("target/dynamodb-local-3.3.1");
    let complete = folder.join(".complete");
    if !complete.exists() {
        let pom = root.join("tests/dynamodb-local/pom.xml");
        maven(&pom, &folder).await?;
        std::fs::write(&complete, "").map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

async fn maven(pom: &Path, folder: &Path) -> Result<(), String> {
    let output = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(pom)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", folder.display()))
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("mvn does not run: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("mvn cannot fetch it: {}", String::from_utf8_lossy(&output.stdout).trim()))
    }
}

pub async fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
