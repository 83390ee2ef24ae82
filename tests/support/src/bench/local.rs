//! `cargo local --release` as a separate process.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use reqwest::Client;
use serde_json::Value;
use session_local::backend::{
    client::Feed,
    signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a start may take. It checks whether the functions are built.
const PATIENCE: Duration = Duration::from_mins(2);

/// The service, which ends when this is dropped.
pub struct Local {
    child: Child,
    pub url: String,
    pub dynamodb: String,
    http: Client,
    tokens: Mutex<HashMap<String, String>>,
}

impl Local {
    /// Starts the service with these arguments, and waits until it is ready.
    pub async fn start(executable: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(executable);
        command.args(["--release", "--no-trace", "--json"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start cargo local")?;
        let stdout = child.stdout.take().context("no output")?;
        let line = timeout(PATIENCE, BufReader::new(stdout).lines().next_line())
            .await
            .context("it does not start")??;
        let ready: Value = serde_json::from_str(&line.context("cargo local has ended")?)?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let (url, dynamodb) = (text("url"), text("dynamodb"));
        Ok(Self { child, url, dynamodb, http: session_local::http::client(), tokens: Mutex::default() })
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Kills the service immediately.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    pub fn feed(&self) -> Feed {
        Feed::new(&self.url, LOCAL_APP_KEY, LOCAL_APP_SECRET)
    }

    /// Returns a user's token, which is requested once.
    pub async fn token(&self, user: &str) -> Result<String> {
        let known = || self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(user).cloned();
        if let Some(token) = known() {
            return Ok(token);
        }
        let request = self.http.post(format!("{}/local-issuer/token", self.url)).query(&[("user", user)]);
        let response: Value = request.send().await?.json().await?;
        let token = response["access_token"].as_str().context("no token")?.to_owned();
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned(), token.clone());
        Ok(token)
    }
}

/// Returns the executable of `cargo local` among those that were built.
pub fn executable(executables: &HashMap<String, PathBuf>) -> Result<PathBuf> {
    executables.get("local").cloned().context("no executable local")
}
