//! `cargo local replay`: posts the lines of a file, shows progress and reports the outcomes.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use session_local::backend::{
    client::Feed,
    replay::{Line, PostResult, Replay, Report, lines},
};
use tokio::io::{AsyncBufRead, BufReader};

use super::stop;

/// The exit status when some lines were not applied.
const NOT_ALL: u8 = 2;
/// The exit status after Ctrl-C, as shells define it.
const INTERRUPTED: u8 = 130;

#[derive(Args)]
pub(crate) struct Plan {
    /// Message copies and membership changes ({"groupId", "time", "add", "remove"} or {"groupId", "time", "members"}), one JSON
    /// object per line, or the output of aws dynamodb scan on the dead-letter table. - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The number of lines to post concurrently
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    concurrency: u16,
    /// The maximum number of lines to start per second; by default, as many as the service accepts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// The line to start with, as printed by a stopped replay
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// The file to write rejected and dead-lettered lines to, with the reasons. It can itself be replayed. By default,
    /// FILE.rejected
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
}

impl Plan {
    pub(crate) async fn run(&self, feed: Feed) -> Result<ExitCode> {
        let (input, size) = self.open().await?;
        feed.try_address().await?;
        let progress = Progress::new(size)?;
        let mut rejections = Rejections { path: self.rejected_to(), file: None };
        let replay = Replay { feed, concurrency: self.concurrency.into(), rate: self.rate, from: self.from };
        let lines = lines(input).await?.boxed();
        let report = replay
            .run(lines, stop::requested, |line, outcome| {
                progress.advance(line, outcome);
                rejections.write(line, outcome)
            })
            .await?;
        progress.finish();
        Ok(summarize(&report, &rejections, progress.since))
    }

    fn is_standard_input(&self) -> bool {
        self.file == Path::new("-")
    }

    async fn open(&self) -> Result<(Box<dyn AsyncBufRead + Unpin + Send>, Option<u64>)> {
        if self.is_standard_input() {
            return Ok((Box::new(BufReader::new(tokio::io::stdin())), None));
        }
        let cannot = || format!("cannot read {}", self.file.display());
        let size = fs::metadata(&self.file).with_context(cannot)?.len();
        let file = tokio::fs::File::open(&self.file).await.with_context(cannot)?;
        Ok((Box::new(BufReader::with_capacity(1 << 16, file)), Some(size)))
    }

    fn rejected_to(&self) -> PathBuf {
        match &self.rejected {
            Some(path) => path.clone(),
            None if self.is_standard_input() => "replay.rejected".into(),
            None => {
                let mut name = self.file.clone().into_os_string();
                name.push(".rejected");
                name.into()
            }
        }
    }
}

/// Prints the outcome for people, and returns it for scripts as the exit status.
#[expect(clippy::cast_precision_loss, reason = "lines, for people")]
fn summarize(report: &Report, rejections: &Rejections, since: Instant) -> ExitCode {
    let Report { applied, ignored, dead_lettered, rejected, .. } = report;
    let all = applied + ignored + dead_lettered + rejected;
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "{all} lines in {seconds:.1} s, {:.0} per second: {applied} applied, {ignored} ignored, {dead_lettered} dead-lettered, {rejected} rejected",
        all as f64 / seconds.max(0.001)
    );
    if rejections.file.is_some() {
        println!(
            "lines that were dead-lettered or rejected are in {}, with the reasons",
            rejections.path.display()
        );
    }
    if let Some(line) = report.continue_from {
        println!("stopped: continue with --from {line}");
    }
    match (&report.stopped_by, report.continue_from) {
        (Some(reason), _) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
        (None, Some(_)) => INTERRUPTED.into(),
        (None, None) if dead_lettered + rejected > 0 => NOT_ALL.into(),
        (None, None) => ExitCode::SUCCESS,
    }
}

/// The progress bar, with the counts of outcomes so far.
struct Progress {
    bar: ProgressBar,
    since: Instant,
    counts: std::cell::Cell<(u64, u64)>,
}

impl Progress {
    fn new(size: Option<u64>) -> Result<Self> {
        let (bar, template) = match size {
            Some(size) => (ProgressBar::new(size), "{bar:30} {bytes} of {total_bytes}, {msg}, {eta} left"),
            None => (ProgressBar::no_length(), "{spinner} {bytes}, {msg}"),
        };
        bar.set_style(ProgressStyle::with_template(template)?);
        bar.enable_steady_tick(Duration::from_millis(200));
        Ok(Self { bar, since: Instant::now(), counts: std::cell::Cell::default() })
    }

    #[expect(clippy::cast_precision_loss, reason = "lines, for people")]
    fn advance(&self, line: &Line, outcome: &PostResult) {
        let (mut done, mut not_applied) = self.counts.get();
        done += 1;
        not_applied += u64::from(matches!(outcome, PostResult::DeadLettered(_) | PostResult::Rejected(_)));
        self.counts.set((done, not_applied));
        self.bar.set_position(self.bar.position().max(line.read_bytes));
        let rate = done as f64 / self.since.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!("{done} lines, {rate:.0} per second, {not_applied} not applied"));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The file of lines that were not applied. It is created for the first such line, and a resumed replay appends to it.
struct Rejections {
    path: PathBuf,
    file: Option<File>,
}

impl Rejections {
    fn write(&mut self, line: &Line, outcome: &PostResult) -> Result<()> {
        let (result, reason) = match outcome {
            PostResult::Applied | PostResult::Ignored => return Ok(()),
            PostResult::DeadLettered(reason) => ("dead-lettered", reason),
            PostResult::Rejected(reason) => ("rejected", reason),
        };
        let cannot = || format!("cannot write to {}", self.path.display());
        let file = match &mut self.file {
            Some(file) => file,
            none => none
                .insert(OpenOptions::new().create(true).append(true).open(&self.path).with_context(cannot)?),
        };
        let line_of_file =
            json!({"line": line.number, "result": result, "reason": reason, "copy": line.text()});
        writeln!(file, "{line_of_file}").with_context(cannot)
    }
}
