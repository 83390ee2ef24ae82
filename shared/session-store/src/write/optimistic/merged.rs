//! Merged writes: an item is read with its amendments, and written back if nothing has changed in between.

use session_model::{
    GroupItem, SessionItem, Timestamp,
    item::LastMsgType,
    register::{LastMsg, Register, amendments::Amendments},
};

use crate::{
    StoreError,
    codec::{
        item::{self, Attributes, Item, n, s},
        schema::AMENDMENTS,
    },
    write::update::Update,
};

/// The content of an item with its amendments, and the stored form in which these were read.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot<T> {
    pub(crate) value: T,
    amendments: Option<String>,
}

/// Something that has a register and amendments.
pub(crate) trait Amendable {
    fn register(&self) -> Option<&Register>;
    fn amendments(&self) -> &Amendments;
    fn update_time(&self) -> Option<Timestamp>;
    fn change_time(&self) -> Option<Timestamp>;
    /// Whether it expires while it shows nothing.
    fn may_expire(&self) -> bool;
}

impl Amendable for SessionItem {
    fn register(&self) -> Option<&Register> {
        self.register.as_ref()
    }

    fn amendments(&self) -> &Amendments {
        &self.amendments
    }

    fn update_time(&self) -> Option<Timestamp> {
        self.stored_update_time()
    }

    fn change_time(&self) -> Option<Timestamp> {
        self.change_time
    }

    fn may_expire(&self) -> bool {
        self.membership.is_none()
    }
}

impl Amendable for GroupItem {
    fn register(&self) -> Option<&Register> {
        self.register.as_ref()
    }

    fn amendments(&self) -> &Amendments {
        &self.amendments
    }

    fn update_time(&self) -> Option<Timestamp> {
        self.register.as_ref().and_then(Register::update_time)
    }

    fn change_time(&self) -> Option<Timestamp> {
        self.change_time
    }

    fn may_expire(&self) -> bool {
        false
    }
}

/// Reads a session item with its amendments.
pub(crate) fn session_item(mut item: Item) -> Result<Snapshot<SessionItem>, StoreError> {
    let (amendments, text) = amendments(&item)?;
    Ok(Snapshot { value: SessionItem { amendments, ..item::session_item(&mut item)? }, amendments: text })
}

/// Reads a group item with its amendments.
pub(crate) fn group_item(mut item: Item) -> Result<Snapshot<GroupItem>, StoreError> {
    let (amendments, text) = amendments(&item)?;
    Ok(Snapshot { value: GroupItem { amendments, ..item::group_item(&mut item)? }, amendments: text })
}

fn amendments(item: &Item) -> Result<(Amendments, Option<String>), StoreError> {
    let Some(text) = item.string(AMENDMENTS)? else { return Ok((Amendments::default(), None)) };
    let amendments = Amendments::from_stored(&text).map_err(|_| StoreError::MalformedItem(AMENDMENTS))?;
    Ok((amendments, Some(text.into_owned())))
}

/// Writes the differences between `before` and `after`, if everything that a register or its amendments depend on is still as read. An
/// item that shows nothing and need not be kept expires at `expires_at`, unless it already expires.
pub(crate) fn replacement<T: Amendable>(before: &Snapshot<T>, after: &T, expires_at: u64) -> Update {
    let mut update = Update::default();
    if after.register() != before.value.register()
        && let Some(register) = after.register()
    {
        update = shown(update, register);
    } else if after.may_expire() && after.update_time().is_none() {
        update = update.set("expiresAt = if_not_exists(expiresAt, :e)").with(":e", n(expires_at));
    }
    update = match after.amendments().to_stored() {
        Some(amendments) => update.set("amendments = :amendments").with(":amendments", s(amendments)),
        None => update.remove("amendments"),
    };
    if let Some(now) = after.change_time().filter(|_| after.change_time() != before.value.change_time()) {
        update = update.with_change_time(now);
    }
    as_read(update, before)
}

fn shown(update: Update, register: &Register) -> Update {
    let update = update
        .set("msgTime = :t, msgId = :id")
        .remove("expiresAt")
        .with(":t", n(register.position.time))
        .with(":id", s(register.position.id.as_str()));
    let (Some((last_msg_type, text)), Some(time)) = (shown_text(register), register.update_time()) else {
        return update;
    };
    update
        .set("lastMsg = :m, lastMsgType = :type, updateTime = :u")
        .with(":m", s(text))
        .with(":type", n(last_msg_type.as_number()))
        .with(":u", n(time))
}

fn shown_text(register: &Register) -> Option<(LastMsgType, std::borrow::Cow<'_, str>)> {
    match register.last_msg.as_ref()? {
        LastMsg::Message(text) => Some((LastMsgType::Message, text.plain())),
        LastMsg::Recall { notice, .. } => Some((LastMsgType::Recall, notice.plain())),
    }
}

/// Adds the condition that the item is still as it was read. Each of these attributes is needed: see
/// `super::exploration`.
fn as_read<T: Amendable>(update: Update, before: &Snapshot<T>) -> Update {
    let register = before.value.register();
    let position = register.map(|register| &register.position);
    let last_msg_type = register.and_then(shown_text).map(|(last_msg_type, _)| last_msg_type);
    let attributes = [
        ("msgTime = :read_t", "attribute_not_exists(msgTime)", ":read_t", position.map(|read| n(read.time))),
        (
            "msgId = :read_id",
            "attribute_not_exists(msgId)",
            ":read_id",
            position.map(|read| s(read.id.as_str())),
        ),
        (
            "lastMsgType = :read_type",
            "attribute_not_exists(lastMsgType)",
            ":read_type",
            last_msg_type.map(|read| n(read.as_number())),
        ),
        (
            "updateTime = :read_u",
            "attribute_not_exists(updateTime)",
            ":read_u",
            before.value.update_time().map(n),
        ),
        (
            "amendments = :read_amendments",
            "attribute_not_exists(amendments)",
            ":read_amendments",
            before.amendments.clone().map(s),
        ),
    ];
    attributes.into_iter().fold(update, |update, (equal, absent, name, value)| match value {
        Some(value) => update.only_if(equal).with(name, value),
        None => update.only_if(absent),
    })
}
