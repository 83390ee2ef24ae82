//! Runs scenarios as `<engine>::<module>::<name>`. An engine starts when the first selected scenario needs it, and ends with the
//! run.

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Completion, Conclusion, Trial};
use session_local::executables;
use tokio::{runtime::Runtime, sync::OnceCell};

use crate::{
    app::{App, DEPLOYED},
    dynamodb_local::DynamoDbLocal,
    test::{Scenario, Test},
};

/// The engines that scenarios run on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    Embedded,
    DynamoDbLocal,
    Deployed,
}

impl EngineName {
    const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::DynamoDbLocal => "dynamodb_local",
            Self::Deployed => DEPLOYED,
        }
    }
}

type Executables = Arc<OnceCell<Result<HashMap<String, PathBuf>, String>>>;

/// The service on one engine, started once.
struct Engine {
    name: EngineName,
    executables: Executables,
    app: OnceCell<Result<Arc<App>, String>>,
}

impl Engine {
    async fn app(&self) -> Result<Arc<App>, String> {
        self.app.get_or_init(async || self.start().await.map(Arc::new)).await.clone()
    }

    async fn start(&self) -> Result<App, String> {
        let engine = match self.name {
            EngineName::Deployed => return App::deploy().await,
            EngineName::Embedded => None,
            EngineName::DynamoDbLocal => Some(DynamoDbLocal::start().await?),
        };
        let build = async || {
            let built = executables::build("dev", &["local", "misbehaving"]).await;
            built.map_err(|error| format!("{error:#}"))
        };
        let executables = self.executables.get_or_init(build).await.clone()?;
        let app = App::start(self.name.name(), engine, executables).await;
        app.map_err(|error| format!("{error:#}"))
    }
}

/// A run of some scenarios.
pub struct Runner {
    arguments: Arguments,
    runtime: Arc<Runtime>,
    executables: Executables,
    engines: Vec<Arc<Engine>>,
    trials: Vec<Trial>,
    not_run: Vec<String>,
    durations: Arc<Mutex<Vec<(Duration, String)>>>,
}

/// The number of slowest scenarios that a whole run lists.
const SLOWEST: usize = 20;

impl Runner {
    /// Reads the command line, as `cargo test -- --help` documents it.
    pub fn new() -> std::io::Result<Self> {
        let mut arguments = Arguments::from_args();
        // Scenarios spend more time waiting than computing.
        arguments.test_threads.get_or_insert(8);
        Ok(Self {
            arguments,
            runtime: Arc::new(Runtime::new()?),
            executables: Executables::default(),
            engines: Vec::new(),
            trials: Vec::new(),
            not_run: Vec::new(),
            durations: Arc::default(),
        })
    }

    /// Whether the filter begins with this text.
    pub fn asks_for(&self, prefix: &str) -> bool {
        self.arguments.filter.as_deref().is_some_and(|filter| filter.starts_with(prefix))
    }

    /// Adds scenarios.
    pub fn add(&mut self, name: EngineName, scenarios: Vec<Scenario>) {
        let engine =
            Arc::new(Engine { name, executables: Arc::clone(&self.executables), app: OnceCell::new() });
        for scenario in scenarios {
            let name = format!("{}::{}", name.name(), scenario.name());
            let (engine, runtime) = (Arc::clone(&engine), Arc::clone(&self.runtime));
            let durations = Arc::clone(&self.durations);
            self.trials.push(Trial::ignorable_test(name.clone(), move || {
                runtime.block_on(async {
                    match engine.app().await {
                        Ok(app) => {
                            let begun = Instant::now();
                            scenario.run(Test::new(app)).await;
                            let duration = (begun.elapsed(), name);
                            durations.lock().unwrap_or_else(PoisonError::into_inner).push(duration);
                        }
                        Err(reason)
                            if engine.name == EngineName::DynamoDbLocal && !is_required(DYNAMODB_LOCAL) =>
                        {
                            return Ok(Completion::ignored_with(reason));
                        }
                        Err(reason) => return Err(reason.into()),
                    }
                    Ok(Completion::Completed)
                })
            }));
        }
        self.engines.push(engine);
    }

    /// Adds scenarios that need programs which may be missing. A missing program is reported, or is an error if the variable
    /// requires it.
    pub fn add_if_installed(
        &mut self,
        name: EngineName,
        scenarios: Vec<Scenario>,
        (requirement, what): (&str, &str),
        is_installed: Result<(), String>,
    ) -> Result<(), String> {
        match is_installed {
            Ok(()) => self.add(name, scenarios),
            Err(reason) if is_required(requirement) => {
                return Err(format!("{requirement} is set, and there is none: {reason}"));
            }
            Err(reason) => self.not_run.push(format!("Not run: {what} ({reason}).")),
        }
        Ok(())
    }

    /// Runs the scenarios of these modules first, because the slowest ones must not come last.
    pub fn run_first(&mut self, modules: &[&str]) {
        let is_first =
            |trial: &Trial| modules.iter().any(|module| trial.name().contains(&format!("::{module}::")));
        self.trials.sort_by_key(|trial| !is_first(trial));
    }

    /// Runs the selected scenarios, and stops everything that was started for them.
    pub fn run(self) -> Conclusion {
        for reason in &self.not_run {
            eprintln!("\n{reason}");
        }
        let runs_all = self.runs_all();
        let conclusion = libtest_mimic::run(&self.arguments, self.trials);
        if runs_all {
            let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
            durations.sort_by(|a, b| b.cmp(a));
            for (duration, name) in durations.iter().take(SLOWEST) {
                eprintln!("{:6.1} s {name}", duration.as_secs_f64());
            }
        }
        for engine in &self.engines {
            if let Some(Ok(app)) = engine.app.get() {
                self.runtime.block_on(app.stop());
            }
        }
        for reason in &self.not_run {
            eprintln!("{reason}");
        }
        conclusion
    }

    /// Whether the command line leaves no scenario out.
    pub fn runs_all(&self) -> bool {
        self.arguments.filter.is_none() && self.arguments.skip.is_empty() && !self.arguments.list
    }
}

/// The variable that makes it a failure if DynamoDB Local is missing.
pub const DYNAMODB_LOCAL: &str = "REQUIRE_DYNAMODB_LOCAL";

/// Whether the programs are on the `PATH`.
#[expect(clippy::disallowed_methods, reason = "the runner looks for its own programs")]
pub fn installed(programs: &[&str]) -> Result<(), String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing = programs
        .iter()
        .find(|program| !env::split_paths(&path).any(|folder| folder.join(OsStr::new(program)).is_file()));
    missing.map_or(Ok(()), |program| Err(format!("{program} is not installed")))
}

#[expect(clippy::disallowed_methods, reason = "the runner's own switch")]
fn is_required(requirement: &str) -> bool {
    env::var(requirement).is_ok_and(|value| value == "1")
}

/// Prints the reason why nothing was run.
pub fn fail(reason: &str) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::FAILURE
}
