//! Counters of what one request consumed, and of the items that it could not read.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Capacity units as DynamoDB reports them (`ReturnConsumedCapacity`), summed over requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Read request units.
    pub read: f64,
    /// Write request units.
    pub write: f64,
}

/// Items that were left out because they contain what the service never writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// How often one was read. Two queries may read the same item.
    pub items: u64,
    /// The attribute at fault in the first of them.
    pub attribute: &'static str,
}

/// Sums up the units of one request, and counts the items that it could not read.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    units: Mutex<Units>,
    unreadable: Mutex<Option<Unreadable>>,
}

impl Meter {
    pub(crate) fn read(&self) -> Units {
        *self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unreadable(&self) -> Option<Unreadable> {
        *self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_unreadable(&self, attribute: &'static str) {
        let mut counted = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        counted.get_or_insert(Unreadable { items: 0, attribute }).items += 1;
    }

    pub(crate) fn add_read(&self, consumed: Option<&ConsumedCapacity>) {
        self.add_read_units(reported(consumed));
    }

    pub(crate) fn add_read_units(&self, read: f64) {
        self.add(Units { read, write: 0.0 });
    }

    pub(crate) fn add_write(&self, consumed: Option<&ConsumedCapacity>) {
        self.add(Units { read: 0.0, write: reported(consumed) });
    }

    /// Adds a write whose condition failed. DynamoDB bills at least 1 unit for it, and reports none.
    pub(crate) fn add_failed_condition(&self) {
        self.add(Units { read: 0.0, write: 1.0 });
    }

    fn add(&self, units: Units) {
        let mut sum = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        sum.read += units.read;
        sum.write += units.write;
    }
}

/// The reported units. They are absent only if an engine does not count them.
fn reported(consumed: Option<&ConsumedCapacity>) -> f64 {
    consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or_default()
}
