//! Posts events that were sent before: a first import, events that a feed lost, or dead letters. Their order does not matter, and a
//! repeat changes nothing.

mod input;
mod post;

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};

pub use input::{Line, lines};
pub use post::{PostResult, Stopped};

use super::client::Feed;

/// The options of a replay.
pub struct Replay {
    /// The client that signs and posts the lines.
    pub feed: Feed,
    /// The number of lines to post concurrently.
    pub concurrency: usize,
    /// The maximum number of lines to start per second.
    pub rate: Option<u32>,
    /// The number of the first line to post.
    pub from: u64,
}

/// The progress of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of lines that were applied.
    pub applied: u64,
    /// The number of lines that do not concern sessions.
    pub ignored: u64,
    /// The number of lines that the service could not apply and stored as dead letters.
    pub dead_lettered: u64,
    /// The number of lines that were rejected.
    pub rejected: u64,
    /// The line to resume with, if the replay did not reach the end.
    pub continue_from: Option<u64>,
    /// The reason why the replay ended early, if it was not asked to stop.
    pub stopped_by: Option<String>,
}

impl Report {
    fn add(&mut self, outcome: &PostResult) {
        match outcome {
            PostResult::Applied => self.applied += 1,
            PostResult::Ignored => self.ignored += 1,
            PostResult::DeadLettered(_) => self.dead_lettered += 1,
            PostResult::Rejected(_) => self.rejected += 1,
        }
    }
}

impl Replay {
    /// Posts the lines, and reports the outcome of each to `on_line`. When `stop` completes for the first time, no further lines
    /// are started, and those in progress are completed. When it completes again, they are abandoned.
    pub async fn run<S: Future<Output = Result<()>>>(
        &self,
        lines: impl Stream<Item = Result<Line>>,
        stop: impl Fn() -> S,
        mut on_line: impl FnMut(&Line, &PostResult) -> Result<()>,
    ) -> Result<Report> {
        let mut pace = self.rate.map(|rate| {
            let mut pace = interval(Duration::from_secs(1) / rate);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        let mut lines = std::pin::pin!(lines.skip_while(|line| {
            let is_before = line.as_ref().is_ok_and(|line| line.number < self.from);
            std::future::ready(is_before)
        }));
        let (mut running, mut under_way) = (FuturesUnordered::new(), BTreeSet::new());
        let (mut report, mut next, mut more) = (Report::default(), self.from, true);
        let mut asked = std::pin::pin!(stop());
        let mut stopping = false;
        loop {
            let begins = more && !stopping && running.len() < self.concurrency;
            if !begins && running.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                stop_now = &mut asked => {
                    stop_now?;
                    if stopping {
                        break;
                    }
                    stopping = true;
                    asked.set(stop());
                }
                Some((line, outcome)) = running.next(), if !running.is_empty() => {
                    let line: Line = line;
                    match outcome {
                        Ok(outcome) => {
                            under_way.remove(&line.number);
                            report.add(&outcome);
                            on_line(&line, &outcome)?;
                        }
                        Err(Stopped(reason)) => {
                            report.stopped_by = Some(reason);
                            break;
                        }
                    }
                }
                line = next_line(&mut lines, &mut pace), if begins => match line {
                    None => more = false,
                    Some(line) => {
                        let line = line?;
                        next = line.number + 1;
                        under_way.insert(line.number);
                        running.push(async {
                            let outcome = post::post(&self.feed, &line).await;
                            (line, outcome)
                        });
                    }
                },
            }
        }
        if stopping || report.stopped_by.is_some() {
            report.continue_from = Some(under_way.first().copied().unwrap_or(next));
        }
        Ok(report)
    }
}

/// Returns the next line, at the replay's rate.
async fn next_line(
    lines: &mut (impl Stream<Item = Result<Line>> + Unpin),
    pace: &mut Option<tokio::time::Interval>,
) -> Option<Result<Line>> {
    // `tick` is cancel-safe: if another event comes first, the tick is not lost.
    if let Some(pace) = pace {
        pace.tick().await;
    }
    lines.next().await
}
