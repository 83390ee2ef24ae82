//! Reading the group items of groups.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use session_model::{GroupId, GroupItem};

use crate::{
    Store, StoreError,
    item::{self, Item, s},
    raw_item::RawItem,
    schema::GROUP_ID,
};

/// How many group items one request reads at most (DynamoDB: 100 keys).
pub(crate) const PER_REQUEST: usize = 100;
/// What of a group item is read to be shown: not its edits, which may be long.
const SHOWN: &str =
    "groupId, msgTime, msgId, updateTime, lastMsg, lastMsgType, memberHashes, listedAt, changeTime";
/// How many requests for group items run at once. Bounds the memory of a call.
pub(crate) const CONCURRENT_REQUESTS: usize = 4;

/// The key of a group item.
pub(crate) fn key(group: &GroupId) -> Item {
    Item::from([(GROUP_ID.to_owned(), s(group.as_str()))])
}

impl Store {
    /// The group item of a group; none before its first message or change of members. Read eventually, or strongly where a write
    /// depends on it.
    pub(crate) async fn group_item(
        &self,
        group: &GroupId,
        strongly: bool,
    ) -> Result<Option<GroupItem>, StoreError> {
        let item = self.read(&self.groups_table, key(group), strongly, Some(SHOWN)).await?;
        item.map(|mut item| item::group_item(&mut item)).transpose()
    }

    /// The group items with up to [`PER_REQUEST`] keys, those that exist and can be read: without its group item, a group shows its members
    /// their own session items. Read eventually: half a unit each.
    pub(crate) async fn group_items(
        &self,
        keys: Vec<Item>,
    ) -> Result<HashMap<GroupId, GroupItem>, StoreError> {
        let mut group_items = HashMap::with_capacity(keys.len());
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).projection_expression(SHOWN);
        let read = |mut item: RawItem<'_>| Ok((item::group_id(&item)?, item::group_item(&mut item)?));
        for group_item in self.batch(&self.groups_table, wanted, read).await? {
            group_items.extend(self.readable(group_item)?);
        }
        Ok(group_items)
    }
}
