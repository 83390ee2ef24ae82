//! The pinned Python tools of the deployment. Each set has its own virtual environment under `target`.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use session_local::workspace::workspace;
use tokio::process::Command;
use uuid::Uuid;

/// A virtual environment with exactly the packages of a requirements file.
pub struct Tools {
    bin: PathBuf,
}

impl Tools {
    /// Installs the tools that build, check and deploy the template: the SAM CLI, cfn-lint, cargo-lambda.
    pub async fn for_the_template() -> Result<Self, String> {
        Self::install("infra", &workspace().join("infra/requirements.txt")).await
    }

    /// Installs MiniStack, a local cloud.
    pub async fn ministack() -> Result<Self, String> {
        Self::install("ministack", &workspace().join("tests/ministack/requirements.txt")).await
    }

    /// Installs the AWS CLI, with which operators follow runbooks.
    pub async fn aws_cli() -> Result<Self, String> {
        Self::install("aws-cli", &workspace().join("tests/ministack/aws-cli.txt")).await
    }

    /// Creates the environment, unless it already contains exactly these packages.
    async fn install(name: &str, requirements: &Path) -> Result<Self, String> {
        let folder = workspace().join("target/python").join(name);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let folder = folder.canonicalize().map_err(|error| error.to_string())?;
        let wanted = fs::read_to_string(requirements).map_err(|error| error.to_string())?;
        let installed = folder.join("installed.txt");
        if fs::read_to_string(&installed).ok().as_deref() != Some(&*wanted) {
            eprintln!("installing {}", requirements.display());
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)).await?;
            let mut pip = Command::new(folder.join("bin/python"));
            let install =
                ["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement"];
            run(pip.args(install).arg(requirements)).await?;
            fs::write(installed, wanted).map_err(|error| error.to_string())?;
        }
        Ok(Self { bin: folder.join("bin") })
    }

    /// Returns the command of a tool. It finds the other tools and cargo by `PATH`.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.env("PATH", self.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    #[expect(clippy::disallowed_methods, reason = "the tools see the runner's own PATH behind theirs")]
    fn path(&self) -> OsString {
        let cargo = Path::new(env!("CARGO")).parent().map(Path::to_owned);
        let outer = env::var_os("PATH").unwrap_or_default();
        let folders = [self.bin.clone()].into_iter().chain(env::split_paths(&outer)).chain(cargo);
        env::join_paths(folders).unwrap_or(outer)
    }
}

/// Runs a command to its end and returns its standard output. The error of a failed command contains both of its outputs.
pub async fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| format!("{:?} does not run: {error}", command.as_std()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!(
            "{:?}: {}\n{}\n{}",
            command.as_std(),
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        ))
    }
}

/// A temporary folder, which is removed when this is dropped.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new() -> Self {
        let path = env::temp_dir().join(format!("session-service-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(&path).expect("a folder");
        Self { path }
    }

    /// Writes a file to the folder, and returns its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
