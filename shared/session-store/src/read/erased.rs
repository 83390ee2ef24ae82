//! Reading the markers of erased users.

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use session_model::{
    Account, Timestamp,
    erasure::{is_erased, may_be_erased},
    group::ErasedUsers,
};

use super::Unprocessed;
use crate::{
    Store, StoreError,
    codec::{
        item::{Attributes, Item, s},
        schema::{ERASED, ERASED_AT, SESSION_ID, USER_ID},
    },
};

/// The maximum number of markers that one request reads, which is the limit of `BatchGetItem`.
const PER_REQUEST: usize = 100;

/// The key of a user's marker.
pub(crate) fn marker_key(user: &str) -> Item {
    Item::from([(USER_ID.to_owned(), s(user)), (SESSION_ID.to_owned(), s(ERASED))])
}

fn erased_at(marker: &Item) -> Result<Timestamp, StoreError> {
    let at = marker.number(ERASED_AT)?.ok_or(StoreError::MalformedItem(ERASED_AT))?;
    Ok(Timestamp::from_millis(at))
}

impl Store {
    /// Returns those of the accounts that were erased at the time of the event or later, and those whose marker is malformed. An event
    /// that is in the window at `now` reads nothing. The read is eventually consistent, and costs half a unit for each account.
    pub async fn erased<'a>(
        &self,
        accounts: impl IntoIterator<Item = &'a Account>,
        event: Timestamp,
        now: Timestamp,
    ) -> Result<ErasedUsers<StoreError>, StoreError> {
        let mut erased = ErasedUsers::new();
        if !may_be_erased(event, now) {
            return Ok(erased);
        }
        let accounts: Vec<&Account> = accounts.into_iter().collect();
        for accounts in accounts.chunks(PER_REQUEST) {
            let keys = accounts.iter().map(|account| marker_key(account.as_str())).collect();
            for marker in self.markers(keys).await? {
                let user = marker.string(USER_ID)?;
                let Some(account) = accounts.iter().find(|account| Some(account.as_str()) == user.as_deref())
                else {
                    continue;
                };
                let is_known = match erased_at(&marker) {
                    Ok(erased_at) if !is_erased(event, erased_at) => continue,
                    erased_at => erased_at.map(drop),
                };
                erased.insert((*account).clone(), is_known);
            }
        }
        Ok(erased)
    }

    /// Reads the markers with these keys that exist.
    async fn markers(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let table = &*self.sessions_table;
        let mut markers = Vec::with_capacity(keys.len());
        let mut unprocessed = Unprocessed::new(keys);
        while let Some(keys) = unprocessed.next().await? {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .projection_expression(format!("{USER_ID}, {ERASED_AT}"))
                .build()
                .map_err(|_| StoreError::Failed("request not built".into()))?;
            let request = self.client.batch_get_item().request_items(table, wanted);
            let output = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
            output.consumed_capacity().iter().for_each(|consumed| self.meter.add_read(Some(consumed)));
            let left = output.unprocessed_keys.and_then(|mut left| left.remove(table));
            unprocessed.keys = left.map(|left| left.keys).unwrap_or_default();
            let read = output.responses.and_then(|mut responses| responses.remove(table));
            markers.extend(read.unwrap_or_default());
        }
        Ok(markers)
    }
}
