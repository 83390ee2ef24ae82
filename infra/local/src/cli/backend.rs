//! The service that a command sends requests to, and the key pair that signs them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Url;
use serde_json::Value;
use session_local::{
    backend::{
        client::{Feed, no_service},
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    },
    emulator::clock::Clock,
    http,
};

/// A running service.
#[derive(Args)]
pub(super) struct Target {
    /// The URL of the service
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = address)]
    pub(super) url: String,
}

/// A running service and its key pair.
#[derive(Args)]
pub(super) struct Backend {
    #[command(flatten)]
    target: Target,
    /// The URL of the feed endpoint, if it differs from --url: the output FeedUrl of a deployed service
    #[arg(long, value_name = "URL", value_parser = address)]
    feed_url: Option<String>,
    /// The AppKey of the messaging backend. The AppSecret is read from MESSAGE_COPY_APP_SECRET. If that is not set and the service
    /// is not local, the command asks for it
    #[arg(long, env = "MESSAGE_COPY_APP_KEY", default_value = LOCAL_APP_KEY)]
    app_key: String,
}

impl Backend {
    /// Returns the feed to the service, which signs with the service's clock.
    pub(super) async fn feed(&self) -> Result<Feed> {
        let url = &self.target.url;
        let clock = if self.is_local() { clock_of(url).await? } else { Clock::default() };
        let feed = Feed::new(url, &self.app_key, &self.secret()?).by(clock);
        Ok(match &self.feed_url {
            Some(feed_url) => feed.posting_to(feed_url),
            None => feed,
        })
    }

    /// The URL of the service.
    pub(super) fn url(&self) -> &str {
        &self.target.url
    }

    /// Whether the service is local.
    pub(super) fn is_local(&self) -> bool {
        let url = Url::parse(&self.target.url).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        ["127.0.0.1", "localhost", "[::1]"].contains(&host)
    }

    /// Reads the AppSecret. It is not a command-line argument: everybody on the machine can see those, and shells keep them in
    /// their history.
    #[expect(clippy::disallowed_methods, reason = "this is start-up")]
    fn secret(&self) -> Result<String> {
        match std::env::var("MESSAGE_COPY_APP_SECRET") {
            Ok(secret) if !secret.is_empty() => Ok(secret),
            _ if self.is_local() => Ok(LOCAL_APP_SECRET.to_owned()),
            _ => {
                let secret = rpassword::prompt_password("AppSecret: ");
                let secret =
                    secret.context("set MESSAGE_COPY_APP_SECRET: there is no terminal to enter it")?;
                if secret.is_empty() {
                    bail!("the AppSecret is empty");
                }
                Ok(secret)
            }
        }
    }
}

/// Reads the clock of a local service, which may be ahead.
async fn clock_of(url: &str) -> Result<Clock> {
    let response = http::client().get(format!("{}/local-clock", url.trim_end_matches('/'))).send().await;
    let response = response.with_context(|| no_service(url))?;
    let clock: Value = response.json().await.unwrap_or_default();
    Ok(Clock::ahead(Duration::from_millis(clock["aheadMs"].as_u64().unwrap_or_default())))
}

fn address(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(text.to_owned()),
        _ => Err("must be an address that begins with http:// or https://".to_owned()),
    }
}
