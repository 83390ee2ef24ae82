//! A recall, an edit, and the amendments that an item contains.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::MessageId,
    json::JsonText,
    register::{LastMsgBytes, last_msg::Field, limits::Text},
    time::Timestamp,
};

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// It was edited.
    Edit(Edit),
    /// It was recalled.
    Recall(Recall),
}

impl Amendment {
    /// The id of the message.
    pub(super) fn id(&self) -> &MessageId {
        match self {
            Self::Edit(edit) => &edit.id,
            Self::Recall(recall) => &recall.id,
        }
    }

    /// The maximum length of what waits for messages along with this, as JSON.
    pub(super) fn most_pending(&self) -> usize {
        match self {
            Self::Edit(edit) => edit.limits.most_pending(),
            Self::Recall(recall) => recall.limits.most_pending(),
        }
    }

    /// When the message was edited or recalled.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Edit(edit) => edit.time,
            Self::Recall(recall) => recall.at,
        }
    }
}

/// The edit of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The id of the message.
    pub(crate) id: MessageId,
    /// The time of the edit (`modifyTime`).
    pub(crate) time: Timestamp,
    /// What the message's fields show from then on, within their limits.
    pub(crate) texts: BTreeMap<Field, Text>,
    /// The limits of the texts, and of what waits for messages.
    pub(crate) limits: LastMsgBytes,
}

/// The recall of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// The id of the message.
    pub id: MessageId,
    /// When the message was sent (`sendTime`), if that is known. It may be rounded down to seconds.
    pub sent: Option<Timestamp>,
    /// When it was recalled (`deleteTime`).
    pub at: Timestamp,
    /// What is shown instead of the message.
    pub notice: Notice,
    /// The limits of the notice, and of what waits for messages.
    pub limits: LastMsgBytes,
}

impl Recall {
    /// The last time at which the message can have been sent: `sendTime`, raised to the end of its second if it is a whole number of
    /// seconds, or the time of the recall if the `sendTime` is not known.
    #[must_use]
    pub fn limit(&self) -> Timestamp {
        match self.sent {
            Some(sent) if sent.as_millis().is_multiple_of(1_000) => sent.later_by(999),
            Some(sent) => sent,
            None => self.at,
        }
    }
}

/// The fields of a recall notice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Notice(Map<String, Value>);

impl Notice {
    /// The notice as JSON text for the app.
    #[must_use]
    pub fn text(&self) -> JsonText {
        Value::Object(self.0.clone()).to_string().into()
    }
}

impl From<Map<String, Value>> for Notice {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

/// The amendments of a session item or group item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amendments {
    pub(super) held: BTreeMap<Field, Timestamp>,
    pub(super) pending: BTreeMap<MessageId, Pending>,
}

/// The amendments of one message that is not held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pending {
    /// For each field, the greatest edit.
    Edits(Edits),
    /// The greatest recall. Nothing else is kept of the message.
    Recall {
        /// The greatest limit of its recalls.
        limit: Timestamp,
        at: Timestamp,
        notice: Notice,
    },
}

/// For each field, the time and text of its greatest edit.
pub(super) type Edits = BTreeMap<Field, (Timestamp, Text)>;

impl Amendments {
    /// Whether there are no amendments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.pending.is_empty()
    }
}
