//! Everything that needs a running DynamoDB or a built function, in one test binary.
//!
//! The engines and the service are started once; each scenario then runs on each engine, as `<engine>::<module>::<name>`.
//! `cargo test` needs Rust, gcc, curl and what every Linux has: it always runs the embedded engine, and DynamoDB Local where Java and
//! Maven are there or `DYNAMODB_LOCAL_ENDPOINT` names one, and the console in Chromium where that and its driver are there.
//! `REQUIRE_DYNAMODB_LOCAL=1` and `REQUIRE_CHROMIUM=1` make their absence a failure.
//!
//! `cargo test --test service deployed` instead builds and deploys the template to a local cloud, and runs there what holds
//! everywhere; it needs Python, and minutes, and is run only when it is asked for.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::float_cmp, reason = "capacity units are exact halves")]

mod answer;
mod app;
mod browser;
mod cloud_watch;
mod contract;
mod copies;
mod deployment;
mod device;
mod dynamodb_local;
mod fault_proxy;
mod histories;
mod scenarios;
mod test;
mod tools;

use std::{env, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use session_local::executables;
use tokio::runtime::Runtime;

use app::{App, DEPLOYED};
use browser::Browser;
use contract::CONTRACT;
use dynamodb_local::DynamoDbLocal;
use test::{Scenario, Test};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Scenarios wait far more than they compute.
    arguments.test_threads.get_or_insert(8);
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => return fail(&error.to_string()),
    };
    let runs_all = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let wants_deployment = arguments.filter.as_deref().is_some_and(|filter| filter.starts_with(DEPLOYED));
    let started =
        if wants_deployment { runtime.block_on(deploy()) } else { runtime.block_on(start_engines()) };
    // DynamoDB Local runs until the end.
    let Started { apps, has_browser, not_run, _dynamodb_local } = match started {
        Ok(started) => started,
        Err(reason) => return fail(&reason),
    };
    let trials = apps.iter().flat_map(|app| {
        let scenarios = match app.engine() {
            DEPLOYED => scenarios::deployed(),
            "embedded" if has_browser => {
                [scenarios::on_each_engine(), scenarios::once(), scenarios::in_a_browser()].concat()
            }
            "embedded" => [scenarios::on_each_engine(), scenarios::once()].concat(),
            _ => scenarios::on_each_engine(),
        };
        scenarios.into_iter().map(|scenario| trial(scenario, app, &runtime)).collect::<Vec<_>>()
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    for app in &apps {
        runtime.block_on(app.stop());
    }
    for reason in not_run {
        eprintln!("{reason}");
    }
    if runs_all && !conclusion.has_failed() {
        let unseen = CONTRACT.unseen();
        if !unseen.is_empty() {
            return fail(&format!(
                "infra/openapi.yaml has answers that no scenario saw: {}",
                unseen.join(", ")
            ));
        }
    }
    conclusion.exit_code()
}

/// What the scenarios run on, and what they do not run on for want of something.
struct Started {
    apps: Vec<Arc<App>>,
    has_browser: bool,
    not_run: Vec<String>,
    _dynamodb_local: Option<DynamoDbLocal>,
}

/// The embedded engine, and DynamoDB Local and a browser where they are to be had.
async fn start_engines() -> Result<Started, String> {
    let executables = executables::build("dev", &["local", "misbehaving"]).await;
    let executables = executables.map_err(|error| format!("{error:#}"))?;
    let mut not_run = Vec::new();
    let browser = or_not_run(
        Browser::start().await.map(Arc::new),
        "REQUIRE_CHROMIUM",
        "the console in Chromium",
        &mut not_run,
    )?;
    let engine = DynamoDbLocal::start().await;
    let engine = or_not_run(
        engine,
        "REQUIRE_DYNAMODB_LOCAL",
        "the scenarios on DynamoDB Local, all of which the embedded engine runs",
        &mut not_run,
    )?;
    let has_browser = browser.is_some();
    let start = async |name, endpoint, browser| {
        let app = App::start(name, endpoint, executables.clone(), browser).await;
        app.map(Arc::new).map_err(|error| format!("{error:#}"))
    };
    let mut apps = vec![start("embedded", None, browser).await?];
    if let Some(engine) = &engine {
        apps.push(start("dynamodb_local", Some(engine.endpoint()), None).await?);
    }
    Ok(Started { apps, has_browser, not_run, _dynamodb_local: engine })
}

/// What some scenarios need, unless it is not there: that is told, or a failure where it is required.
fn or_not_run<T>(
    started: Result<T, String>,
    requirement: &str,
    what: &str,
    not_run: &mut Vec<String>,
) -> Result<Option<T>, String> {
    match started {
        Ok(started) => Ok(Some(started)),
        Err(reason) if is_set(requirement) => {
            Err(format!("{requirement} is set, and there is none: {reason}"))
        }
        Err(reason) => {
            let told = format!("Not run: {what} ({reason}).");
            eprintln!("\n{told}\n");
            not_run.push(told);
            Ok(None)
        }
    }
}

/// The template, deployed.
async fn deploy() -> Result<Started, String> {
    let apps = vec![Arc::new(App::deploy().await?)];
    Ok(Started { apps, has_browser: false, not_run: Vec::new(), _dynamodb_local: None })
}

fn trial(scenario: Scenario, app: &Arc<App>, runtime: &Arc<Runtime>) -> Trial {
    let name = format!("{}::{}", app.engine(), scenario.name());
    let (test, runtime) = (Test::new(Arc::clone(app)), Arc::clone(runtime));
    Trial::test(name, move || {
        runtime.block_on(scenario.run(test));
        Ok(())
    })
}

#[expect(clippy::disallowed_methods, reason = "the runner's own switch")]
fn is_set(switch: &str) -> bool {
    env::var(switch).is_ok_and(|value| value == "1")
}

fn fail(reason: &str) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::FAILURE
}
