//! Puts `cargo local --release` under mixed load while injecting faults, for 30 minutes by default:
//! `cargo bench -p service-tests --bench soak`.
//!
//! One service runs the engine, with its data in a folder. Another runs the functions, which reach that engine through a proxy.
//! Functions are killed, the proxy's connections are cut, and both services are killed and restarted. Afterwards, every
//! acknowledged write must be present, and each device must show what a fresh list shows. In the last third, in which nothing is
//! killed, neither memory nor open files may have grown. See `--help`.

mod proxy;
mod worker;

use std::{
    fs,
    path::Path,
    process::ExitCode,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use session_local::{
    executables::{self},
    service::listen,
    workspace::workspace,
};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use proxy::Proxy;
use test_support::bench::{
    command,
    local::{self, Local},
    processes::{children, mib, open_files, signal},
};
use worker::{Counts, Worker};

/// Puts the release builds on this machine under load, injects faults, and checks the result.
#[derive(Parser)]
#[command(name = "soak", bin_name = "cargo bench -p service-tests --bench soak --")]
struct Options {
    /// The duration, in minutes
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: u64,
    /// The number of concurrent users
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    users: u64,
    /// The seed of the random numbers; by default, it differs in every run
    #[arg(long)]
    seed: Option<u64>,
    /// The argument that cargo adds to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The time between two faults.
const EVERY: Duration = Duration::from_secs(12);
/// The number of files that the services hold open for a function: its connections to both services, and its output.
const FILES_PER_FUNCTION: usize = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    command::run(run(&options)).await
}

/// The system under load: the service with the engine, the proxy in front of it, and the service with the functions.
struct Machine {
    executable: std::path::PathBuf,
    data: String,
    ports: [String; 2],
    engine: Local,
    proxy: Proxy,
    /// The service that the workers send requests to.
    front: Arc<RwLock<Arc<Local>>>,
}

impl Machine {
    async fn start() -> Result<Self> {
        eprintln!("building the release functions (minutes the first time)");
        let executable = local::executable(&executables::build("release", &["local"]).await?)?;
        let data = workspace().canonicalize()?.join("target/soak");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let data = data.to_str().context("the folder's name is not UTF-8")?.to_owned();
        let free = async || anyhow::Ok(listen(0).await?.local_addr()?.port().to_string());
        let ports = [free().await?, free().await?];
        let engine = Local::start(&executable, &["--port", &ports[0], "--data", &data]).await?;
        let proxy = Proxy::before(&engine.dynamodb).await?;
        let front =
            Local::start(&executable, &["--port", &ports[1], "--dynamodb-endpoint", &proxy.endpoint]).await?;
        let front = Arc::new(RwLock::new(Arc::new(front)));
        Ok(Self { executable, data, ports, engine, proxy, front })
    }

    fn front(&self) -> Arc<Local> {
        Arc::clone(&self.front.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Injects one of the faults.
    async fn hurt(&mut self, how: u64) -> Result<&'static str> {
        match how % 8 {
            0..3 => {
                let functions = children(self.front().id());
                if let Some(one) = functions.get(usize::try_from(how / 8)? % functions.len().max(1)) {
                    signal(*one, "KILL").await?;
                }
                Ok("a function killed")
            }
            3..6 => {
                self.proxy.cut();
                Ok("the engine's connections cut")
            }
            6 => {
                self.engine.kill().await?;
                let arguments = ["--port", &self.ports[0], "--data", &self.data];
                self.engine = Local::start(&self.executable, &arguments).await?;
                self.proxy.lead_to(&self.engine.dynamodb);
                Ok("the engine killed and started again on its data")
            }
            _ => {
                signal(self.front().id(), "KILL").await?;
                // Wait until its functions have ended and its port is free.
                sleep(Duration::from_millis(500)).await;
                let arguments = ["--port", &self.ports[1], "--dynamodb-endpoint", &self.proxy.endpoint];
                let front = Local::start(&self.executable, &arguments).await?;
                *self.front.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(front);
                Ok("the functions' service killed and started again")
            }
        }
    }

    /// Returns the processes of both services and all functions.
    fn processes(&self) -> Vec<u32> {
        let services = [self.engine.id(), self.front().id()];
        services.into_iter().flat_map(|service| children(service).into_iter().chain([service])).collect()
    }
}

/// Returns the resident memory in MiB and the number of open files.
fn size(processes: &[u32]) -> (f64, usize) {
    processes.iter().fold((0.0, 0), |(resident, files), &process| {
        (resident + mib(process, "VmRSS").unwrap_or_default(), files + open_files(process))
    })
}

async fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(rand_seed);
    println!("seed {seed}");
    let mut machine = Machine::start().await?;
    let counts = Arc::new(Counts::default());
    let (stop, stopped) = watch::channel(false);
    let mut workers = JoinSet::new();
    for number in 0..options.users {
        let worker = Worker::new(number, seed, Arc::clone(&machine.front), Arc::clone(&counts));
        workers.spawn_local(worker.run(stopped.clone()));
    }
    let started = Instant::now();
    let long = Duration::from_secs(options.minutes * 60);
    let mut dice = worker::Dice::new(seed);
    let mut hurts = std::collections::BTreeMap::new();
    while started.elapsed() < long * 2 / 3 {
        sleep(EVERY).await;
        let how = machine.hurt(dice.next()).await?;
        *hurts.entry(how).or_insert(0) += 1;
        eprintln!(
            "{:>5} s  {} acknowledged, {} repeated  {how}",
            started.elapsed().as_secs(),
            counts.acknowledged(),
            counts.repeated()
        );
        ensure_running(&mut workers)?;
    }
    // Wait until the processes hold what a process holds after serving for a while.
    sleep((long / 12).min(Duration::from_mins(2))).await;
    let processes = machine.processes();
    let before = size(&processes);
    while started.elapsed() < long {
        sleep(Duration::from_secs(1)).await;
        ensure_running(&mut workers)?;
    }
    // The size of the same processes. A request that found only busy functions has started another one, which is not a leak.
    let after = size(&processes);
    let started_meanwhile = machine.processes().len().saturating_sub(processes.len());
    stop.send(true)?;
    let mut done = Vec::new();
    while let Some(worker) = workers.join_next().await {
        done.push(worker??);
    }
    eprintln!("checking {} users", done.len());
    let mut sessions = 0;
    for worker in &mut done {
        sessions += worker.check().await.with_context(|| format!("seed {seed}, user {}", worker.number()))?;
    }
    println!("| | |\n|---|---|");
    println!("| writes acknowledged, all there | {} |", counts.writes.load(Ordering::Relaxed));
    println!("| lists, gets and syncs completed | {} |", counts.reads.load(Ordering::Relaxed));
    println!("| requests retried until they were accepted | {} |", counts.repeated());
    for (how, times) in &hurts {
        println!("| {how} | {times} times |");
    }
    println!("| devices that show what a fresh list shows | {} of {} sessions |", done.len() * 2, sessions);
    println!("| resident, before and after the quiet third | {:.0}, {:.0} MiB |", before.0, after.0);
    println!("| open files | {}, {} |", before.1, after.1);
    println!(
        "| functions and services, and functions started in that third | {}, {started_meanwhile} |",
        processes.len()
    );
    ensure!(after.0 <= before.0 * 1.15 + 16.0, "memory has grown");
    ensure!(after.1 <= before.1 + 24 + FILES_PER_FUNCTION * started_meanwhile, "open files have grown");
    Ok(())
}

/// Fails if a worker has ended, because a worker ends early only when it fails.
fn ensure_running(workers: &mut JoinSet<Result<Worker>>) -> Result<()> {
    match workers.try_join_next() {
        None => Ok(()),
        Some(ended) => Err(ended?.err().unwrap_or_else(|| anyhow::anyhow!("a worker has ended"))),
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(Path::new("soak")) >> 1
}
