//! Consumed capacity, counted.

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

/// Sums up the units of one call.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Units>);

impl Meter {
    pub(crate) fn read(&self) -> Units {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_read(&self, consumed: Option<&ConsumedCapacity>) {
        self.add_read_units(reported(consumed));
    }

    pub(crate) fn add_read_units(&self, read: f64) {
        self.add(Units { read, write: 0.0 });
    }

    pub(crate) fn add_reads(&self, consumed: &[ConsumedCapacity]) {
        for consumed in consumed {
            self.add_read(Some(consumed));
        }
    }

    pub(crate) fn add_write(&self, consumed: Option<&ConsumedCapacity>) {
        self.add(Units { read: 0.0, write: reported(consumed) });
    }

    /// A write whose condition failed: DynamoDB bills at least one unit and reports none.
    pub(crate) fn add_refused_write(&self) {
        self.add(Units { read: 0.0, write: 1.0 });
    }

    fn add(&self, units: Units) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum.read += units.read;
        sum.write += units.write;
    }
}

fn reported(consumed: Option<&ConsumedCapacity>) -> f64 {
    consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or_default()
}
