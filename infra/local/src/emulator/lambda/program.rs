//! What the environments of a function are started from.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use crate::emulator::{clock::Clock, observer::Observer};

/// The settings from which each environment of a function is started.
#[derive(Clone)]
pub struct Program {
    /// The function's name.
    pub name: String,
    /// The operation that the function implements.
    pub operation: String,
    /// The function's executable.
    pub executable: PathBuf,
    /// The function's environment variables.
    pub variables: BTreeMap<String, String>,
    /// The time after which an invocation is given up.
    pub timeout: Duration,
    /// The memory size that the function is given, in MB. It is not enforced locally.
    pub memory_mb: u64,
    /// The function's clock. An environment that was started with another clock offset is replaced.
    pub clock: Clock,
    /// The observer of the function's processes.
    pub observer: Arc<dyn Observer>,
}
