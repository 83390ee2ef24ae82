//! Fuzz targets for DynamoDB's responses: nothing panics, and an item that cannot be read is reported as malformed.

use session_model::{GroupItem, SessionItem};

use crate::{
    StoreError,
    client::capture::metadata,
    codec::{
        item,
        raw_item::RawItem,
        response::{self, BatchResponse, QueryResponse},
    },
};

/// A fuzz target: its name, and the function that reads the input.
pub type Target = (&'static str, fn(&[u8]));

/// All fuzz targets of this crate.
pub const TARGETS: &[Target] = &[("item", item), ("raw-response", raw_response)];

/// Reads a stored session item or group item.
fn item(input: &[u8]) {
    let Ok(mut item) = response::parse::<RawItem<'_>>(input) else { return };
    let _ = (item::session_id(&item), item::group_id(&item));
    let session_item: Result<SessionItem, _> = item::session_item(&mut item);
    let group_item: Result<GroupItem, _> = item::group_item(&mut item);
    for read in [session_item.err(), group_item.err()].into_iter().flatten() {
        assert!(matches!(read, StoreError::MalformedItem(_)), "{read}");
    }
}

fn raw_response(input: &[u8]) {
    if let Ok(response) = response::parse::<QueryResponse<'_>>(input) {
        let _ = response.next();
        assert!(
            response
                .into_session_items()
                .all(|session_item| matches!(session_item, Ok(_) | Err(StoreError::MalformedItem(_))))
        );
    }
    if let Ok(response) = response::parse::<BatchResponse<'_>>(input) {
        let _ = response.unprocessed();
        assert_eq!(
            response
                .items()
                .filter_map(|mut item| item::group_item(&mut item).err())
                .find(|error| !error.is_of_one_item()),
            None
        );
    }
    let _ = metadata(input);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_holds() {
        fuzz_corpus::run(super::TARGETS);
    }
}
