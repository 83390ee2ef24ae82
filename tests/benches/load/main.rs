//! Measures how much load one machine can handle: `cargo bench -p service-tests --bench load`. It measures message copies and lists
//! per second of `cargo local --release`, over 1, 8 and 64 connections, and the CPU time of each part. Then it measures the CPU
//! time of the worst message copies of 1 MB. See `--help`.

#![expect(clippy::cast_precision_loss, reason = "figures of a few digits")]

mod bodies;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use reqwest::Client;
use serde_json::Value;
use session_local::{
    backend::client::{Feed, text_message},
    emulator::clock,
    executables,
};
use tokio::task::JoinSet;

use test_support::bench::{
    command,
    local::{self, Local},
    processes::{children, cpu_of},
};

/// Measures message copies and lists per second of the release builds on this machine. If the CPU is the limit, the shares show
/// which part uses it.
#[derive(Parser)]
#[command(name = "load", bin_name = "cargo bench -p service-tests --bench load --")]
struct Options {
    /// The duration of each measurement, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The number of concurrent connections; may be repeated
    #[arg(long, default_values_t = [1, 8, 64], value_parser = clap::value_parser!(u64).range(1..=256))]
    connections: Vec<u64>,
    /// The argument that cargo adds to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The number of users, each with 100 sessions.
const USERS: u64 = 32;
const SESSIONS: u64 = 100;
const TEXT: &str = "Shall we meet at the usual place at half past seven? I can bring the tickets and the book you asked for.";

// One thread generates the load. The other core is left to the service.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    command::run(run(&options)).await
}

async fn run(options: &Options) -> Result<()> {
    eprintln!("building the release functions (minutes the first time)");
    let executable = local::executable(&executables::build("release", &["local"]).await?)?;
    let local = Arc::new(Local::start(&executable, &["--port", "0"]).await?);
    eprintln!("filling {USERS} users with {SESSIONS} sessions each");
    fill(&local).await?;
    println!(
        "| | connections | a second | p50, ms | p99, ms | CPU: functions | gateway and engine | load itself |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for what in [What::Copies, What::Lists] {
        for &connections in &options.connections {
            let measured = measure(&local, what, connections, Duration::from_secs(options.seconds)).await?;
            println!("| {} | {connections} | {measured} |", what.name());
        }
    }
    println!("\n| a copy of 1 MB | response | CPU of the function, ms |\n|---|---|---|");
    let mut wrong = Vec::new();
    for (name, body) in bodies::of_a_megabyte() {
        let (status, mut took) = one(&local, &body).await?;
        // The first one may meet a process that has just started, or a busy machine.
        for _ in 0..2 {
            took = took.min(one(&local, &body).await?.1);
        }
        println!("| {name} | {status} | {:.1} |", took.as_secs_f64() * 1e3);
        if status >= 500 || took > bodies::MOST {
            wrong.push(name);
        }
    }
    ensure!(wrong.is_empty(), "a 5xx, or more than {:?} of CPU: {}", bodies::MOST, wrong.join(", "));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("\n{cores} cores, which all of it shares; CPU in percent of one core");
    Ok(())
}

#[derive(Clone, Copy)]
enum What {
    Copies,
    Lists,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Copies => "p2p copies, two writes each",
            Self::Lists => "lists of 100",
        }
    }
}

fn user(number: u64) -> String {
    format!("user-{}", number % USERS)
}

async fn fill(local: &Local) -> Result<()> {
    let feed = local.feed();
    for user_number in 0..USERS {
        for session in 0..SESSIONS {
            let copy = text_message(&format!("friend-{session}"), &user(user_number), TEXT, clock::now_ms());
            feed.deliver(&copy).await?;
        }
        local.token(&user(user_number)).await?;
    }
    Ok(())
}

/// Returns the CPU time used so far by the functions, by the gateway with the engine, and by this process.
fn used(local: &Local) -> Result<[Duration; 3]> {
    let functions = children(local.id()).into_iter().filter_map(|child| cpu_of(child).ok()).sum();
    Ok([functions, cpu_of(local.id())?, cpu_of(std::process::id())?])
}

async fn measure(local: &Arc<Local>, what: What, connections: u64, long: Duration) -> Result<String> {
    // A warm-up, in which processes start and connections are opened.
    run_for(local, what, connections, Duration::from_secs(1)).await?;
    let before = used(local)?;
    let started = Instant::now();
    let mut took = run_for(local, what, connections, long).await?;
    let seconds = started.elapsed().as_secs_f64();
    let after = used(local)?;
    took.sort_unstable();
    let at = |part: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let index = ((took.len() - 1) as f64 * part) as usize;
        took[index].as_secs_f64() * 1e3
    };
    ensure!(!took.is_empty(), "no request got a response");
    let share = |of: usize| (after[of].saturating_sub(before[of])).as_secs_f64() / seconds * 100.0;
    Ok(format!(
        "{:.0} | {:.1} | {:.1} | {:.0} % | {:.0} % | {:.0} %",
        took.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        share(0),
        share(1),
        share(2)
    ))
}

/// Posts one signed message copy. Returns the response's status and the function's CPU time.
async fn one(local: &Local, body: &str) -> Result<(u16, Duration)> {
    let before = used(local)?;
    let status = local.feed().post_bytes(body.as_bytes().to_vec()).await?.status().as_u16();
    Ok((status, used(local)?[0].saturating_sub(before[0])))
}

/// Sends requests one after the other over each connection. Returns the duration of each request.
async fn run_for(local: &Arc<Local>, what: What, connections: u64, long: Duration) -> Result<Vec<Duration>> {
    let until = Instant::now() + long;
    let mut running = JoinSet::new();
    for connection in 0..connections {
        let local = Arc::clone(local);
        running.spawn_local(async move {
            let http = session_local::http::client();
            let feed = local.feed().through(http.clone());
            let mut took = Vec::new();
            let mut number = connection;
            while Instant::now() < until {
                number += connections;
                let started = Instant::now();
                match what {
                    What::Copies => copy(&feed, number).await?,
                    What::Lists => list(&local, &http, number).await?,
                }
                took.push(started.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = running.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}

async fn copy(feed: &Feed, number: u64) -> Result<()> {
    let copy =
        text_message(&format!("friend-{}", number / USERS % SESSIONS), &user(number), TEXT, clock::now_ms());
    feed.deliver(&copy).await
}

async fn list(local: &Local, http: &Client, number: u64) -> Result<()> {
    let request =
        http.get(format!("{}/v1/sessions", local.url)).bearer_auth(local.token(&user(number)).await?);
    let response: Value = request.send().await?.error_for_status()?.json().await?;
    let listed = response["sessionList"].as_array().context("no list")?.len();
    ensure!(listed == 100, "{listed} sessions");
    Ok(())
}
