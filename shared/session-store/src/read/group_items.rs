//! Reading group items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use session_model::{GroupId, GroupItem, register::LastMsgBytes};

use crate::{
    Store, StoreError,
    codec::{
        item::{self, Item, s},
        raw_item::RawItem,
        schema::GROUP_ID,
    },
};

/// The maximum number of group items that one request reads (DynamoDB allows 100 keys).
pub(crate) const PER_REQUEST: usize = 100;
/// The attributes of a group item that are read to show it. The amendments, which may be long, are not among them.
const SHOWN: &str =
    "groupId, msgTime, msgId, updateTime, lastMsg, lastMsgType, memberHashes, listedAt, changeTime";
/// The maximum length of all group items that a request has in memory at a time.
const MAX_BYTES: usize = 8_000_000;
/// The maximum length of what a group item contains besides its `lastMsg`: mainly the hashes of 200 members.
const OTHER_BYTES: usize = 2_500;
/// The maximum number of concurrent requests for group items.
const MAX_REQUESTS: usize = 4;

/// The number of group items that are read together, so that they fit in memory however long their texts are.
pub(crate) fn at_once(last_msg_bytes: LastMsgBytes) -> usize {
    let fit = MAX_BYTES / (last_msg_bytes.most_stored() + OTHER_BYTES);
    PER_REQUEST * (fit / PER_REQUEST).clamp(1, MAX_REQUESTS)
}

/// The key of a group item.
pub(crate) fn key(group: &GroupId) -> Item {
    Item::from([(GROUP_ID.to_owned(), s(group.as_str()))])
}

impl Store {
    /// Reads a group's group item, or `None` before its first message or change of members. The read is eventually consistent, or
    /// strongly consistent if a write depends on it.
    pub(crate) async fn group_item(
        &self,
        group: &GroupId,
        strongly: bool,
    ) -> Result<Option<GroupItem>, StoreError> {
        let item = self.read(&self.groups_table, key(group), strongly, Some(SHOWN)).await?;
        item.map(|mut item| item::group_item(&mut item)).transpose()
    }

    /// Reads the group items with up to [`PER_REQUEST`] keys, and returns those that exist and can be read. Without its group item,
    /// a group shows its members their own session items. The read is eventually consistent and costs half a unit for each item.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_items_are_read_so_that_8_mb_are_in_memory() {
        for (last_msg_bytes, expected) in [("4096", 400), ("16384", 300), ("40960", 100)] {
            let limits: LastMsgBytes = last_msg_bytes.parse().unwrap();
            assert_eq!(at_once(limits), expected, "{last_msg_bytes}");
            assert!(expected * (limits.most_stored() + OTHER_BYTES) <= MAX_BYTES);
        }
    }
}
