//! The stored form of edits: `{"held": {"body": 5}, "pending": {"<id>": {"ext": [5, "text", false]}}}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::known::{Edits, Pending};
use crate::{
    id::MessageId,
    register::last_msg::{Field, Text},
    time::Timestamp,
};

/// The error for a string that does not represent edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("holds no edits")]
pub struct InvalidEdits;

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    held: BTreeMap<String, Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pending: BTreeMap<String, StoredPending>,
}

/// For each field the time, the text or what is left of it, and whether that is less than the whole text.
type StoredPending = BTreeMap<String, (Timestamp, Option<String>, bool)>;

fn field(name: &str) -> Result<Field, InvalidEdits> {
    Field::ALL.into_iter().find(|field| field.name() == name).ok_or(InvalidEdits)
}

fn stored(pending: &Pending) -> StoredPending {
    let entry = |(field, (time, text)): (&Field, &(Timestamp, Text))| {
        (field.name().to_owned(), (*time, text.left.clone(), text.is_truncated))
    };
    pending.iter().map(entry).collect()
}

/// The length of the edits of one message in the stored form.
pub(super) fn length(id: &MessageId, pending: &Pending) -> usize {
    // Strings and numbers have a JSON form.
    serde_json::to_string(&(id.as_str(), stored(pending))).map_or(usize::MAX, |text| text.len())
}

impl Edits {
    /// Returns the stored form, or `None` if there are no edits.
    #[must_use]
    pub fn to_stored(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let held = self.held.iter().map(|(field, time)| (field.name().to_owned(), *time)).collect();
        let pending = self.pending.iter().map(|(id, pending)| (id.as_str().to_owned(), stored(pending)));
        serde_json::to_string(&Stored { held, pending: pending.collect() }).ok()
    }

    /// Parses the stored form.
    pub fn from_stored(text: &str) -> Result<Self, InvalidEdits> {
        let stored: Stored = serde_json::from_str(text).map_err(|_| InvalidEdits)?;
        let held = stored.held.into_iter().map(|(name, time)| Ok((field(&name)?, time)));
        let pending = stored.pending.into_iter().map(|(id, pending)| {
            let texts = pending.into_iter().map(|(name, (time, left, is_truncated))| {
                Ok((field(&name)?, (time, Text { left, is_truncated })))
            });
            Ok((MessageId::from_canonical(id), texts.collect::<Result<_, _>>()?))
        });
        Ok(Self { held: held.collect::<Result<_, _>>()?, pending: pending.collect::<Result<_, _>>()? })
    }
}
