//! What writers do, one item at a time, each with the clock of its request.

use std::collections::BTreeSet;

use serde_json::json;
use session_model::{
    AccountCase, GroupItem, SessionId, Timestamp,
    feed::{Effect, MessageCopy},
    group::{GroupWrite, MemberAt, MemberList, Rank, SessionWrite},
    register::{Entry, LastMsg, Position, edits::Edit},
};

use crate::world::{World, group, p2p, user};

/// A kind of write that sets a change time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Record,
    Edit,
    Delete,
    SetExt,
    Tombstone,
    Join,
    Leave,
    Empty,
    GroupMessage,
    GroupEdit,
    GroupMembers,
    ListRaised,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::Record,
        Self::Edit,
        Self::Delete,
        Self::SetExt,
        Self::Tombstone,
        Self::Join,
        Self::Leave,
        Self::Empty,
        Self::GroupMessage,
        Self::GroupEdit,
        Self::GroupMembers,
        Self::ListRaised,
    ];
}

/// A write of one item, with the clock of its request.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    now: Timestamp,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Record(Entry),
    Edit(Edit),
    Delete,
    SetExt(SessionId, &'static str),
    Tombstone,
    SessionItem(SessionWrite),
    GroupRecord(Entry),
    GroupEdit(Edit),
    StoreList { time: Timestamp, with_the_user: bool },
    RaiseList(Timestamp),
    RemoveMembers(Timestamp),
}

impl Write {
    pub(crate) fn kind(&self) -> Kind {
        match &self.what {
            What::Record(_) | What::SessionItem(SessionWrite::Record(_)) => Kind::Record,
            What::Edit(_) => Kind::Edit,
            What::Delete => Kind::Delete,
            What::SetExt(..) => Kind::SetExt,
            What::Tombstone => Kind::Tombstone,
            What::SessionItem(SessionWrite::Become(_)) => Kind::Join,
            What::SessionItem(SessionWrite::Leave(_)) => Kind::Leave,
            What::SessionItem(SessionWrite::RecordEmpty(_)) => Kind::Empty,
            What::GroupRecord(_) => Kind::GroupMessage,
            What::GroupEdit(_) => Kind::GroupEdit,
            What::StoreList { .. } | What::RemoveMembers(_) => Kind::GroupMembers,
            What::RaiseList(_) => Kind::ListRaised,
        }
    }

    /// The session item that the write may change.
    pub(crate) fn session_item(&self) -> &'static SessionId {
        use std::sync::LazyLock;
        static P2P: LazyLock<SessionId> = LazyLock::new(p2p);
        static GROUP: LazyLock<SessionId> = LazyLock::new(|| group().session_id().clone());
        match &self.what {
            What::Record(_) | What::Edit(_) | What::Delete => &P2P,
            What::SetExt(id, _) if *id == *P2P => &P2P,
            _ => &GROUP,
        }
    }

    pub(crate) fn apply(&self, world: &mut World) {
        let now = self.now;
        let session_item = self.session_item();
        match &self.what {
            What::Record(entry) => drop(world.session_item(session_item).record(entry, now)),
            What::Edit(edit) => drop(world.session_item(session_item).edit(edit, now)),
            What::Delete => world.session_item(session_item).delete(now),
            What::SetExt(_, text) => world.session_item(session_item).set_ext(text.parse().unwrap(), now),
            What::Tombstone => tombstone(world, now),
            What::SessionItem(write) => drop(write.apply(world.session_item(session_item), now)),
            What::GroupRecord(entry) => {
                let write = GroupWrite::Record(entry.clone());
                write.apply(&mut world.group_item, now);
            }
            What::GroupEdit(edit) => drop(world.group_item.edit(edit, now)),
            What::StoreList { time, with_the_user } => {
                let members: BTreeSet<_> =
                    with_the_user.then(user).into_iter().chain(["x".parse().unwrap()]).collect();
                let list = MemberList::new(&group(), *time, &members);
                GroupWrite::store_list(&list, &world.group_item.clone(), &BTreeSet::new())
                    .apply(&mut world.group_item, now);
            }
            What::RaiseList(time) => {
                // The group item's list, if it has one.
                let Some(digest) = world.group_item.list_key else { return };
                GroupWrite::RaiseListedAt { time: *time, digest }.apply(&mut world.group_item, now);
            }
            What::RemoveMembers(time) => {
                let hashes = BTreeSet::from([group().member_hash(&user())]);
                GroupWrite::RemoveMembers { time: *time, hashes }.apply(&mut world.group_item, now);
            }
        }
    }
}

