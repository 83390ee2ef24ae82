//! Reads: items by their keys here, lists and changes in `sessions`, and group items.

pub(crate) mod erased;
pub(crate) mod group_items;
mod sessions;

use std::{mem, time::Duration};

use aws_sdk_dynamodb::types::{
    KeysAndAttributes, ReturnConsumedCapacity, builders::KeysAndAttributesBuilder,
};
use tokio::time::sleep;

use crate::{
    Store, StoreError,
    client::capture::CaptureResponse,
    codec::{
        item::Item,
        raw_item::RawItem,
        response::{self, BatchResponse},
    },
};

/// The maximum number of attempts to read keys that DynamoDB leaves unprocessed.
const MAX_TRIES: u32 = 6;

/// The keys that a batch read has still to ask for.
struct Unprocessed {
    keys: Vec<Item>,
    tried: u32,
}

impl Unprocessed {
    fn new(keys: Vec<Item>) -> Self {
        Self { keys, tried: 0 }
    }

    /// Returns the keys for the next request, after a pause if it is not the first, or `None` if no keys are left. Fails after the
    /// last attempt.
    async fn next(&mut self) -> Result<Option<Vec<Item>>, StoreError> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        if self.tried == MAX_TRIES {
            return Err(StoreError::Throttled("keys left unprocessed".into()));
        }
        if self.tried > 0 {
            sleep(Duration::from_millis(25 << self.tried)).await;
        }
        self.tried += 1;
        Ok(Some(mem::take(&mut self.keys)))
    }
}

impl Store {
    /// Reads an item, or only these attributes of it. Returns `None` if it does not exist.
    pub(crate) async fn read(
        &self,
        table: &str,
        key: Item,
        strongly: bool,
        attributes: Option<&str>,
    ) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(table)
            .set_key(Some(key))
            .set_projection_expression(attributes.map(str::to_owned))
            .consistent_read(strongly)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await?;
        self.meter.add_read(output.consumed_capacity());
        Ok(output.item)
    }

    /// Reads up to 100 items of a table, and returns those that exist, each parsed by `read`.
    pub(crate) async fn batch<T>(
        &self,
        table: &str,
        wanted: KeysAndAttributesBuilder,
        read: impl Fn(RawItem<'_>) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let not_built = |_| StoreError::Failed("request not built".into());
        let mut wanted: KeysAndAttributes = wanted.build().map_err(not_built)?;
        let keys = mem::take(&mut wanted.keys);
        let mut items = Vec::with_capacity(keys.len());
        let mut unprocessed = Unprocessed::new(keys);
        while let Some(keys) = unprocessed.next().await? {
            let mut asked = wanted.clone();
            asked.keys = keys;
            let response = CaptureResponse::of_batch();
            self.client
                .batch_get_item()
                .request_items(table, asked)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(response.clone())
                .send()
                .await?;
            let response = response.take();
            let response: BatchResponse<'_> = response::read(response.as_ref())?;
            self.meter.add_read_units(response.read_units());
            unprocessed.keys = response.unprocessed()?;
            items.extend(response.items().map(&read));
        }
        Ok(items)
    }
}
