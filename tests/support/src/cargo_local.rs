//! `cargo local` as a separate process.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::test::Test;

/// Returns the command with these arguments.
pub fn local(t: &Test, arguments: &[&str]) -> Command {
    let mut command = Command::new(t.app.executable("local"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Returns the standard output of the command, which must succeed.
pub async fn printed(t: &Test, arguments: &[&str]) -> String {
    let output = local(t, arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Starts a service with the command, and waits for its JSON line.
pub async fn start(t: &Test, more: &[&str]) -> (Child, Value) {
    start_at(t, "0", more).await
}

/// Starts a service on this port, and waits for its JSON line.
pub async fn start_at(t: &Test, port: &str, more: &[&str]) -> (Child, Value) {
    let arguments = [&["--json", "--port", port], more].concat();
    let mut service = local(t, &arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let line =
        timeout(Duration::from_mins(5), lines.next_line()).await.expect("it becomes ready").unwrap().unwrap();
    (service, serde_json::from_str(&line).unwrap())
}

pub async fn stop(mut service: Child) {
    let process = service.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
    let status = timeout(Duration::from_secs(10), service.wait()).await.expect("Ctrl-C stops it").unwrap();
    assert!(status.success(), "{status}");
}
