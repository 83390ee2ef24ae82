//! The measurements and their order.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result};
use flate2::{Compression, write::DeflateEncoder};
use indicatif::{ProgressBar, ProgressStyle};
use session_local::{
    cost::{meter::count, prices::Prices},
    workspace::workspace,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use test_support::bench::{
    events::{self, Operation},
    processes::cpu_of,
    store::Store,
};

use crate::{
    figures::{Cold, Figures, Growth, Priced, Sizes, Warm, ms},
    process::{Function, on_last_core},
};

/// The name of our own functions among the candidates.
pub(crate) const OURS: &str = "ours";
/// The name of the function that does nothing, among the candidates.
pub(crate) const EMPTY: &str = "empty function";
/// The name of the loop of SDK requests, among the candidates.
pub(crate) const BARE: &str = "bare SDK";
/// The memory sizes of cold starts, in MB.
pub(crate) const MEMORY: [u64; 2] = [128, 512];

/// The amount of data and of samples.
pub(crate) struct Size {
    /// The users with p2p sessions, given by the number of those.
    pub(crate) users: Vec<u64>,
    /// The users with groups, given by the number of those.
    pub(crate) groups: Vec<u64>,
    cold: usize,
    rounds: usize,
}

impl Size {
    pub(crate) fn quick() -> Self {
        Self { users: vec![1, 100, 10_000], groups: vec![0, 30, 100, 500], cold: 10, rounds: 3 }
    }

    pub(crate) fn full() -> Self {
        Self { users: vec![1, 100, 10_000, 1_000_000], groups: vec![0, 30, 100, 500], cold: 30, rounds: 15 }
    }
}

/// The number of invocations in a block.
const BLOCK: usize = 200;
/// The number of invocations in a block with a capped CPU. Each takes about 20 ms.
const CAPPED_BLOCK: usize = 20;
/// The number of invocations before each block that are not counted.
const LEAD: usize = 5;

/// The environment in which functions are measured.
pub(crate) struct Lab {
    pub(crate) store: Store,
    bare: PathBuf,
    pub(crate) can_cap: bool,
}

impl Lab {
    pub(crate) fn new(store: Store, executables: &HashMap<String, PathBuf>) -> Result<Self> {
        let can_cap = crate::cgroup::Cgroup::with(std::process::id()).is_ok_and(|own| own.leave().is_ok());
        if !can_cap {
            eprintln!(
                "cgroups cannot be written here: the CPU is not capped, and the capped columns are left out"
            );
        }
        // The other cores are left to the benchmark's own threads, which include those of the store and of the Runtime API stub.
        Ok(Self { store, bare: executable(executables, "bare-sdk")?, can_cap })
    }
}

fn executable(executables: &HashMap<String, PathBuf>, name: &str) -> Result<PathBuf> {
    executables.get(name).cloned().with_context(|| format!("no executable {name}"))
}

/// A candidate for measurement: one executable for all operations, or one per operation.
pub(crate) struct Candidate {
    name: String,
    executables: BTreeMap<Operation, PathBuf>,
    checked: bool,
}

impl Candidate {
    pub(crate) fn ours(executables: &HashMap<String, PathBuf>) -> Result<Self> {
        let of = |operation: Operation| Ok((operation, executable(executables, operation.function())?));
        let executables = Operation::ALL.into_iter().map(of).collect::<Result<_>>()?;
        Ok(Self { name: OURS.into(), executables, checked: true })
    }

    pub(crate) fn empty(executables: &HashMap<String, PathBuf>) -> Result<Self> {
        let empty = Self::single(EMPTY, &executable(executables, "empty-function")?);
        Ok(Self { checked: false, ..empty })
    }

    pub(crate) fn single(name: &str, path: &Path) -> Self {
        let executables = Operation::ALL.into_iter().map(|operation| (operation, path.to_owned())).collect();
        Self { name: name.to_owned(), executables, checked: true }
    }
}

/// Measures everything except the costs.
pub(crate) async fn measure(lab: &Lab, mut candidates: Vec<Candidate>, size: &Size) -> Result<Figures> {
    let mut figures = Figures { machine: machine(), capped: lab.can_cap, ..Figures::default() };
    for candidate in candidates.iter_mut().filter(|candidate| candidate.checked) {
        leave_out_what_is_wrong(lab, candidate, &mut figures).await;
    }
    cold(lab, &candidates, size, &mut figures).await?;
    warm(lab, &candidates, size, &mut figures).await?;
    if let Some(ours) = candidates.iter().find(|candidate| candidate.name == OURS) {
        growth(lab, ours, size, &mut figures).await?;
    }
    Ok(figures)
}

async fn leave_out_what_is_wrong(lab: &Lab, candidate: &mut Candidate, figures: &mut Figures) {
    for operation in Operation::ALL {
        let checked = async {
            let (mut function, _) = Function::start(lab, &candidate.executables[&operation]).await?;
            let (_, response) = function.call(operation.event()).await?;
            events::body(&response)?;
            operation.check(&response)
        };
        if let Err(reason) = checked.await {
            candidate.executables.remove(&operation);
            figures.left_out.push(format!("{}, {}: {reason:#}", candidate.name, operation.name()));
        }
    }
}

fn progress(steps: usize, what: &'static str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg:10} {bar:40} {pos}/{len}, {eta} left")?;
    Ok(ProgressBar::new(steps as u64).with_style(style).with_message(what))
}

/// Measures fresh processes: the time from the start to the first poll for an event, uncapped like Lambda's init phase, and then
/// the first list.
async fn cold(lab: &Lab, candidates: &[Candidate], size: &Size, figures: &mut Figures) -> Result<()> {
    let progress = progress(size.cold * MEMORY.len(), "cold")?;
    for _ in 0..size.cold {
        for memory_mb in MEMORY {
            for candidate in candidates {
                let Some(executable) = candidate.executables.get(&Operation::List) else { continue };
                let (mut function, init) = Function::start(lab, executable).await?;
                let cpu_init = function.cpu()?;
                function.cap(memory_mb)?;
                let (first, _) = function.call(Operation::List.event()).await?;
                let cpu_first = function.cpu()?.saturating_sub(cpu_init);
                let sample = Cold {
                    init: ms(init),
                    first: ms(first),
                    cpu_init: ms(cpu_init),
                    cpu_first: ms(cpu_first),
                };
                let of = figures.cold.entry(candidate.name.clone()).or_default();
                of.entry(memory_mb).or_default().push(sample);
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(())
}

/// Measures warm invocations. Every candidate is started once per operation and keeps running; blocks of invocations take turns.
async fn warm(lab: &Lab, candidates: &[Candidate], size: &Size, figures: &mut Figures) -> Result<()> {
    let mut bare = Bare::start(lab).await?;
    let progress = progress(size.rounds * Operation::ALL.len() * 2, "warm")?;
    for operation in Operation::ALL {
        let mut running = Vec::new();
        for candidate in candidates {
            if let Some(executable) = candidate.executables.get(&operation) {
                running.push((candidate.name.clone(), Function::start(lab, executable).await?.0));
            }
        }
        for round in 0..size.rounds {
            let turn = round % running.len().max(1);
            running.rotate_left(turn);
            for (name, function) in &mut running {
                let of = figures.warm.entry(operation.name()).or_default().entry(name.clone()).or_default();
                block(function, BLOCK, of, || operation.event()).await?;
            }
            if let Some(request) = Bare::request(operation) {
                let of =
                    figures.warm.entry(operation.name()).or_default().entry(BARE.to_owned()).or_default();
                bare.block(&request, of).await?;
            }
            progress.inc(1);
        }
        for (name, function) in &running {
            let of = figures.peak.entry(operation.name()).or_default();
            of.insert(name.clone(), function.peak_mib()?);
            function.cap(MEMORY[0])?;
        }
        for _ in 0..size.rounds {
            for (name, function) in running.iter_mut().filter(|_| lab.can_cap) {
                let of =
                    figures.warm_at_128.entry(operation.name()).or_default().entry(name.clone()).or_default();
                block(function, CAPPED_BLOCK, of, || operation.event()).await?;
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(())
}

async fn block(
    function: &mut Function,
    calls: usize,
    warm: &mut Warm,
    event: impl Fn() -> String,
) -> Result<()> {
    for _ in 0..LEAD {
        function.call(event()).await?;
    }
    function.rest().await?;
    let before = function.cpu()?;
    for _ in 0..calls {
        warm.calls.push(ms(function.call(event()).await?.0));
    }
    function.rest().await?;
    warm.cpu.push(ms(function.cpu()?.saturating_sub(before)) / calls as f64);
    Ok(())
}

/// Measures a list of 100 for users of all sizes, from the newest session on and from the middle.
async fn growth(lab: &Lab, ours: &Candidate, size: &Size, figures: &mut Figures) -> Result<()> {
    let Some(executable) = ours.executables.get(&Operation::List) else { return Ok(()) };
    let (mut function, _) = Function::start(lab, executable).await?;
    let mut rows: Vec<(String, String, Warm)> = Vec::new();
    for &count in size.users.iter().filter(|count| **count >= 100) {
        let user = events::user(count);
        rows.push((format!("{count} sessions, the newest"), events::list(&user, 0), Warm::default()));
        if count > 100 {
            let middle = events::time(count / 2);
            rows.push((
                format!("{count} sessions, deep inside"),
                events::list(&user, middle),
                Warm::default(),
            ));
        }
    }
    for &groups in &size.groups {
        let event = events::list(&events::member(groups), 0);
        rows.push((format!("100 sessions and {groups} groups"), event, Warm::default()));
    }
    for (of, event, _) in &rows {
        let (_, response) = function.call(event.clone()).await?;
        let sessions = events::body(&response)?["sessionList"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(sessions == 100, "{of}: {sessions} sessions");
    }
    let progress = progress(size.rounds, "growth")?;
    for _ in 0..size.rounds {
        for (_, event, warm) in &mut rows {
            block(&mut function, BLOCK / 4, warm, || event.clone()).await?;
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    figures.growth = rows.into_iter().map(|(of, _, warm)| Growth { of, warm }).collect();
    Ok(())
}

impl Figures {
    /// Returns the figures of our own list, if its responses are correct.
    pub(crate) fn ours(&self) -> Option<&Warm> {
        self.warm.get(Operation::List.name())?.get(OURS)
    }

    /// Adds units, prices and sizes.
    pub(crate) async fn with_costs(mut self, executables: &HashMap<String, PathBuf>) -> Result<Self> {
        let prices = Prices::read(&workspace().join("infra/prices.json"))?;
        for call in count(executables.clone()).await? {
            let cost = prices.of_a_million(&call, Duration::from_millis(10));
            self.costs.push(Priced {
                operation: call.name,
                read_units: call.read_units,
                write_units: call.write_units,
                dollars_a_million: cost.total(),
            });
        }
        let functions: std::collections::BTreeSet<_> = fs::read_dir(workspace().join("functions"))?
            .filter_map(|folder| folder.ok()?.file_name().into_string().ok())
            .collect();
        for function in functions {
            let bytes = fs::read(executable(executables, &function)?)?;
            let mut zip = DeflateEncoder::new(Vec::new(), Compression::best());
            zip.write_all(&bytes)?;
            self.sizes.push(Sizes { function, bytes: bytes.len(), zipped: zip.finish()?.len() });
        }
        Ok(self)
    }
}

/// The loop of SDK requests, whose responses are dropped.
struct Bare {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Bare {
    async fn start(lab: &Lab) -> Result<Self> {
        let mut command = Command::new(&lab.bare);
        command.env_clear().envs(lab.store.environment()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        on_last_core(child.id().context("the bare SDK has ended")?)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = BufReader::new(output.context("no output")?).lines();
        let mut bare = Self { child, input: input.context("no input")?, output };
        for operation in Operation::ALL {
            if let Some(request) = Self::request(operation) {
                bare.calls(&request, BLOCK).await?;
            }
        }
        Ok(bare)
    }

    /// Returns the loop's command for an operation, if the operation sends a single request to DynamoDB.
    fn request(operation: Operation) -> Option<String> {
        let user = events::user(events::USUAL);
        match operation {
            Operation::List => Some(format!("list CALLS {user} none")),
            Operation::Get => Some(format!("get CALLS {user} {}", events::session_id())),
            Operation::SetExt => Some(format!("update CALLS {user} p2p|bare")),
            Operation::ListOfOne
            | Operation::ListOfGroups
            | Operation::Changes
            | Operation::RecordP2p
            | Operation::RecordGroup => None,
        }
    }

    async fn block(&mut self, request: &str, warm: &mut Warm) -> Result<()> {
        self.calls(request, LEAD).await?;
        let id = self.child.id().context("the bare SDK has ended")?;
        let before = cpu_of(id)?;
        warm.calls.extend(self.calls(request, BLOCK).await?);
        warm.cpu.push(ms(cpu_of(id)?.saturating_sub(before)) / BLOCK as f64);
        Ok(())
    }

    async fn calls(&mut self, request: &str, calls: usize) -> Result<Vec<f64>> {
        let line = format!("{}\n", request.replace("CALLS", &calls.to_string()));
        self.input.write_all(line.as_bytes()).await?;
        self.input.flush().await?;
        let line = self.output.next_line().await?.context("the bare SDK has ended")?;
        line.split(' ').map(|micros| Ok(micros.parse::<f64>()? / 1e3)).collect()
    }
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let model = model.trim_start_matches([':', ' ', '\t']);
    format!("{model}, {cores} cores, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
