//! Reading the heads of groups.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use session_model::{GroupId, Head};
use tokio::time::sleep;

use crate::{
    Store, StoreError,
    item::{self, Item, s},
    table::GROUP_ID,
};

/// How many heads one request reads at most (DynamoDB: 100 keys).
pub(crate) const PER_REQUEST: usize = 100;
/// What of a head is read to be shown: not its edits, which may be long.
const SHOWN: &str = "groupId, msgTime, msgId, updateTime, lastMsg, lastMsgType, memberHashes, listedAt";
/// How often keys that DynamoDB leaves unprocessed are asked for again.
const MAX_TRIES: u32 = 6;

impl Store {
    /// The head of a group; none before its first message or change of members. Read eventually, or strongly where a write
    /// depends on it.
    pub(crate) async fn head(&self, group: &GroupId, strongly: bool) -> Result<Option<Head>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&*self.groups_table)
            .key(GROUP_ID, s(group.as_str()))
            .projection_expression(SHOWN)
            .consistent_read(strongly)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await?;
        self.meter.add_read(output.consumed_capacity());
        output.item.map(|mut item| item::head(&mut item)).transpose()
    }

    /// The heads of up to [`PER_REQUEST`] groups, those that exist. Read eventually: half a unit each.
    pub(crate) async fn heads(&self, groups: &[GroupId]) -> Result<HashMap<GroupId, Head>, StoreError> {
        let mut heads = HashMap::with_capacity(groups.len());
        let mut keys: Vec<Item> =
            groups.iter().map(|group| Item::from([(GROUP_ID.to_owned(), s(group.as_str()))])).collect();
        for tried in 0..MAX_TRIES {
            if tried > 0 {
                sleep(Duration::from_millis(25 << tried)).await;
            }
            let wanted =
                KeysAndAttributes::builder().set_keys(Some(keys)).projection_expression(SHOWN).build();
            let wanted = wanted.map_err(|_| StoreError::Failed("request not made".into()))?;
            let output = self
                .client
                .batch_get_item()
                .request_items(&*self.groups_table, wanted)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await?;
            self.meter.add_reads(output.consumed_capacity());
            for mut item in output.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                heads.insert(item::group_id(&item)?, item::head(&mut item)?);
            }
            let left = output.unprocessed_keys.and_then(|mut tables| tables.remove(&*self.groups_table));
            match left {
                Some(left) if !left.keys.is_empty() => keys = left.keys,
                _ => return Ok(heads),
            }
        }
        Err(StoreError::Throttled("heads left unprocessed".into()))
    }
}