/// Deletes a group's session, based on what was read.
fn tombstone(world: &mut World, now: Timestamp) {
    let id = group().session_id().clone();
    let group_item: GroupItem = world.group_item.clone();
    let session_item = world.session_item(&id);
    let seen = group_item.position_seen_by(&group(), &user(), session_item.membership).cloned();
    session_item.delete_in_group(seen.as_ref(), now);
}

/// An operation, which is a sequence of writes. `now` is the clock of the request; `event` is when it happened, as a message copy
/// reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Message,
    Recall,
    Edit,
    Delete,
    SetExt,
    SetExtOfGroup,
    DeleteGroup,
    GroupMessage,
    GroupEdit,
    Join,
    LeaveByNotice,
    LeaveByPatch,
    ListWithUser,
    ListWithoutUser,
    SameList,
}

impl Operation {
    pub(crate) const ALL: [Self; 15] = [
        Self::Message,
        Self::Recall,
        Self::Edit,
        Self::Delete,
        Self::SetExt,
        Self::SetExtOfGroup,
        Self::DeleteGroup,
        Self::GroupMessage,
        Self::GroupEdit,
        Self::Join,
        Self::LeaveByNotice,
        Self::LeaveByPatch,
        Self::ListWithUser,
        Self::ListWithoutUser,
        Self::SameList,
    ];

    pub(crate) fn writes(self, now: Timestamp, event: Timestamp) -> Vec<Write> {
        let id = |name: &str| format!("{name}{event}");
        let group_id = group().session_id().clone();
        let become_at = |rank| What::SessionItem(SessionWrite::Become(MemberAt { time: event, rank }));
        let leaves = |write| {
            vec![
                What::SessionItem(SessionWrite::Leave(event)),
                What::SessionItem(write),
                What::RemoveMembers(event),
            ]
        };
        let list = |with_the_user| What::StoreList { time: event, with_the_user };
        let whats = match self {
            Self::Message => vec![What::Record(message(event, &id("m")))],
            // Recalls the message that every history starts with, or that was sent before.
            Self::Recall => vec![What::Record(recall(START, "start", event))],
            Self::Edit => vec![What::Edit(edit("start", event))],
            Self::Delete => vec![What::Delete],
            Self::SetExt => vec![What::SetExt(p2p(), "x")],
            Self::SetExtOfGroup => vec![What::SetExt(group_id, "x")],
            Self::DeleteGroup => vec![What::Tombstone],
            Self::GroupMessage => vec![What::GroupRecord(message(event, &id("g")))],
            Self::GroupEdit => vec![What::GroupEdit(edit("group", event))],
            Self::Join => vec![become_at(Rank::Join)],
            Self::LeaveByNotice => leaves(SessionWrite::Record(message(event, &id("n")))),
            Self::LeaveByPatch => leaves(SessionWrite::RecordEmpty(event)),
            Self::ListWithUser => vec![become_at(Rank::List), list(true)],
            Self::ListWithoutUser => vec![list(false)],
            Self::SameList => vec![What::RaiseList(event)],
        };
        whats.into_iter().map(|what| Write { now, what }).collect()
    }
}

/// When the messages were sent that every history starts with: long ago.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800 * 30_000);

pub(crate) fn message(time: Timestamp, id: &str) -> Entry {
    let text = json!({ "body": id }).to_string();
    Entry { position: Position { time, id: id.into() }, last_msg: LastMsg::Message(text.into()) }
}

pub(crate) fn recall(time: Timestamp, id: &str, at: Timestamp) -> Entry {
    let last_msg = LastMsg::Recall { at, notice: format!("recalled at {at}").into() };
    Entry { position: Position { time, id: id.into() }, last_msg }
}

fn edit(id: &str, time: Timestamp) -> Edit {
    // The times in a message copy are after 2000, but these are minutes after 1970.
    let year_2000 = 946_684_800_000;
    let copy = json!({"eventType": "89", "from": "a", "to": "b", "msgId": id, "modifyTime": year_2000 + time.as_millis(),
                      "text": format!("edited at {time}")});
    let copy = copy.to_string();
    let now = Timestamp::from_millis(year_2000 * 2);
    let event = MessageCopy::parse(&copy).unwrap().event(now, AccountCase::Keep).unwrap();
    let Effect::EditP2p { edit, .. } = event.effect else { panic!("not an edit") };
    edit
}
