//! The measured figures.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// One cold start with its first list, in ms.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cold {
    pub(crate) init: f64,
    pub(crate) first: f64,
    pub(crate) cpu_init: f64,
    pub(crate) cpu_first: f64,
}

/// Consecutive warm invocations: the time of each in ms, and the CPU time of one.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Warm {
    pub(crate) calls: Vec<f64>,
    /// One figure per block, in ms.
    pub(crate) cpu: Vec<f64>,
}

/// One row of the growth table: what the list is read from, and the time and CPU time of a list in ms.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) of: String,
    pub(crate) warm: Warm,
}

/// The units and the cost of an operation's requests.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Priced {
    pub(crate) operation: &'static str,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    pub(crate) dollars_a_million: f64,
}

/// The size of a function's executable in bytes, uncompressed and zipped.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sizes {
    pub(crate) function: String,
    pub(crate) bytes: usize,
    pub(crate) zipped: usize,
}

/// All figures.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    pub(crate) machine: String,
    pub(crate) capped: bool,
    /// Cold starts, by candidate and memory size.
    pub(crate) cold: BTreeMap<String, BTreeMap<u64, Vec<Cold>>>,
    /// Warm invocations, by operation and candidate.
    pub(crate) warm: BTreeMap<&'static str, BTreeMap<String, Warm>>,
    /// Warm invocations at 128 MB, by operation and candidate.
    pub(crate) warm_at_128: BTreeMap<&'static str, BTreeMap<String, Warm>>,
    /// Peak memory in MiB, by operation and candidate.
    pub(crate) peak: BTreeMap<&'static str, BTreeMap<String, f64>>,
    pub(crate) growth: Vec<Growth>,
    pub(crate) costs: Vec<Priced>,
    pub(crate) sizes: Vec<Sizes>,
    /// Candidates and operations that were left out, with the reason.
    pub(crate) left_out: Vec<String>,
}

impl Figures {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Converts a duration to ms.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Returns the value that the given share of all values does not exceed.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let index = (share * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}
