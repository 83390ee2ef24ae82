//! What writers do, one item at a time, each with the clock of its request.

use std::collections::BTreeSet;

use serde_json::{Map, json};
use session_model::{
    GroupItem, SessionId, Timestamp,
    feed::{Effect, FeedSettings, MessageCopy},
    group::{GroupWrite, ListId, ListOrder, MemberAt, MemberList, Rank, SessionWrite},
    register::{
        LastMsgBytes, Message, Position,
        amendments::{Amendment, Notice, Recall},
    },
};

use crate::world::{World, group, p2p, user};

/// A kind of write that sets a change time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Record,
    /// A message whose recall came before it.
    RecordRecalled,
    Edit,
    Recall,
    Delete,
    SetExt,
    Tombstone,
    Join,
    Leave,
    Empty,
    GroupMessage,
    GroupEdit,
    GroupRecall,
    GroupMembers,
    ListRaised,
}

impl Kind {
    pub(crate) const ALL: [Self; 15] = [
        Self::Record,
        Self::RecordRecalled,
        Self::Edit,
        Self::Recall,
        Self::Delete,
        Self::SetExt,
        Self::Tombstone,
        Self::Join,
        Self::Leave,
        Self::Empty,
        Self::GroupMessage,
        Self::GroupEdit,
        Self::GroupRecall,
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
    Record(Message),
    RecordRecalled(Message),
    Amend(Amendment),
    Delete,
    SetExt(SessionId, &'static str),
    Tombstone,
    SessionItem(SessionWrite),
    GroupRecord(Message),
    GroupAmend(Amendment),
    StoreList { time: Timestamp, with_the_user: bool },
    RaiseList(Timestamp),
    RemoveMembers(Timestamp),
}

impl Write {
    pub(crate) fn kind(&self) -> Kind {
        match &self.what {
            What::Record(_) | What::SessionItem(SessionWrite::Record(_)) => Kind::Record,
            What::RecordRecalled(_) => Kind::RecordRecalled,
            What::Amend(Amendment::Edit(_)) => Kind::Edit,
            What::Amend(Amendment::Recall(_)) => Kind::Recall,
            What::Delete => Kind::Delete,
            What::SetExt(..) => Kind::SetExt,
            What::Tombstone => Kind::Tombstone,
            What::SessionItem(SessionWrite::Become(_)) => Kind::Join,
            What::SessionItem(SessionWrite::Leave(_)) => Kind::Leave,
            What::SessionItem(SessionWrite::RecordEmpty(_)) => Kind::Empty,
            What::GroupRecord(_) => Kind::GroupMessage,
            What::GroupAmend(Amendment::Edit(_)) => Kind::GroupEdit,
            What::GroupAmend(Amendment::Recall(_)) => Kind::GroupRecall,
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
            What::Record(_) | What::RecordRecalled(_) | What::Amend(_) | What::Delete => &P2P,
            What::SetExt(id, _) if *id == *P2P => &P2P,
            _ => &GROUP,
        }
    }

    pub(crate) fn apply(&self, world: &mut World) {
        let now = self.now;
        let session_item = self.session_item();
        match &self.what {
            What::Record(message) | What::RecordRecalled(message) => {
                world.session_item(session_item).record(message, now);
            }
            What::Amend(amendment) => drop(world.session_item(session_item).amend(amendment, now)),
            What::Delete => drop(world.session_item(session_item).delete(None, now)),
            What::SetExt(_, text) => world.session_item(session_item).set_ext(text.parse().unwrap(), now),
            What::Tombstone => tombstone(world, now),
            What::SessionItem(write) => drop(write.apply(world.session_item(session_item), now)),
            What::GroupRecord(message) => {
                let write = GroupWrite::Record(message.clone());
                write.apply(&mut world.group_item, now);
            }
            What::GroupAmend(amendment) => drop(world.group_item.amend(amendment, now)),
            What::StoreList { time, with_the_user } => {
                let members: BTreeSet<_> =
                    with_the_user.then(user).into_iter().chain(["x".parse().unwrap()]).collect();
                let list = MemberList::new(&group(), *time, ListId::of_backend(), &members);
                GroupWrite::store_list(&list, &world.group_item.clone(), &BTreeSet::new())
                    .apply(&mut world.group_item, now);
            }
            What::RaiseList(time) => {
                // The group item's list, if it has one.
                let Some(digest) = world.group_item.list_key else { return };
                let list = ListOrder { time: *time, id: ListId::of_backend(), digest };
                GroupWrite::RaiseListedAt(list).apply(&mut world.group_item, now);
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
    session_item.delete_in_group(&group(), &user(), Some(&group_item), None, now);
}

/// An operation, which is a sequence of writes. `now` is the clock of the request; `event` is when it happened, as a message copy
/// reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Message,
    Recall,
    RecallThenMessage,
    Edit,
    Delete,
    SetExt,
    SetExtOfGroup,
    DeleteGroup,
    GroupMessage,
    GroupEdit,
    GroupRecall,
    Join,
    LeaveByNotice,
    LeaveByPatch,
    ListWithUser,
    ListWithoutUser,
    SameList,
}

impl Operation {
    pub(crate) const ALL: [Self; 17] = [
        Self::Message,
        Self::Recall,
        Self::RecallThenMessage,
        Self::Edit,
        Self::Delete,
        Self::SetExt,
        Self::SetExtOfGroup,
        Self::DeleteGroup,
        Self::GroupMessage,
        Self::GroupEdit,
        Self::GroupRecall,
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
            // Recalls the message that every history starts with.
            Self::Recall => vec![What::Amend(recall(START, "start", event))],
            // The clock of the recall is 5 minutes behind that of its message.
            Self::RecallThenMessage => vec![
                What::Amend(recall(event, &id("r"), event.earlier_by(5 * 60_000))),
                What::RecordRecalled(message(event, &id("r"))),
            ],
            Self::Edit => vec![What::Amend(edit("start", event))],
            Self::Delete => vec![What::Delete],
            Self::SetExt => vec![What::SetExt(p2p(), "x")],
            Self::SetExtOfGroup => vec![What::SetExt(group_id, "x")],
            Self::DeleteGroup => vec![What::Tombstone],
            Self::GroupMessage => vec![What::GroupRecord(message(event, &id("g")))],
            Self::GroupEdit => vec![What::GroupAmend(edit("group", event))],
            Self::GroupRecall => vec![What::GroupAmend(recall(START, "group", event))],
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

pub(crate) fn message(time: Timestamp, id: &str) -> Message {
    let text = json!({ "body": id }).to_string();
    Message { position: Position { time, id: id.into() }, text: text.into() }
}

fn recall(sent: Timestamp, id: &str, at: Timestamp) -> Amendment {
    let notice = Notice::from(Map::from_iter([("recalledAt".to_owned(), at.as_millis().into())]));
    Amendment::Recall(Recall { id: id.into(), sent: Some(sent), at, notice, limits: LastMsgBytes::default() })
}

fn edit(id: &str, time: Timestamp) -> Amendment {
    // The times in a message copy are after 2000, but these are minutes after 1970.
    let year_2000 = 946_684_800_000;
    let copy = json!({"eventType": "89", "from": "a", "to": "b", "msgId": id, "modifyTime": year_2000 + time.as_millis(),
                      "text": format!("edited at {time}")});
    let copy = copy.to_string();
    let now = Timestamp::from_millis(year_2000 * 2);
    let event = MessageCopy::parse(&copy).unwrap().event(now, FeedSettings::default()).unwrap();
    let Effect::AmendP2p { amendment, .. } = event.effect else { panic!("not an edit") };
    amendment
}
