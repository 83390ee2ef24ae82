//! `cargo local erase`: deletes everything of a user, with as many requests as that needs, until no event from before the erasure can
//! bring anything back.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{HumanDuration, ProgressBar};
use serde_json::{Value, json};
use session_local::backend::client::{Feed, is_transient};
use time::UtcDateTime;
use tokio::time::sleep;

/// The number of attempts per request: a 429 or 5xx response is retried until this many have failed.
const MAX_TRIES: u32 = 8;
/// A wait that is worth reporting, and that `--no-wait` avoids.
const LONG_WAIT: Duration = Duration::from_mins(1);

#[derive(Args)]
pub(crate) struct ToErase {
    /// The account whose sessions, custom data and memberships are deleted. Delete the account in the messaging product first, so that
    /// no later message or member list names it
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    account: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Do not wait until nothing can come back that was under way, which takes 10 minutes. Run the command again after that. Waits
    /// below a minute are not avoided
    #[arg(long)]
    no_wait: bool,
}

/// What one request did.
struct Outcome {
    erased: u64,
    /// How long to wait before the next request, if there is one.
    again_in: Option<Duration>,
}

impl ToErase {
    pub(crate) async fn erase(&self, feed: &Feed, is_local: bool) -> Result<()> {
        if !(self.yes || is_local) {
            self.ask()?;
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        let mut erased = 0;
        loop {
            let outcome = self.once(feed).await.with_context(|| {
                format!("{erased} sessions are erased so far; run the same command to continue")
            })?;
            erased += outcome.erased;
            bar.set_message(format!("{erased} sessions"));
            let Some(again_in) = outcome.again_in else { break };
            if again_in >= LONG_WAIT {
                let wait = HumanDuration(again_in);
                let until = UtcDateTime::now() + again_in;
                let until = format!("{:02}:{:02} UTC", until.hour(), until.minute());
                let why = "something that was under way may bring sessions back until then";
                if self.no_wait {
                    bar.finish_and_clear();
                    println!(
                        "{}; run the same command again in {wait}, at {until}: {why}",
                        self.progress(erased)
                    );
                    return Ok(());
                }
                let message = format!(
                    "{}; waiting {wait}, until {until}: {why} (--no-wait: do not wait)",
                    self.progress(erased)
                );
                bar.println(&message);
                if bar.is_hidden() {
                    eprintln!("{message}");
                }
            }
            sleep(again_in).await;
        }
        bar.finish_and_clear();
        println!("{}", self.progress(erased));
        Ok(())
    }

    fn progress(&self, erased: u64) -> String {
        format!("{erased} sessions of {} are erased", self.account)
    }

    async fn once(&self, feed: &Feed) -> Result<Outcome> {
        let mut pause = Duration::from_millis(500);
        let mut rejection = String::new();
        for _ in 0..MAX_TRIES {
            let response = feed.erase(&json!({"account": self.account})).await?;
            let status = response.status();
            let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let retry_after = retry_after.and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
            let text = response.text().await?;
            if status.is_success() {
                let outcome: Value = serde_json::from_str(&text)?;
                return Ok(Outcome {
                    erased: outcome["erased"].as_u64().unwrap_or_default(),
                    again_in: (outcome["remaining"] == true).then(|| Duration::from_secs(retry_after)),
                });
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
