//! A process that is measured.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use axum::body::Bytes;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use test_support::bench::{
    processes::{cpu_of, mib},
    runtime_api::{ProcessEvent, RuntimeApi},
};

use crate::{cgroup::Cgroup, plan::Lab};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running function, driven through its own Runtime API. It is killed when this is dropped.
pub(crate) struct Function {
    child: Child,
    api: RuntimeApi,
    // Declared after the child, so that it is removed after the child has been killed.
    cgroup: Option<Cgroup>,
    is_idle: bool,
    id: u32,
}

impl Function {
    /// Starts a function and waits until it polls for its first event. Returns how long that took.
    pub(crate) async fn start(lab: &Lab, executable: &std::path::Path) -> Result<(Self, Duration)> {
        let api = RuntimeApi::start().await?;
        let mut command = Command::new(executable);
        command
            .env_clear()
            .envs(lab.store.environment())
            .env("AWS_LAMBDA_RUNTIME_API", &api.address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", executable.display()))?;
        let id = child.id().context("it has ended")?;
        let core = on_last_core(id);
        let cgroup = if lab.can_cap { Some(Cgroup::with(id)?) } else { None };
        core?;
        let mut function = Self { child, api, cgroup, is_idle: false, id };
        let asked = function.wait_until_idle().await?;
        Ok((function, asked - started))
    }

    async fn wait_until_idle(&mut self) -> Result<Instant> {
        match self.next_event().await? {
            ProcessEvent::Polled(at) => {
                self.is_idle = true;
                Ok(at)
            }
            ProcessEvent::Responded(..) => bail!("it responds without an event"),
            ProcessEvent::Failed(why) => bail!("it fails: {why}"),
        }
    }

    async fn next_event(&mut self) -> Result<ProcessEvent> {
        tokio::select! {
            event = timeout(PATIENCE, self.api.next_event()) => event.context("it does nothing")?,
            status = self.child.wait() => bail!("it ended: {}", status?),
        }
    }

    /// Hands out an event. Returns how long the response took, and the response.
    pub(crate) async fn call(&mut self, event: String) -> Result<(Duration, Bytes)> {
        if !self.is_idle {
            self.wait_until_idle().await?;
        }
        let handed_out = Instant::now();
        self.api.hand_out(event).await?;
        self.is_idle = false;
        match self.next_event().await? {
            ProcessEvent::Responded(at, body) => Ok((at - handed_out, body)),
            ProcessEvent::Polled(_) => bail!("it polls for another event instead of responding"),
            ProcessEvent::Failed(why) => bail!("it fails: {why}"),
        }
    }

    /// Waits until the function has finished its work after a response.
    pub(crate) async fn rest(&mut self) -> Result<()> {
        if !self.is_idle {
            self.wait_until_idle().await?;
        }
        Ok(())
    }

    /// Limits the CPU to the share that Lambda gives to this memory size.
    pub(crate) fn cap(&self, memory_mb: u64) -> Result<()> {
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| cgroup.cap(memory_mb)).context("cannot cap the CPU")
    }

    /// The CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.id)
    }

    /// The peak resident memory, in MiB.
    pub(crate) fn peak_mib(&self) -> Result<f64> {
        mib(self.id, "VmHWM")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
    }
}

/// Moves a measured process to the last core. Everything else has the other cores.
pub(crate) fn on_last_core(process: u32) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let mut set = CpuSet::new();
    set.set(cores - 1)?;
    sched_setaffinity(Pid::from_raw(i32::try_from(process)?), &set)?;
    Ok(())
}
