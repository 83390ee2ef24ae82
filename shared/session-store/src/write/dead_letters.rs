//! Dead letters: signed copies that could not be applied, stored until somebody has looked at them.

use std::io::{self, Write};

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use flate2::{Compression, write::GzEncoder};
use session_model::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    Store, StoreError,
    codec::item::{b, n, s},
    codec::schema::{BODY, COPY_ID, DEAD_LETTER_DAYS, EXPIRES_AT, REASON, RECEIVED_AT, expires_at},
};

/// The maximum length of a stored body, in bytes after gzip. An item can hold 400 KB.
const MAX_BYTES: usize = 390_000;

/// The table of dead letters.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetters<'a> {
    pub(crate) store: &'a Store,
    pub(crate) table: &'a str,
}

/// The reason why a copy is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterError {
    /// It is too long for an item, even after gzip.
    #[error("too long for a dead letter")]
    TooLong,
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl DeadLetters<'_> {
    /// Stores the body of a copy for 30 days from `now`. Storing it again overwrites it.
    pub async fn put(&self, body: &[u8], reason: &str, now: Timestamp) -> Result<(), DeadLetterError> {
        let gzipped = gzip(body).map_err(|_| StoreError::Failed("the body cannot be compressed".into()))?;
        if gzipped.len() > MAX_BYTES {
            return Err(DeadLetterError::TooLong);
        }
        let request = self
            .store
            .client
            .put_item()
            .table_name(self.table)
            .item(COPY_ID, s(hex::encode(Sha256::digest(body))))
            .item(BODY, b(&gzipped))
            .item(REASON, s(reason))
            .item(RECEIVED_AT, n(now))
            .item(EXPIRES_AT, n(expires_at(now, DEAD_LETTER_DAYS)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let output = request.send().await.map_err(StoreError::from)?;
        self.store.meter.add_write(output.consumed_capacity());
        Ok(())
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}
