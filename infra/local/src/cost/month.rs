//! A product's users: what a month of them costs, and what their busiest seconds need.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{OperationUsage, Prices};

/// What the users of a product do.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// How many users there are on a day.
    pub users: f64,
    /// How often each asks for changes on a day.
    pub syncs: f64,
    /// How many p2p messages each sends on a day.
    pub messages: f64,
    /// In how many groups each is.
    pub groups: f64,
}

/// How many sessions a user has.
const SESSIONS: f64 = 100.0;
/// What a session takes in the table and in its index, in bytes: an item of about 700, and what DynamoDB adds to each.
const STORED_BYTES: f64 = 2.0 * 800.0;
const DAYS: f64 = 30.0;

/// What a table's partition gives at most (DynamoDB, "Best practices for designing partition keys").
const PARTITION_READ_UNITS: f64 = 3_000.0;
const PARTITION_WRITE_UNITS: f64 = 1_000.0;
const PARTITION_BYTES: f64 = 10e9;
const SECONDS_A_DAY: f64 = 24.0 * 60.0 * 60.0;

/// A figure of one call of each kind that there are many of.
struct PerOperation {
    list: f64,
    changes: f64,
    message: f64,
}

/// What a use needs while it is at its peak.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Calls a second, of apps and of the feed.
    pub usages: f64,
    /// Read units a second.
    pub read_units: f64,
    /// Write units a second.
    pub write_units: f64,
    /// How many functions run at once: one call each.
    pub concurrency: f64,
    /// How many partitions the session items need, by their bytes and by their units.
    pub partitions: f64,
}

impl Use {
    /// A figure of each kind of call. What a list and a pull of changes take grows with the groups.
    fn each(
        &self,
        usages: &[OperationUsage],
        figure: impl Fn(&OperationUsage) -> f64,
    ) -> Result<PerOperation> {
        // The first call of this name, or the first of the other name after it.
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

    /// What a month of 30 days costs, part by part, in US dollars. Each user syncs their whole list once.
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

    /// What its busiest seconds need, so many times as busy as a day on average.
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
