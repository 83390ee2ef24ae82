//! Tests that need a running DynamoDB or a built function, in one test binary.
//!
//! Each scenario runs on each engine, as `<engine>::<module>::<name>`. An engine, and the build of the functions, start when a
//! selected scenario needs them; `--list` starts nothing. `cargo test` needs Rust, gcc, curl and the usual programs of a Linux. It
//! always runs the embedded engine, and DynamoDB Local if Java and Maven are installed or `DYNAMODB_LOCAL_ENDPOINT` names one.
//! `REQUIRE_DYNAMODB_LOCAL=1` makes it a failure if that is missing.
//!
//! `cargo test --test service deployed` instead builds the template, deploys it to a local cloud, and runs there the scenarios that
//! hold everywhere. It needs Python and takes minutes, so it runs only on request.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::float_cmp, reason = "capacity units are exact halves")]

mod scenarios;

use std::process::ExitCode;

use test_support::{
    app::DEPLOYED,
    contract::CONTRACT,
    dynamodb_local,
    runner::{DYNAMODB_LOCAL, EngineName, Runner, fail},
};

fn main() -> ExitCode {
    let mut runner = match Runner::new() {
        Ok(runner) => runner,
        Err(error) => return fail(&error.to_string()),
    };
    if runner.asks_for(DEPLOYED) {
        runner.add(EngineName::Deployed, scenarios::deployed());
        return runner.run().exit_code();
    }
    runner.add(EngineName::Embedded, [scenarios::on_each_engine(), scenarios::once()].concat());
    let added = runner.add_if_installed(
        EngineName::DynamoDbLocal,
        scenarios::on_each_engine(),
        (DYNAMODB_LOCAL, "the scenarios on DynamoDB Local, all of which the embedded engine runs"),
        dynamodb_local::is_installed(),
    );
    if let Err(reason) = added {
        return fail(&reason);
    }
    runner.run_first(&[
        "group_model",
        "fault_matrix",
        "merge_rule",
        "store_histories",
        "feed_faults",
        "changes_in_depth",
    ]);
    let runs_all = runner.runs_all();
    let conclusion = runner.run();
    if runs_all && !conclusion.has_failed() {
        let unseen = CONTRACT.unseen();
        if !unseen.is_empty() {
            return fail(&format!(
                "infra/openapi.yaml has responses that no scenario got: {}",
                unseen.join(", ")
            ));
        }
    }
    conclusion.exit_code()
}
