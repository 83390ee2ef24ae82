//! Answers of DynamoDB as a fuzzer finds them: nothing panics, and an item that cannot be read is told as one.

use session_model::{GroupItem, SessionItem};

use crate::{
    StoreError, item,
    raw::{self, BatchAnswer, QueryAnswer},
    raw_item::RawItem,
};

/// What reads something, and its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of this crate.
pub const TARGETS: &[Target] = &[("item", item), ("raw-answer", raw_answer)];

/// A stored session item or group item.
fn item(input: &[u8]) {
    let Ok(mut item) = raw::parse::<RawItem<'_>>(input) else { return };
    let _ = (item::session_id(&item), item::group_id(&item));
    let row: Result<SessionItem, _> = item::row(&mut item);
    let head: Result<GroupItem, _> = item::head(&mut item);
    for read in [row.err(), head.err()].into_iter().flatten() {
        assert!(matches!(read, StoreError::MalformedItem(_)), "{read}");
    }
}

fn raw_answer(input: &[u8]) {
    if let Ok(answer) = raw::parse::<QueryAnswer<'_>>(input) {
        let _ = answer.next();
        assert!(
            answer.into_session_items().all(|row| matches!(row, Ok(_) | Err(StoreError::MalformedItem(_))))
        );
    }
    if let Ok(answer) = raw::parse::<BatchAnswer<'_>>(input) {
        let _ = answer.unprocessed();
        assert_eq!(
            answer
                .items()
                .filter_map(|mut item| item::head(&mut item).err())
                .find(|error| !error.is_of_one_item()),
            None
        );
    }
    let _ = raw::metadata(input);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_holds() {
        fuzz_corpus::run(super::TARGETS);
    }
}
