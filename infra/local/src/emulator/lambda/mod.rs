//! Lambda: functions invoked through the Runtime API, with one execution environment per concurrent invocation.

mod environment;
mod program;

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tokio::{sync::Semaphore, time};

use environment::ExecutionEnvironment;

pub use program::Program;

/// The maximum number of environments of a function; further invocations wait for one. Lambda's own limit is far higher than what
/// one machine can run.
const MAX_ENVIRONMENTS: usize = 32;

/// The reason why an invocation has no response from the function.
#[derive(Debug)]
pub enum InvokeError {
    /// The function did not respond within its timeout.
    TimedOut,
    /// The process ended, could not be started, or responded with an error.
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

/// A function with as many environments as concurrent invocations. Idle environments are reused, and dead ones are replaced.
pub struct Function {
    program: Program,
    idle: Mutex<Vec<ExecutionEnvironment>>,
    room: Semaphore,
}

impl Function {
    /// Creates a function without environments. The first invocation starts one.
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self { program, idle: Mutex::default(), room: Semaphore::new(MAX_ENVIRONMENTS) }
    }

    /// The settings of the function's environments.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Invokes the function and returns its response. An environment that crashed, timed out or failed is never used again.
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

    /// Takes the most recently used environment whose process is running.
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
