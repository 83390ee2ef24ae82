//! Reading one item.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use crate::{Store, StoreError, item::Item};

impl Store {
    /// An item, read strongly; none when it is absent.
    pub(crate) async fn read(&self, table: &str, key: Item) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(table).set_key(Some(key)).consistent_read(true);
        let output = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
        self.meter.add_read(output.consumed_capacity());
        Ok(output.item)
    }
}
