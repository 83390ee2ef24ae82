//! Measures how fast and how expensive the functions are: `cargo bench -p service-tests --bench performance`.
//!
//! Everything runs on one machine in a single run: the release builds of the functions, an empty function, the bare SDK, and any
//! candidate. They get the same events and take turns, round by round, so that ratios are valid even when milliseconds are not. See
//! `--help`.

#![expect(clippy::cast_precision_loss, reason = "figures of a few digits")]

mod cgroup;
mod figures;
mod plan;
mod process;
mod report;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use session_local::executables;

use plan::{Candidate, Lab};
use test_support::bench::{command, store::Store};

/// Measures the release builds of the functions: cold and warm, over TLS, with growing data, and their cost.
#[derive(Parser)]
#[command(name = "performance", bin_name = "cargo bench -p service-tests --bench performance --")]
struct Options {
    /// Take fewer samples, with users of up to 10,000 sessions instead of 1,000,000
    #[arg(long)]
    quick: bool,
    /// Also measure this executable, which implements the Lambda Runtime API and responds to the same events; may be repeated
    #[arg(long = "candidate", value_name = "NAME=PATH", value_parser = candidate)]
    candidates: Vec<(String, PathBuf)>,
    /// The file to write the figures to, as JSON
    #[arg(long, value_name = "FILE", default_value = "target/benchmark.json")]
    json: PathBuf,
    /// The argument that cargo adds to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn candidate(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("is NAME=PATH")?;
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    if path.is_file() {
        Ok((name.to_owned(), path))
    } else {
        Err(format!("{} is not a file", path.display()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    command::run(Box::pin(run(&options))).await
}

async fn run(options: &Options) -> Result<()> {
    eprintln!("building the release functions (minutes the first time)");
    let executables = executables::build("release", &["empty-function", "bare-sdk"]).await?;
    let size = if options.quick { plan::Size::quick() } else { plan::Size::full() };
    eprintln!("filling the store");
    let store = Store::start(&size.users, &size.groups).await?;
    let lab = Lab::new(store, &executables)?;
    let mut candidates = vec![Candidate::ours(&executables)?, Candidate::empty(&executables)?];
    candidates.extend(options.candidates.iter().map(|(name, path)| Candidate::single(name, path)));
    let figures = plan::measure(&lab, candidates, &size).await?;
    if figures.ours().is_none() {
        bail!("our own functions respond wrongly");
    }
    let figures = figures.with_costs(&executables).await?;
    println!("{}", report::markdown(&figures));
    let path = session_local::workspace::workspace().join(&options.json);
    std::fs::write(&path, serde_json::to_string_pretty(&figures.json())?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("written to {}", path.display());
    Ok(())
}
