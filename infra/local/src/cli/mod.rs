//! The command line.

mod cost;
mod seed;
mod send;
mod serve;
mod stop;
mod trace;
mod trigger;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use session_local::{
    clock::{self, Clock},
    feed::{Feed, LOCAL_APP_KEY, LOCAL_APP_SECRET, no_service},
};

/// The session service on this machine: the template's routes on a loopback port, the functions' own executables run
/// through the Lambda Runtime API, a DynamoDB engine behind them.
#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Print a token for a user of a running service
    Token {
        /// The user's account
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        user: String,
        #[command(flatten)]
        target: Target,
    },
    /// Post a signed message copy to a running service: a text to an account, a team or a super team
    Send {
        #[command(flatten)]
        message: send::Message,
        #[command(flatten)]
        backend: Backend,
    },
    /// Post a sample of any kind of copy to a running service: a recall, a kick, an edit, what the feed sends oddly
    Trigger {
        #[command(flatten)]
        choice: trigger::Choice,
        #[command(flatten)]
        backend: Backend,
    },
    /// Print what a million calls of each operation cost: units counted here, times a price table
    Cost(cost::Cost),
    /// Fill a running service with realistic sessions
    Seed {
        #[command(flatten)]
        plan: seed::Plan,
        #[command(flatten)]
        backend: Backend,
    },
}

/// A running service.
#[derive(Args)]
struct Target {
    /// Where the service runs
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = http_url)]
    url: String,
}

/// A running service and its key pair.
#[derive(Args)]
struct Backend {
    #[command(flatten)]
    target: Target,
    /// The AppKey of the messaging backend
    #[arg(long, env = "MESSAGE_COPY_APP_KEY", default_value = LOCAL_APP_KEY)]
    app_key: String,
    /// The AppSecret that signs the message copy
    #[arg(long, env = "MESSAGE_COPY_APP_SECRET", default_value = LOCAL_APP_SECRET, hide_env_values = true)]
    app_secret: String,
}

impl Backend {
    /// The feed to that service, by its clock.
    async fn feed(&self) -> Result<Feed> {
        let clock = clock_of(&self.target.url).await?;
        Ok(Feed::new(&self.target.url, &self.app_key, &self.app_secret).by(clock))
    }
}

/// The clock of a service, which may be ahead of this machine's where it was started by `cargo local`.
async fn clock_of(url: &str) -> Result<Clock> {
    let answer = reqwest::get(format!("{}/local-clock", url.trim_end_matches('/'))).await;
    let answer = answer.with_context(|| no_service(url))?;
    let clock: Value = answer.json().await.unwrap_or_default();
    Ok(Clock::ahead(Duration::from_millis(clock["aheadMs"].as_u64().unwrap_or_default())))
}

fn http_url(text: &str) -> Result<String, String> {
    if text.starts_with("http://") { Ok(text.to_owned()) } else { Err("must start with http://".to_owned()) }
}

/// Does what the command line says.
pub(crate) async fn run() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        None => cli.serve.run().await,
        Some(Command::Token { user, target }) => {
            println!("{}", token(&user, &target.url).await?);
            Ok(())
        }
        Some(Command::Send { message, backend }) => send::run(&message, &backend.feed().await?).await,
        Some(Command::Trigger { choice, backend }) if choice.posts() => {
            choice.run(&backend.feed().await?).await
        }
        Some(Command::Trigger { choice, .. }) => choice.print(clock::now_ms()),
        Some(Command::Cost(cost)) => cost.run().await,
        Some(Command::Seed { plan, backend }) => seed::run(&plan, &backend.feed().await?).await,
    }
}

async fn token(user: &str, url: &str) -> Result<String> {
    let endpoint = format!("{}/local-issuer/token", url.trim_end_matches('/'));
    let request = reqwest::Client::new().post(&endpoint).query(&[("user", user)]);
    let response = request.send().await.with_context(|| no_service(url))?;
    if !response.status().is_success() {
        bail!("{endpoint} answers {}: is it a service started by cargo local?", response.status());
    }
    let answer: Value = response.json().await?;
    answer["access_token"].as_str().map(str::to_owned).with_context(|| format!("{endpoint} answers no token"))
}
