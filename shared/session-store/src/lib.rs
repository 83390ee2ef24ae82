//! Sessions in DynamoDB. This is the only crate that uses `aws_sdk_dynamodb`. It contains keys and attributes, the mapping of
//! items, reads, conditional writes, the classes of errors, and the connection.
//!
//! Every write of a message, amendment, delete or ext is one `UpdateItem` of one item, and does exactly what
//! [`session_model::SessionItem`] does. All methods are safe to retry.

mod client;
mod codec;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod read;
mod sessions;
mod units;
mod write;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use session_model::{Account, GroupId, Timestamp};

pub use client::{
    clock_check::ClockCheck,
    connect::{ConnectError, InvalidRoots, Settings, TrustedRoots},
};
pub use codec::schema;
pub use error::StoreError;
pub use sessions::Sessions;
pub use units::{Units, Unreadable};
pub use write::{
    dead_letters::{DeadLetterError, DeadLetters},
    erase::Erased,
    group::Group,
};

use units::Meter;

/// The tables of the service, and a connection to them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    sessions_table: Arc<str>,
    groups_table: Arc<str>,
    /// The maximum number of group items that a request reads together.
    group_items_at_once: usize,
    meter: Arc<Meter>,
}

impl Store {
    /// Returns a store that shares this one's connections. It has its own meter, which starts at 0, for what one request consumes.
    #[must_use]
    pub fn metered(&self) -> Self {
        Self { meter: Arc::default(), ..self.clone() }
    }

    /// The capacity units consumed so far through this store and its clones.
    #[must_use]
    pub fn units(&self) -> Units {
        self.meter.read()
    }

    /// The items that have been left out so far.
    #[must_use]
    pub fn unreadable(&self) -> Option<Unreadable> {
        self.meter.unreadable()
    }

    /// Returns what was read of one item among several. A malformed item must not make all of them fail: it is left out, and
    /// counted.
    pub(crate) fn readable<T>(&self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::MalformedItem(attribute)) => {
                self.meter.add_unreadable(attribute);
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// The sessions of one user. What they read and write in `Sessions` is always in the user's partition.
    #[must_use]
    pub fn sessions_of<'a>(&'a self, user: &'a Account) -> Sessions<'a> {
        Sessions { store: self, user }
    }

    /// The group, for requests at `now`.
    #[must_use]
    pub fn group<'a>(&'a self, id: &'a GroupId, now: Timestamp) -> Group<'a> {
        Group { store: self, id, now }
    }

    /// The table of signed copies that could not be applied.
    #[must_use]
    pub fn dead_letters<'a>(&'a self, table: &'a str) -> DeadLetters<'a> {
        DeadLetters { store: self, table }
    }
}
