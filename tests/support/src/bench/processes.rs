//! Figures of processes, as the kernel reports them.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use tokio::process::Command;

/// Returns the processes that a process has started.
pub fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let of_each = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    of_each
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// Returns the CPU time that all threads of a process have used so far.
pub fn cpu_of(process: u32) -> Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        nanos += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(Duration::from_nanos(nanos))
}

/// Returns a memory figure of a process, in MiB: `VmRSS` is the current resident size, `VmHWM` its peak.
pub fn mib(process: u32, figure: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    let kib: f64 = line.with_context(|| format!("no {figure}"))?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}

/// Returns the number of files that a process has open.
pub fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// Sends a signal to a process, which may just have ended by itself.
pub async fn signal(process: u32, name: &str) -> Result<()> {
    let mut command = Command::new("kill");
    command.args([format!("-{name}"), process.to_string()]).stderr(Stdio::null()).status().await?;
    Ok(())
}
