//! The tests of the console in headless Chromium: `cargo test --test console`. They run if Debian's packages `chromium` and
//! `chromium-driver` are installed. `REQUIRE_CHROMIUM=1` makes it a failure if they are not.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod browser;
mod console;

use std::process::ExitCode;

use test_support::runner::{EngineName, Runner, fail, installed};

fn main() -> ExitCode {
    let mut runner = match Runner::new() {
        Ok(runner) => runner,
        Err(error) => return fail(&error.to_string()),
    };
    let added = runner.add_if_installed(
        EngineName::Embedded,
        console::SCENARIOS.to_vec(),
        ("REQUIRE_CHROMIUM", "the console in Chromium"),
        installed(&["chromium", "chromedriver"]),
    );
    if let Err(reason) = added {
        return fail(&reason);
    }
    let conclusion = runner.run();
    browser::stop();
    conclusion.exit_code()
}
