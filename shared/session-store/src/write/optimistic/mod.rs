//! How messages and amendments become writes of one item.
//!
//! While an item has no amendments, a message is one blind conditional write, whose condition is the merge rule, and so is the recall
//! of the held message. If there are amendments, what a message shows depends on them. Then, as for every edit, and for a recall that
//! waits for its message, the item is read, merged, and written back if nothing has changed in between.

#[cfg(test)]
mod exploration;
mod merged;

use session_model::group::{Interrupted, Written};

pub(crate) use merged::{Snapshot, group_item, replacement, session_item};

/// The maximum number of attempts at a write that loses to concurrent writes.
const MAX_TRIES: usize = 5;

/// An item that holds messages: a session item of a p2p session, or the group item of a group.
pub(crate) trait AmendableItem: Sync {
    /// The content of the item.
    type Snapshot: Clone + Send + Sync;
    /// The error of a read or write.
    type Error: Send;

    /// Reads the item. Strongly consistent.
    fn read(&self) -> impl Future<Output = Result<Self::Snapshot, Self::Error>> + Send;

    /// Writes `after`, if everything that a register or its amendments depend on is still as in `before`.
    fn replace(
        &self,
        before: &Self::Snapshot,
        after: &Self::Snapshot,
    ) -> impl Future<Output = Result<Written<Self::Snapshot>, Self::Error>> + Send;
}

/// Continues after the blind write of a message, whose condition also requires that there are no amendments. If `change` still
/// changes the returned item, the condition failed only because of the amendments, and the merged write follows.
pub(crate) async fn record<I: AmendableItem>(
    item: &I,
    blind: Written<I::Snapshot>,
    change: impl Fn(&mut I::Snapshot) -> bool + Sync,
) -> Result<Written<I::Snapshot>, Interrupted<I::Error>> {
    match blind {
        Written::Done => Ok(Written::Done),
        Written::ConditionFailed(held) => merge(item, held, change).await,
    }
}

/// Merges an amendment into an item, after its blind write if there was one.
pub(crate) async fn amend<I: AmendableItem>(
    item: &I,
    blind: Option<Written<I::Snapshot>>,
    change: impl Fn(&mut I::Snapshot) -> bool + Sync,
) -> Result<(), Interrupted<I::Error>> {
    let held = match blind {
        Some(Written::Done) => return Ok(()),
        Some(Written::ConditionFailed(held)) => held,
        None => item.read().await?,
    };
    merge(item, held, change).await.map(|_| ())
}

/// Repeats the merged write until it succeeds or loses to concurrent writes too often. `ConditionFailed(held)` means that the
/// change does not alter `held`, so nothing was written.
async fn merge<I: AmendableItem>(
    item: &I,
    mut held: I::Snapshot,
    change: impl Fn(&mut I::Snapshot) -> bool + Sync,
) -> Result<Written<I::Snapshot>, Interrupted<I::Error>> {
    for _ in 0..MAX_TRIES {
        let mut after = held.clone();
        if !change(&mut after) {
            return Ok(Written::ConditionFailed(held));
        }
        match item.replace(&held, &after).await? {
            Written::Done => return Ok(Written::Done),
            Written::ConditionFailed(now) => held = now,
        }
    }
    Err(Interrupted::Contended)
}
