//! Checks that crates depend downwards only, and that files stay short.

use std::{
    fs,
    path::{Path, PathBuf},
};

use session_local::workspace::workspace;
use test_support::repository::sources;

#[test]
fn layers_hold() {
    // Each crate and what it must not depend on, in addition to what the compiler already rejects.
    let aws = [
        "aws-sdk-dynamodb",
        "aws-config",
        "aws-runtime",
        "aws-smithy-http-client",
        "aws-smithy-runtime-api",
        "aws-smithy-types",
    ];
    let http = ["lambda_http", "axum", "reqwest"];
    let above = ["session-local", "dynoxide-rs"];
    let mut rules: Vec<(PathBuf, Vec<&str>)> = vec![
        (
            "shared/session-model".into(),
            [&aws[..], &http, &above, &["tokio", "session-store", "session-api"]].concat(),
        ),
        ("shared/session-store".into(), [&http[..], &above, &["session-api"]].concat()),
        ("shared/session-api".into(), [&aws[..], &above].concat()),
    ];
    let mut functions = Vec::new();
    for folder in fs::read_dir(workspace().join("functions")).unwrap() {
        functions.push(folder.unwrap().file_name().into_string().unwrap());
    }
    for function in &functions {
        rules.push((Path::new("functions").join(function), [&aws[..], &http, &above].concat()));
    }
    let functions: Vec<_> = functions.iter().map(String::as_str).collect();
    for above in ["infra/local", "tests"] {
        rules.push((above.into(), [&aws[..], &functions].concat()));
    }
    for (folder, forbidden) in rules {
        let manifest = fs::read_to_string(workspace().join(&folder).join("Cargo.toml")).unwrap();
        for line in manifest.lines() {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!forbidden.contains(&dependency), "{} depends on {dependency}", folder.display());
        }
    }
    // Tests outside of these folders may have switches.
    for path in [sources("shared/session-model/src"), sources("functions")].concat() {
        let text = fs::read_to_string(&path).unwrap();
        for edge in ["SystemTime", "std::env", "Instant::now() -"] {
            assert!(!text.contains(edge), "{} names {edge}", path.display());
        }
    }
}

#[test]
fn every_source_file_stays_short() {
    for path in ["functions", "shared", "infra", "tests"].map(sources).concat() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines: what is the second thing in it?", path.display());
    }
}
