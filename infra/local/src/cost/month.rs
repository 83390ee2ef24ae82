//! A product's users: the cost of a month, and the capacity needed in their busiest seconds.

use std::time::Duration;

use anyhow::{Context, Result};

use super::prices::{OperationUsage, Prices};

/// The daily activity of a product's users.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The number of users active on a day.
    pub users: f64,
    /// How many times a day each user syncs changes.
    pub syncs: f64,
    /// How many p2p messages a day each user sends.
    pub messages: f64,
    /// The number of groups each user is a member of.
    pub groups: f64,
}

/// The number of sessions of a user.
const SESSIONS: f64 = 100.0;
/// The bytes of a session in the table and in its index: in each, an item of about 700 bytes plus DynamoDB's overhead.
const STORED_BYTES: f64 = 2.0 * 800.0;
const DAYS: f64 = 30.0;

/// The limits of one partition of a table (DynamoDB, "Best practices for designing partition keys").
const PARTITION_READ_UNITS: f64 = 3_000.0;
const PARTITION_WRITE_UNITS: f64 = 1_000.0;
const PARTITION_BYTES: f64 = 10e9;
const SECONDS_A_DAY: f64 = 24.0 * 60.0 * 60.0;

/// One figure for each kind of frequent request.
struct PerOperation {
    list: f64,
    changes: f64,
    message: f64,
}

/// The capacity needed at the peak.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Requests per second, from apps and the feed.
    pub usages: f64,
    /// Read units per second.
    pub read_units: f64,
    /// Write units per second.
    pub write_units: f64,
    /// The number of concurrent invocations.
    pub concurrency: f64,
    /// The number of partitions that the session items need, by their bytes and by their units.
    pub partitions: f64,
}

impl Use {
    /// Returns the figure for each kind of request. The figures of a list request and of a changes request grow with the number of
    /// groups.
    fn each(
        &self,
        usages: &[OperationUsage],
        figure: impl Fn(&OperationUsage) -> f64,
    ) -> Result<PerOperation> {
        // The first usage whose name begins with `name` or, if `more` is given, the first one from there whose name begins with
        // `more`.
        let of = |name: &str, more: Option<&str>| {
            let mut usages = usages.iter().skip_while(|usage| !usage.name.starts_with(name));
            let usage = match more {
                None => usages.next(),
                Some(more) => usages.find(|usage| usage.name.starts_with(more)),
            };
            anyhow::Ok(figure(usage.with_context(|| format!("no {name} was counted"))?))
        };
        let with_groups = |name: &str, more: &str| {
            let (none, thirty) = (of(name, None)?, of(name, Some(more))?);
            anyhow::Ok(none + (thirty - none) / 30.0 * self.groups)
        };
        Ok(PerOperation {
            list: with_groups("queryMySessionList", "… and 30 groups")?,
            changes: with_groups("queryMySessionChanges", "… with 30 groups")?,
            message: of("recordMessage, p2p", None)?,
        })
    }

    /// Returns the cost of a month of 30 days in US dollars, part by part. Each user fetches their whole list once.
    pub fn month(
        &self,
        usages: &[OperationUsage],
        prices: &Prices,
        billed: Duration,
    ) -> Result<Vec<(&'static str, f64)>> {
        let each = self.each(usages, |usage| prices.of_a_million(usage, billed).total())?;
        let millions = self.users / 1e6;
        let gigabytes = self.stored_bytes() / 1e9;
        Ok(vec![
            ("the whole list, once a user", millions * each.list),
            ("changes", millions * self.syncs * DAYS * each.changes),
            ("p2p messages", millions * self.messages * DAYS * each.message),
            (
                "100 sessions a user, stored and recoverable",
                gigabytes * (prices.gigabyte_month_stored + prices.gigabyte_month_recoverable),
            ),
        ])
    }

    /// Returns the capacity needed in the busiest seconds, in which the load is `times` the day's average.
    pub fn at_peak(&self, usages: &[OperationUsage], billed: Duration, times: f64) -> Result<Peak> {
        let a_second = |of_each: &PerOperation| {
            let of_a_user =
                of_each.list / DAYS + self.syncs * of_each.changes + self.messages * of_each.message;
            self.users * of_a_user / SECONDS_A_DAY * times
        };
        let requests_a_second = a_second(&PerOperation { list: 1.0, changes: 1.0, message: 1.0 });
        let read_units = a_second(&self.each(usages, |usage| usage.read_units)?);
        let write_units = a_second(&self.each(usages, |usage| usage.write_units)?);
        let by_units = read_units / PARTITION_READ_UNITS + write_units / PARTITION_WRITE_UNITS;
        Ok(Peak {
            usages: requests_a_second,
            read_units,
            write_units,
            concurrency: requests_a_second * billed.as_secs_f64(),
            partitions: by_units.max(self.stored_bytes() / PARTITION_BYTES).ceil(),
        })
    }

    fn stored_bytes(&self) -> f64 {
        self.users * SESSIONS * STORED_BYTES
    }
}
