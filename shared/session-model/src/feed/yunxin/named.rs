//! The accounts that a notification names.

use crate::json::JsonValue;

/// The parts of an attachment, `{"id": n, "data": {…}}`, that determine which accounts are meant.
#[derive(Debug, Default)]
pub(super) struct Named<'a> {
    /// The notification's `id`, which is its kind.
    pub(super) number: Option<JsonValue<'a>>,
    /// `data.ids`.
    pub(super) ids: Option<JsonValue<'a>>,
    /// `data.id`.
    pub(super) id: Option<JsonValue<'a>>,
    /// Whether the attachment breaks off, so that what is missing may have followed.
    pub(super) is_broken: bool,
}
