//! Lambda: functions invoked through the Runtime API, each call in an execution environment of its own.

mod environment;

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::Semaphore, time};

use environment::ExecutionEnvironment;

use crate::{clock::Clock, trace::Tracer};

/// How many environments a function has at most; further calls wait for one. Lambda's own limit is far higher, and a
/// machine's far lower.
const MAX_ENVIRONMENTS: usize = 32;

/// Gets the lines that functions write to their standard output and error: the function's name and the line.
pub type LogSink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Why a call of a function has no answer of the function's.
#[derive(Debug)]
pub enum InvokeError {
    /// The function did not answer within its timeout.
    TimedOut,
    /// The process ended, could not be started, or answered with an error.
    Failed(String),
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timed out"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// What is started for each environment of a function.
#[derive(Clone)]
pub struct Program {
    /// The function's name.
    pub name: String,
    /// The operation it is.
    pub operation: String,
    /// Its executable.
    pub executable: PathBuf,
    /// Its environment variables.
    pub variables: BTreeMap<String, String>,
    /// When a call is given up.
    pub timeout: Duration,
    /// Its memory, as it is told; nothing enforces it here.
    pub memory_mb: u64,
    /// Where its output goes.
    pub log: LogSink,
    /// The time that it lives in. An environment that was started in another time is replaced.
    pub clock: Clock,
    /// What keeps its requests to DynamoDB.
    pub tracer: Option<Arc<Tracer>>,
}

/// A function: as many environments as calls run at once, idle ones reused, dead ones replaced.
pub struct Function {
    program: Program,
    idle: Mutex<Vec<ExecutionEnvironment>>,
    room: Semaphore,
}

impl Function {
    /// A function that has no environment yet; the first call starts one.
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self { program, idle: Mutex::default(), room: Semaphore::new(MAX_ENVIRONMENTS) }
    }

    /// What it is started from.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Invokes the function and gives its answer. An environment that crashed, hung or failed is never used again.
    pub async fn invoke(&self, event: &Value) -> Result<Value, InvokeError> {
        let request_id = event["requestContext"]["requestId"].as_str().unwrap_or_default();
        let _room = self.room.acquire().await;
        let mut environment = match self.take_idle() {
            Some(environment) => environment,
            None => ExecutionEnvironment::start(&self.program, request_id)
                .await
                .map_err(|error| InvokeError::Failed(format!("{error:#}")))?,
        };
        let response = match time::timeout(self.program.timeout, environment.invoke(event, request_id)).await
        {
            Ok(response) => response.map_err(InvokeError::Failed)?,
            Err(_) => return Err(InvokeError::TimedOut),
        };
        self.idle().push(environment);
        Ok(response)
    }

    /// The process ids of the idle environments.
    #[must_use]
    pub fn idle_processes(&self) -> Vec<u32> {
        self.idle().iter().filter_map(ExecutionEnvironment::process_id).collect()
    }

    /// The environment used last that still lives.
    fn take_idle(&self) -> Option<ExecutionEnvironment> {
        let mut idle = self.idle();
        while let Some(mut environment) = idle.pop() {
            if environment.is_alive() {
                return Some(environment);
            }
        }
        None
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<ExecutionEnvironment>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
