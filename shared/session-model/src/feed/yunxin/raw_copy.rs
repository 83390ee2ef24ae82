//! The fields of a message copy, each kind of which is parsed in one way.

use std::borrow::Cow;

use crate::{
    feed::FeedSettings,
    id::{Account, MessageId, account::cut},
    json::{InvalidField, InvalidValue, JsonObject, JsonValue},
    register::Position,
    time::{Ahead, Timestamp},
};

/// The maximum length of a message's id, in bytes.
const MAX_ID_BYTES: usize = 255;

/// A message copy that is being parsed at a time. A needed field that is missing or unreadable is rejected by its name; nothing
/// else is.
pub(super) struct RawCopy<'a> {
    pub(super) fields: &'a JsonObject<'a>,
    pub(super) settings: FeedSettings,
    pub(super) now: Timestamp,
}

impl<'a> RawCopy<'a> {
    /// The field's unparsed value.
    pub(super) fn value(&self, name: &str) -> Option<JsonValue<'a>> {
        self.fields.get(name)
    }

    /// A needed string or whole number.
    pub(super) fn text(&self, name: &'static str) -> Result<Cow<'a, str>, InvalidField> {
        self.optional_text(name)?.ok_or_else(|| InvalidValue::new("is missing").of(name))
    }

    /// An optional string or whole number. An empty string counts as absent.
    fn optional_text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, InvalidField> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let text = value.text().ok_or_else(|| InvalidValue::new("must be a string").of(name))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A needed account.
    pub(super) fn account(&self, name: &'static str) -> Result<Account, InvalidField> {
        self.settings.account_case.account(&self.text(name)?).map_err(|reason| reason.of(name))
    }

    /// A needed time.
    pub(super) fn time(&self, name: &'static str) -> Result<Timestamp, InvalidField> {
        self.optional_time(name)?.ok_or_else(|| InvalidValue::new("is missing").of(name))
    }

    /// An optional time.
    pub(super) fn optional_time(&self, name: &'static str) -> Result<Option<Timestamp>, InvalidField> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        let time = text.parse().and_then(|time: Timestamp| time.check_plausible(self.now, Ahead::OneDay));
        time.map(Some).map_err(|reason| reason.of(name))
    }

    /// The id that its server or its client gave to a message.
    fn id(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, InvalidField> {
        let id = self.optional_text(name)?;
        id.map(|id| whole_id(id).map_err(|reason| reason.of(name))).transpose()
    }

    /// The ids of a message as received, from the fields that contain them.
    pub(super) fn ids(&self, server: &'static str, client: &'static str) -> Result<Ids<'a>, InvalidField> {
        let server_id = self.id(server)?.ok_or_else(|| InvalidValue::new("is missing").of(server))?;
        Ok(Ids { server: server_id, client: self.id(client)? })
    }

    /// The ids of a message that this copy only refers to. A message that the IM does not store (server id 0) is identified only by
    /// its client's id, so that id is required.
    pub(super) fn ids_of_another(
        &self,
        server: &'static str,
        client: &'static str,
    ) -> Result<Ids<'a>, InvalidField> {
        let ids = self.ids(server, client)?;
        if ids.client.is_none() && ids.server.bytes().all(|byte| byte == b'0') {
            return Err(InvalidValue::new("must not be 0 without the client's id").of(server));
        }
        Ok(ids)
    }

    /// Whether a field is true, in the sense of Yunxin's strings that are "convertible to Boolean".
    pub(super) fn is_set(&self, name: &str) -> bool {
        let Some(value) = self.value(name) else { return false };
        match value.string() {
            Some(text) => !(text.is_empty() || text == "0" || text.eq_ignore_ascii_case("false")),
            None => value.json() != "false" && value.json().parse() != Ok(0.0),
        }
    }
}

/// The ids of a message as received.
pub(super) struct Ids<'a> {
    pub(super) server: Cow<'a, str>,
    pub(super) client: Option<Cow<'a, str>>,
}

impl Ids<'_> {
    pub(super) fn message_id(&self) -> MessageId {
        MessageId::new(&self.server, self.client.as_deref().unwrap_or_default())
    }

    pub(super) fn position(&self, time: Timestamp) -> Position {
        Position { time, id: self.message_id() }
    }
}

/// Checks that an id is whole and not too long.
pub(super) fn whole_id(id: Cow<'_, str>) -> Result<Cow<'_, str>, InvalidValue> {
    if id.contains(char::REPLACEMENT_CHARACTER) {
        Err(cut())
    } else if id.len() > MAX_ID_BYTES {
        Err(InvalidValue::new("must be at most 255 bytes long"))
    } else {
        Ok(id)
    }
}
