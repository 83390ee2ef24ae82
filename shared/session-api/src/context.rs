//! What an operation works on besides its request.

use session_model::Timestamp;
use session_store::Store;

/// The context of one request.
#[derive(Debug)]
pub struct Context {
    store: Store,
    now: Timestamp,
}

impl Context {
    pub(crate) fn new(store: Store, now: Timestamp) -> Self {
        Self { store, now }
    }

    /// The store, which counts the units of this request.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// When the request arrived.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }
}
