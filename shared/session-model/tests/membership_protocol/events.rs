//! Events of a group, and the expected outcome of a set of them.

use std::collections::BTreeSet;

use session_model::{
    Account, GroupId, MessageId, Timestamp,
    group::{Interrupted, ListId, MemberList, MembershipEvent, apply, erase},
    register::{
        LastMsg, LastMsgBytes, Message, Position, Register,
        amendments::{Amendment, Notice, Recall},
    },
};

use crate::world::{Response, Scripted, UNLUCKY, Unwritable, World, Write};

pub(crate) const USERS: [&str; 3] = ["a", "b", "c"];

/// An event, at a time of its own or at that of another event.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A message without a list, and the members who joined and left according to it.
    Message { at: u64, joined: &'static str, left: &'static str },
    /// A message with `tMembers`. `left` are those who left according to it, who are still in `members`.
    Listed { at: u64, members: &'static str, left: &'static str },
    /// A message with `tMembers` that moderation intercepted.
    Intercepted { at: u64, members: &'static str, left: &'static str },
    /// The recall of the message at the time `of`.
    Recall { of: u64, at: u64 },
    /// A whole list from the backend.
    Put { at: u64, members: &'static str },
    /// A request to erase the user [`UNLUCKY`].
    Erase { at: u64 },
    /// Changes from the backend.
    Patch { at: u64, add: &'static str, remove: &'static str },
}

pub(crate) fn group() -> GroupId {
    "team|1".parse().unwrap()
}

pub(crate) fn ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn accounts(letters: &str) -> BTreeSet<Account> {
    letters.chars().map(|letter| letter.to_string().parse().unwrap()).collect()
}

pub(crate) fn position(at: u64) -> Position {
    Position { time: ms(at), id: (*format!("m{at}")).into() }
}

impl Event {
    pub(crate) fn message(&self) -> Option<Message> {
        match *self {
            Self::Message { at, .. } | Self::Listed { at, .. } => {
                Some(Message { position: position(at), text: format!("message {at}").into() })
            }
            Self::Recall { .. }
            | Self::Intercepted { .. }
            | Self::Put { .. }
            | Self::Patch { .. }
            | Self::Erase { .. } => None,
        }
    }

    pub(crate) fn recall(&self) -> Option<Recall> {
        let Self::Recall { of, at } = *self else { return None };
        let Position { time, id } = position(of);
        let (notice, limits) = (Notice::default(), LastMsgBytes::default());
        Some(Recall { id, sent: Some(time), at: ms(at), notice, limits })
    }

    pub(crate) fn list(&self) -> Option<MemberList> {
        let (at, members) = match *self {
            Self::Listed { at, members, left } | Self::Intercepted { at, members, left } => {
                (at, &accounts(members) - &accounts(left))
            }
            Self::Put { at, members } => (at, accounts(members)),
            _ => return None,
        };
        let id = match self {
            Self::Put { .. } => ListId::of_backend(),
            _ => ListId::of_message(&position(at).id),
        };
        Some(MemberList::new(&group(), ms(at), id, &members))
    }

    /// The changes of single members: the time, who joined and who left.
    pub(crate) fn changes(&self) -> (u64, BTreeSet<Account>, BTreeSet<Account>) {
        match *self {
            Self::Message { at, joined, left } => (at, accounts(joined), accounts(left)),
            Self::Listed { at, left, .. } | Self::Intercepted { at, left, .. } => {
                (at, BTreeSet::new(), accounts(left))
            }
            Self::Patch { at, add, remove } => (at, accounts(add), accounts(remove)),
            Self::Put { at, .. } | Self::Recall { of: at, .. } | Self::Erase { at } => {
                (at, BTreeSet::new(), BTreeSet::new())
            }
        }
    }

    /// Applies the event. Returns whether items were left out.
    pub(crate) async fn deliver(&self, items: &Scripted) -> Result<bool, Interrupted<Unwritable>> {
        if let Self::Erase { at } = self {
            items.erase(ms(*at)).await?;
            return Ok(false);
        }
        if let Some(recall) = self.recall() {
            items.write(Write::Amend(Amendment::Recall(recall))).await;
            return Ok(false);
        }
        let (time, joined, left) = self.changes();
        let (message, list) = (self.message(), self.list());
        let notice = message.clone();
        let event = MembershipEvent { time: ms(time), message, list, joined, left, notice };
        Ok(!apply(items, &group(), &event).await?.left_out.is_empty())
    }
}

impl Scripted {
    /// The writes of one request to erase the user.
    async fn erase(&self, at: Timestamp) -> Result<(), Interrupted<Unwritable>> {
        self.write(Write::Mark(at)).await;
        if self.write(Write::Find).await == Response::Done {
            erase(self, &group(), &UNLUCKY.parse().unwrap(), at).await?;
        }
        Ok(())
    }
}

/// The group item's register, and for each user whether they see the group item, and their own register.
pub(crate) type Outcome = (Option<Register>, Vec<(bool, Option<Register>)>);

pub(crate) fn outcome(world: &World) -> Outcome {
    let of_user = |user: &str| {
        let session_item = world.session_item(user);
        (
            world.group_item.is_seen_by(&group(), &user.parse().unwrap(), session_item.membership),
            session_item.register,
        )
    };
    (world.group_item.register.clone(), USERS.map(of_user).to_vec())
}

/// The expected outcome, as a function of the set of events.
pub(crate) fn expected(events: &[Event]) -> Outcome {
    let newest_of =
        |registers: Vec<Register>| registers.into_iter().max_by(|a, b| a.position.cmp(&b.position));
    let mut group_item = newest_of(events.iter().filter_map(Event::message).map(Register::from).collect());
    if let Some(held) = &mut group_item {
        for Recall { at, notice, .. } in
            events.iter().filter_map(Event::recall).filter(|of| of.id == held.position.id)
        {
            held.last_msg = Some(LastMsg::Recall { at, notice: notice.text() });
        }
    }
    let newest = events.iter().filter_map(Event::list).max_by_key(|list| list.order().clone());
    let of_user = |user: &str| {
        let user: Account = user.parse().unwrap();
        let mut newest_change = None;
        let mut registers = Vec::new();
        for event in events {
            let (time, joined, left) = event.changes();
            let change = [(joined.contains(&user), 0), (left.contains(&user), 1)];
            for (_, rank) in change.into_iter().filter(|(named, _)| *named) {
                newest_change = newest_change.max(Some((time, rank)));
            }
            if left.contains(&user) {
                let empty = Register::tombstone(Position { time: ms(time), id: MessageId::NONE });
                registers.push(event.message().map_or(empty, Register::from));
            }
        }
        let listed = newest.as_ref().map(|list| (list.order().time.as_millis(), 2));
        let sees = if listed > newest_change {
            newest.as_ref().is_some_and(|list| list.members().contains_key(&user))
        } else {
            newest_change.is_some_and(|(_, rank)| rank == 0)
        };
        (sees, newest_of(registers))
    };
    (group_item, USERS.map(of_user).to_vec())
}
