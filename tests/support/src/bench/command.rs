//! A benchmark as a command, which ends by itself or on Ctrl-C.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use tokio::{signal, task::LocalSet};

/// Runs a command to its end. On Ctrl-C it is dropped, which ends all processes that it has started.
pub async fn run(command: impl Future<Output = Result<()>>) -> ExitCode {
    let tasks = LocalSet::new();
    let done = tokio::select! {
        done = tasks.run_until(command) => done,
        _ = signal::ctrl_c() => Err(anyhow!("stopped")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
