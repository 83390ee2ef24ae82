//! The stored form of amendments: `{"held": {"body": 5}, "edits": {"<id>": {"ext": [5, "text", false]}},
//! "recalls": {"<id>": {"at": 9, "limit": 5, "notice": {…}}}}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::amendment::{Amendments, Edits, Notice, Pending};
use crate::{
    id::MessageId,
    register::{last_msg::Field, limits::Text},
    time::Timestamp,
};

/// The error for a string that does not represent amendments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the stored form of amendments")]
pub struct InvalidAmendments;

#[derive(Default, Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    held: BTreeMap<String, Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    edits: BTreeMap<String, StoredEdits>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    recalls: BTreeMap<String, StoredRecall>,
}

/// For each field the time, the text or what is left of it, and whether that is less than the whole text.
type StoredEdits = BTreeMap<String, (Timestamp, Option<String>, bool)>;

#[derive(Serialize, Deserialize)]
struct StoredRecall {
    at: Timestamp,
    limit: Timestamp,
    notice: Notice,
}

impl Stored {
    fn add(&mut self, id: &MessageId, pending: &Pending) {
        let id = id.as_str().to_owned();
        match pending {
            Pending::Edits(edits) => {
                let entry = |(field, (time, text)): (&Field, &(Timestamp, Text))| {
                    (field.name().to_owned(), (*time, text.left.clone(), text.is_truncated))
                };
                self.edits.insert(id, edits.iter().map(entry).collect());
            }
            Pending::Recall { limit, at, notice } => {
                let recall = StoredRecall { at: *at, limit: *limit, notice: notice.clone() };
                self.recalls.insert(id, recall);
            }
        }
    }

    fn to_text(&self) -> Option<String> {
        // Strings, numbers and maps by string have a JSON form.
        serde_json::to_string(self).ok()
    }
}

fn field(name: &str) -> Result<Field, InvalidAmendments> {
    Field::ALL.into_iter().find(|field| field.name() == name).ok_or(InvalidAmendments)
}

/// The length of the amendments of one message in the stored form.
pub(super) fn length(id: &MessageId, pending: &Pending) -> usize {
    let mut stored = Stored::default();
    stored.add(id, pending);
    stored.to_text().map_or(usize::MAX, |text| text.len())
}

impl Amendments {
    /// Returns the stored form, or `None` if there are no amendments.
    #[must_use]
    pub fn to_stored(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let held = self.held.iter().map(|(field, time)| (field.name().to_owned(), *time)).collect();
        let mut stored = Stored { held, ..Stored::default() };
        for (id, pending) in &self.pending {
            stored.add(id, pending);
        }
        stored.to_text()
    }

    /// Parses the stored form.
    pub fn from_stored(text: &str) -> Result<Self, InvalidAmendments> {
        let Stored { held, edits, recalls } = serde_json::from_str(text).map_err(|_| InvalidAmendments)?;
        let held = held.into_iter().map(|(name, time)| Ok((field(&name)?, time)));
        let edits = edits.into_iter().map(|(id, edits)| {
            let edits = edits.into_iter().map(|(name, (time, left, is_truncated))| {
                Ok((field(&name)?, (time, Text { left, is_truncated })))
            });
            Ok((MessageId::from_canonical(id), Pending::Edits(edits.collect::<Result<Edits, _>>()?)))
        });
        let mut pending = edits.collect::<Result<BTreeMap<_, _>, _>>()?;
        for (id, StoredRecall { at, limit, notice }) in recalls {
            pending.insert(MessageId::from_canonical(id), Pending::Recall { limit, at, notice });
        }
        Ok(Self { held: held.collect::<Result<_, _>>()?, pending })
    }
}
