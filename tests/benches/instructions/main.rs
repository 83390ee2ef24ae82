//! Counts the instructions of a cold start with its first invocation and of warm invocations, and compares them with a budget:
//! `cargo bench -p service-tests --bench instructions`. Callgrind counts them, so they do not depend on the machine's load.
//!
//! A figure that is more than 3 % above its budget fails. `-- --update` writes a new budget, for a change that is worth it.
//! `-- --sam-build` counts the executables that `sam build` has built for the deployment, so that CI builds them once.

use std::{
    collections::{BTreeMap, HashMap},
    env::consts::ARCH,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use session_local::{
    emulator::template::{Function, Template},
    executables::{self},
    workspace::workspace,
};
use tokio::process::{Child, Command};

use test_support::bench::{
    events::{self, Operation},
    processes,
    runtime_api::{ProcessEvent, RuntimeApi},
    store::Store,
};

/// How far a figure may be above its budget.
const TOLERANCE: f64 = 0.03;
/// The speed of a counted process's clock. Under Valgrind a process is about 50 times slower. With a normal clock, timeouts would
/// fire that do not fire in production: another connection would be opened, and counted.
const CLOCK: &str = "+0 x0.02";
/// The number of warm invocations from which the instructions of one are computed.
const CALLS: u64 = 50;
/// The operations that are counted.
const COUNTED: [Operation; 6] = [
    Operation::List,
    Operation::ListOfOne,
    Operation::ListOfGroups,
    Operation::Changes,
    Operation::Get,
    Operation::RecordP2p,
];
/// The number of sessions of each user in the store.
const SESSIONS: [u64; 2] = [1, events::USUAL];

#[derive(Parser)]
#[command(about = "Counts instructions and holds them to the budget")]
struct Options {
    /// Write the counted figures as the new budget
    #[arg(long)]
    update: bool,
    /// Count the executables that the test of the deployment has built, instead of building them
    #[arg(long)]
    sam_build: bool,
    /// The argument that cargo adds to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool> {
    let executables = if options.sam_build {
        built_by_sam()?
    } else {
        eprintln!("building the functions without link-time optimisation (minutes the first time)");
        executables::build_as_deployed("deploy-test").await?
    };
    let store = Store::start(&SESSIONS, &[events::GROUPS]).await?;
    let mut counted = BTreeMap::new();
    for operation in COUNTED {
        let executable = executables.get(operation.function()).context("not built")?;
        eprintln!("counting {}", operation.name());
        let first = instructions(&store, executable, operation, 1).await?;
        let more = instructions(&store, executable, operation, 1 + CALLS).await?;
        counted.insert(format!("start and first {}", operation.name()), first);
        counted.insert(format!("warm {}", operation.name()), more.saturating_sub(first) / CALLS);
    }
    let path = workspace().join("tests/benches/instructions/budget.json");
    if options.update {
        std::fs::write(&path, serde_json::to_string_pretty(&counted)? + "\n")?;
    }
    let budget = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(holds(&counted, &serde_json::from_str(&budget)?))
}

/// Returns the executables that `sam build` has built.
fn built_by_sam() -> Result<HashMap<String, PathBuf>> {
    let folder = workspace().join("infra/.aws-sam/build");
    let functions = Template::of_the_repository()?.functions;
    let built = |(id, function): (String, Function)| {
        let executable = folder.join(id).join("bootstrap");
        ensure!(executable.is_file(), "{} is missing: run sam build first", executable.display());
        Ok((function.binary, executable))
    };
    functions.into_iter().map(built).collect()
}

/// Prints the counts next to the budget. Returns whether all of them are within it.
#[expect(clippy::cast_precision_loss, reason = "a ratio of two digits")]
fn holds(counted: &BTreeMap<String, u64>, budget: &HashMap<String, u64>) -> bool {
    let mut all = true;
    println!("| instructions of | counted | budget | |\n|---|---|---|---|");
    for (of, &count) in counted {
        let allowed = budget.get(of).copied().unwrap_or_default();
        let change = count as f64 / allowed as f64 - 1.0;
        let within = change <= TOLERANCE;
        let verdict = if within { "" } else { " **too many**" };
        println!("| {of} | {count} | {allowed} | {:+.1} %{verdict} |", change * 100.0);
        all &= within;
    }
    all
}

/// Counts the instructions of a process that starts and responds to this many invocations.
async fn instructions(store: &Store, executable: &Path, operation: Operation, calls: u64) -> Result<u64> {
    let faketime = format!("/usr/lib/{ARCH}-linux-gnu/faketime/libfaketime.so.1");
    ensure!(Path::new(&faketime).exists(), "{faketime} is missing: is faketime installed?");
    let mut api = RuntimeApi::start().await?;
    let summary = summary_file(operation, calls);
    let log = std::fs::File::create(&summary)?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(executable)
        .env_clear()
        .envs(store.environment())
        .env("AWS_LAMBDA_RUNTIME_API", &api.address)
        .env("LD_PRELOAD", &faketime)
        .env("FAKETIME", CLOCK)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    let mut process = command.spawn().context("cannot run valgrind: is it installed?")?;
    for _ in 0..calls {
        asks(&mut api).await?;
        api.hand_out(operation.event()).await?;
        match api.next_event().await? {
            ProcessEvent::Responded(_, response) => operation.check(&response)?,
            ProcessEvent::Polled(_) => bail!("it polls for another event instead of responding"),
            ProcessEvent::Failed(why) => bail!("it fails: {why}"),
        }
    }
    asks(&mut api).await?;
    end(&mut process).await?;
    let text = std::fs::read_to_string(&summary)?;
    let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    collected.context("callgrind has no count")?.trim().parse().context("Callgrind's count is not a number")
}

fn summary_file(operation: Operation, calls: u64) -> PathBuf {
    workspace().join(format!("target/callgrind-{}-{calls}.log", operation.name().replace(' ', "-")))
}

async fn asks(api: &mut RuntimeApi) -> Result<()> {
    match api.next_event().await? {
        ProcessEvent::Polled(_) => Ok(()),
        ProcessEvent::Responded(..) => bail!("it responds without an event"),
        ProcessEvent::Failed(why) => bail!("it fails: {why}"),
    }
}

/// Ends the process. Callgrind reports its count when the process is terminated.
async fn end(process: &mut Child) -> Result<()> {
    processes::signal(process.id().context("it has ended")?, "TERM").await?;
    process.wait().await?;
    Ok(())
}
