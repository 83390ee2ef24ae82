//! How messages and edits become writes of one item.
//!
//! While an item knows no edits, a message is one blind conditional write, whose condition is the merge rule. Where edits are
//! known, what a message shows depends on them: then, as for every edit, what was read is merged and written back, if nothing
//! has changed in between.

use crate::group::{Interrupted, Written};

/// How often a write that others overtook starts again.
const MAX_TRIES: usize = 5;

/// An item that holds messages: a session item of a p2p session, or the group item of a group.
pub trait AmendableItem: Sync {
    /// What the item holds.
    type Snapshot: Clone + Send + Sync;
    /// Why the item cannot be read or written.
    type Error: Send;

    /// Reads the item strongly.
    fn read(&self) -> impl Future<Output = Result<Self::Snapshot, Self::Error>> + Send;

    /// Writes `after`, if the item still is as `before` in whatever a register or its edits depend on.
    fn replace(
        &self,
        before: &Self::Snapshot,
        after: &Self::Snapshot,
    ) -> impl Future<Output = Result<Written<Self::Snapshot>, Self::Error>> + Send;
}

/// Goes on after a blind write, whose condition also asks that no edits are known. When it was rejected for the edits alone, so that
/// `change` still changes what came back, the merged write follows.
pub async fn record<I: AmendableItem>(
    item: &I,
    blind: Written<I::Snapshot>,
    change: impl Fn(&mut I::Snapshot) -> bool + Sync,
) -> Result<Written<I::Snapshot>, Interrupted<I::Error>> {
    match blind {
        Written::Done => Ok(Written::Done),
        Written::ConditionFailed(held) => merge(item, held, change).await,
    }
}

/// Merges an edit into an item.
pub async fn edit<I: AmendableItem>(
    item: &I,
    change: impl Fn(&mut I::Snapshot) -> bool + Sync,
) -> Result<(), Interrupted<I::Error>> {
    let held = item.read().await?;
    merge(item, held, change).await.map(|_| ())
}

/// `ConditionFailed(held)`: the change does not alter `held`, so nothing was written.
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
