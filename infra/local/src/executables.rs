//! The functions' executables, built by cargo.

use std::{collections::HashMap, path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{emulator::template::Template, workspace::workspace};

const OF_THE_OUTER_CARGO: [&str; 17] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Builds the functions with a profile, along with other executables of the workspace. Returns the path of each. Cargo's progress
/// is printed to standard error.
///
/// The set of executables determines how the common crates are compiled for link-time optimisation. Callers that run `local` in
/// release name it in `besides`, so that nothing is built twice.
pub async fn build(profile: &str, besides: &[&str]) -> Result<HashMap<String, PathBuf>> {
    // The whole workspace is selected for the sake of its features. With features other than those of `cargo test`, everything
    // would be built a second time.
    let mut selection = vec!["--workspace".to_owned()];
    for name in functions()?.iter().map(String::as_str).chain(besides.iter().copied()) {
        selection.extend(["--bin".to_owned(), name.to_owned()]);
    }
    run(profile, &selection).await
}

/// Builds the functions with the features that they are deployed with, without those of the rest of the workspace.
pub async fn build_as_deployed(profile: &str) -> Result<HashMap<String, PathBuf>> {
    let selection: Vec<_> =
        functions()?.into_iter().flat_map(|name| ["--package".to_owned(), name]).collect();
    run(profile, &selection).await
}

/// The names of the functions' executables, which are those of their packages.
fn functions() -> Result<Vec<String>> {
    let functions = Template::of_the_repository()?.functions;
    Ok(functions.into_values().map(|function| function.binary).collect())
}

async fn run(profile: &str, selection: &[String]) -> Result<HashMap<String, PathBuf>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--message-format=json-render-diagnostics", "--profile", profile]);
    cargo.args(selection);
    // Build scripts watch some of the variables that cargo sets for the programs it runs. They would see a change, and the TLS
    // stack would be rebuilt.
    for variable in OF_THE_OUTER_CARGO {
        cargo.env_remove(variable);
    }
    let mut cargo = cargo
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run cargo")?;
    let mut executables = HashMap::new();
    if let Some(stdout) = cargo.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if let (Some(name), Some(path)) =
                (message["target"]["name"].as_str(), message["executable"].as_str())
            {
                executables.insert(name.to_owned(), PathBuf::from(path));
            }
        }
    }
    if !cargo.wait().await?.success() {
        bail!("the functions do not build");
    }
    Ok(executables)
}
