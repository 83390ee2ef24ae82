//! `cargo local erase`: deletes everything of a user, with as many requests as that needs.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use session_local::backend::client::{Feed, is_transient};
use tokio::time::sleep;

/// The number of attempts per request: a 429 or 5xx response is retried until this many have failed.
const MAX_TRIES: u32 = 8;

#[derive(Args)]
pub(crate) struct Account {
    /// The account whose sessions, custom data and memberships are deleted. Remove the account from its groups first, and stop
    /// sending messages for it
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    account: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl Account {
    pub(crate) async fn erase(&self, feed: &Feed, is_local: bool) -> Result<()> {
        if !(self.yes || is_local) {
            self.ask()?;
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        let (mut erased, mut remaining) = (0, true);
        while remaining {
            let outcome = self.once(feed).await.with_context(|| {
                format!("{erased} sessions are erased so far; run the same command to continue")
            })?;
            erased += outcome["erased"].as_u64().unwrap_or_default();
            remaining = outcome["remaining"] == true;
            bar.set_message(format!("{erased} sessions"));
        }
        bar.finish_and_clear();
        println!("{erased} sessions of {} are erased", self.account);
        Ok(())
    }

    async fn once(&self, feed: &Feed) -> Result<Value> {
        let mut pause = Duration::from_millis(500);
        let mut rejection = String::new();
        for _ in 0..MAX_TRIES {
            let response = feed.erase(&json!({"account": self.account})).await?;
            let status = response.status();
            let text = response.text().await?;
            if status.is_success() {
                return Ok(serde_json::from_str(&text)?);
            }
            rejection = format!("{status}: {text}");
            if !is_transient(status) {
                break;
            }
            sleep(pause).await;
            pause *= 2;
        }
        bail!("the service did not erase: {rejection}")
    }

    fn ask(&self) -> Result<()> {
        eprint!("This deletes everything of {}. Type the account again: ", self.account);
        io::stderr().flush()?;
        let mut typed = String::new();
        io::stdin().read_line(&mut typed)?;
        if typed.trim() == self.account { Ok(()) } else { bail!("nothing is erased") }
    }
}
