//! Everything that needs a running DynamoDB or a built function, in one test binary.
//!
//! The engines and the service are started once; each scenario then runs on each engine, as `<engine>::<module>::<name>`.
//! `cargo test` needs only Rust: it always runs the embedded engine, and DynamoDB Local where Java and Maven are there or
//! `DYNAMODB_LOCAL_ENDPOINT` names one. `REQUIRE_DYNAMODB_LOCAL=1` makes its absence a failure.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::float_cmp, reason = "capacity units are exact halves")]

mod app;
mod copies;
mod dynamodb_local;
mod fault_proxy;
mod scenarios;
mod test;

use std::{env, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

use app::App;
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
    let mut apps = Vec::new();
    let executables = match runtime.block_on(session_local::executables::build(false)) {
        Ok(executables) => executables,
        Err(error) => return fail(&format!("{error:#}")),
    };
    match runtime.block_on(App::start("embedded", None, executables.clone())) {
        Ok(app) => apps.push(Arc::new(app)),
        Err(error) => return fail(&format!("{error:#}")),
    }
    let dynamodb_local = runtime.block_on(DynamoDbLocal::start());
    let missing = match &dynamodb_local {
        Ok(engine) => {
            match runtime.block_on(App::start("dynamodb_local", Some(engine.endpoint()), executables)) {
                Ok(app) => {
                    apps.push(Arc::new(app));
                    None
                }
                Err(error) => return fail(&format!("{error:#}")),
            }
        }
        Err(reason) => Some(format!("{reason:#}")),
    };
    if let Some(reason) = &missing {
        if required() {
            return fail(&format!(
                "REQUIRE_DYNAMODB_LOCAL is set, and DynamoDB Local does not run: {reason}"
            ));
        }
        eprintln!(
            "\nNot run: the scenarios on DynamoDB Local ({reason}). The embedded engine runs them all.\n"
        );
    }
    let trials = apps.iter().flat_map(|app| {
        let of_engine = scenarios::on_each_engine().into_iter();
        let once = scenarios::once().into_iter().filter(|_| app.engine() == "embedded");
        of_engine.chain(once).map(|scenario| trial(scenario, app, &runtime)).collect::<Vec<_>>()
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(reason) = missing {
        eprintln!("Not run: the scenarios on DynamoDB Local ({reason}).");
    }
    conclusion.exit_code()
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
fn required() -> bool {
    env::var("REQUIRE_DYNAMODB_LOCAL").is_ok_and(|value| value == "1")
}

fn fail(reason: &str) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::FAILURE
}
