//! A CPU quota like Lambda's: memory / 1,769 MB of a core, by cgroup version 1 or 2.

use std::{fs, io, path::PathBuf, thread, time::Duration};

/// The quota's period in microseconds, which is Lambda's.
const PERIOD_US: u64 = 20_000;

/// A cgroup of one process. It is removed when dropped, after the process has ended.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    unified: bool,
}

impl Cgroup {
    /// Creates a cgroup with this process in it and without a quota. Fails if cgroups cannot be written.
    pub(crate) fn with(process: u32) -> io::Result<Self> {
        let name = format!("session-benchmark-{process}");
        let (root, unified) = if PathBuf::from("/sys/fs/cgroup/cgroup.controllers").exists() {
            (PathBuf::from("/sys/fs/cgroup"), true)
        } else {
            (PathBuf::from("/sys/fs/cgroup/cpu"), false)
        };
        let cgroup = Self { folder: root.join(name), unified };
        fs::create_dir(&cgroup.folder)?;
        if !unified {
            fs::write(cgroup.folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
        }
        fs::write(cgroup.folder.join("cgroup.procs"), process.to_string())?;
        Ok(cgroup)
    }

    /// Limits the CPU to the share that Lambda gives to this memory size.
    pub(crate) fn cap(&self, memory_mb: u64) -> io::Result<()> {
        let quota = PERIOD_US * memory_mb / 1_769;
        if self.unified {
            fs::write(self.folder.join("cpu.max"), format!("{quota} {PERIOD_US}"))
        } else {
            fs::write(self.folder.join("cpu.cfs_quota_us"), quota.to_string())
        }
    }
}

impl Cgroup {
    /// Moves this program, which was added as a trial, out of the cgroup.
    pub(crate) fn leave(self) -> io::Result<()> {
        let root = self.folder.parent().map(|root| root.join("cgroup.procs")).unwrap_or_default();
        fs::write(root, std::process::id().to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The killed process leaves the cgroup a moment later.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}
