//! Posting what was sent before: a first import, what a feed lost, dead letters. Order does not matter, and a repeat changes nothing.

mod input;
mod post;

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, anyhow};
use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};

pub use input::{Line, lines};
pub use post::{PostResult, Stopped};

use crate::feed::Feed;

/// How to replay.
pub struct Replay {
    /// Where to post, signed with what.
    pub feed: Feed,
    /// How many lines are under way at once.
    pub concurrency: usize,
    /// How many lines are begun a second at most.
    pub rate: Option<u32>,
    /// The first line that is posted.
    pub from: u64,
}

/// How far a replay came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines that were applied.
    pub applied: u64,
    /// Lines that say nothing of sessions.
    pub ignored: u64,
    /// Lines that the service keeps, since it cannot take them.
    pub dead_lettered: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// The line to go on with, when it did not come to the end.
    pub continue_from: Option<u64>,
    /// What ended it early, if it was not asked to stop.
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
    /// Posts the lines, and tells `on_line` what became of each. When `stop` asks for it first, no line is begun any more, and those under
    /// way are ended; when it asks again, they are left.
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

/// The next line, in its time.
async fn next_line(
    lines: &mut (impl Stream<Item = Result<Line>> + Unpin),
    pace: &mut Option<tokio::time::Interval>,
) -> Option<Result<Line>> {
    // A tick that is waited for is not lost when something else happens first.
    if let Some(pace) = pace {
        pace.tick().await;
    }
    lines.next().await
}

/// Why a file cannot be replayed.
fn unreadable(number: u64, reason: &str) -> anyhow::Error {
    anyhow!("line {number}: {reason}")
}
