//! Prices, and the cost of a million requests.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workspace::workspace;

/// Unit prices in US dollars, and the bytes that the platform adds to a request's logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prices {
    /// The region and the conditions for which the prices hold.
    pub of: String,
    million_read_units: f64,
    million_write_units: f64,
    million_api_requests: f64,
    million_invocations: f64,
    gigabyte_second: f64,
    pub(super) gigabyte_month_stored: f64,
    pub(super) gigabyte_month_recoverable: f64,
    gigabyte_out: f64,
    gigabyte_of_logs: f64,
    bytes_of_an_access_log_line: u64,
    bytes_billed_per_log_event: u64,
}

/// The default billed duration of an invocation, in ms.
pub const BILLED_MS: u64 = 10;

/// The resources that one request of an operation uses.
#[derive(Clone, Debug)]
pub struct OperationUsage {
    /// The operation and the case that was measured.
    pub name: &'static str,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
    /// The compressed response with its headers, in bytes, rounded up to hundreds.
    pub response_bytes: u64,
    /// The function's log line, in bytes, rounded up to hundreds.
    pub logged_bytes: u64,
    /// The function's memory, in MB.
    pub memory_mb: u64,
    /// Whether requests come through the HTTP API, which bills and logs them. A Function URL does neither.
    pub through_api: bool,
}

/// The cost of a million requests, in US dollars.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The cost of DynamoDB's capacity units.
    pub dynamodb: f64,
    /// The cost of invocations and their duration.
    pub lambda: f64,
    /// The cost of the HTTP API's requests.
    pub gateway: f64,
    /// The cost of responses sent to the internet.
    pub data_out: f64,
    /// The cost of logs.
    pub logs: f64,
}

impl Cost {
    /// The sum of all parts.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.dynamodb + self.lambda + self.gateway + self.data_out + self.logs
    }
}

impl Prices {
    /// Reads the repository's price table.
    pub fn of_the_repository() -> Result<Self> {
        Self::read(&workspace().join("infra/prices.json"))
    }

    /// Reads a price table.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))
    }

    /// The cost of a million times these units.
    #[must_use]
    pub fn of_units(&self, read: f64, write: f64) -> f64 {
        read * self.million_read_units + write * self.million_write_units
    }

    /// The cost of a million such requests, each billed for this duration.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bytes of one request")]
    pub fn of_a_million(&self, usage: &OperationUsage, billed: Duration) -> Cost {
        const GB_PER_MILLION_BYTES: f64 = 1e-3;
        let gigabyte_seconds = usage.memory_mb as f64 / 1_024.0 * billed.as_secs_f64() * 1e6;
        let access_log = self.bytes_of_an_access_log_line + self.bytes_billed_per_log_event;
        let access_log = if usage.through_api { access_log } else { 0 };
        let logged = usage.logged_bytes + self.bytes_billed_per_log_event + access_log;
        Cost {
            dynamodb: self.of_units(usage.read_units, usage.write_units),
            lambda: self.million_invocations + gigabyte_seconds * self.gigabyte_second,
            gateway: if usage.through_api { self.million_api_requests } else { 0.0 },
            data_out: usage.response_bytes as f64 * GB_PER_MILLION_BYTES * self.gigabyte_out,
            logs: logged as f64 * GB_PER_MILLION_BYTES * self.gigabyte_of_logs,
        }
    }
}
