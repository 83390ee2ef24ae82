//! Tests of lists whose members' hashes collide, and of lists of one time.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use super::{
    Applied, ErasedUsers, GroupStore, GroupWrite, ListId, MemberList, MembershipEvent, SessionWrite,
    SessionsWritten, Written, apply,
};
use crate::{
    id::{Account, GroupId, MessageId},
    item::{GroupItem, SessionItem},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(9);

/// The items of one group.
#[derive(Default)]
struct Items {
    group_item: Mutex<GroupItem>,
    session_items: Mutex<BTreeMap<Account, SessionItem>>,
}

impl GroupStore for Items {
    type Error = Infallible;

    fn is_of_one_item(_: &Infallible) -> bool {
        true
    }

    async fn erased(
        &self,
        _: &BTreeSet<Account>,
        _: Timestamp,
    ) -> Result<ErasedUsers<Infallible>, Infallible> {
        Ok(ErasedUsers::new())
    }

    async fn write_group(&self, write: GroupWrite) -> Result<Written<GroupItem>, Infallible> {
        let mut group_item = self.group_item.lock().unwrap();
        let holds = write.apply(&mut group_item, NOW);
        Ok(if holds { Written::Done } else { Written::ConditionFailed(group_item.clone()) })
    }

    async fn write_sessions(&self, writes: Vec<(Account, SessionWrite)>) -> SessionsWritten<Infallible> {
        let mut session_items = self.session_items.lock().unwrap();
        let write = |(user, write): (Account, SessionWrite)| {
            let session_item = session_items.entry(user.clone()).or_default();
            let holds = write.apply(session_item, NOW);
            (user, Ok(if holds { Written::Done } else { Written::ConditionFailed(session_item.clone()) }))
        };
        writes.into_iter().map(write).collect()
    }

    async fn delete_session(&self, user: &Account, only_if_left: bool) -> Result<bool, Infallible> {
        let mut session_items = self.session_items.lock().unwrap();
        let is_kept = |item: &SessionItem| only_if_left && item.is_member();
        if session_items.get(user).is_some_and(is_kept) {
            return Ok(false);
        }
        session_items.remove(user);
        Ok(true)
    }
}

impl Items {
    fn apply(&self, event: &MembershipEvent) -> Applied<Infallible> {
        let group: GroupId = "team|1".parse().unwrap();
        let applied = pin!(apply(self, &group, event)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(applied)) = applied else { panic!("no write waits or fails") };
        applied
    }

    fn members(&self) -> Vec<String> {
        let session_items = self.session_items.lock().unwrap();
        let members = session_items.iter().filter(|(_, item)| item.is_member());
        members.map(|(user, _)| user.to_string()).collect()
    }
}

fn accounts(letters: &str) -> BTreeSet<Account> {
    letters.chars().map(|letter| letter.to_string().parse().unwrap()).collect()
}

fn ms(time: u64) -> Timestamp {
    Timestamp::from_millis(time)
}

fn event(list: MemberList) -> MembershipEvent {
    MembershipEvent { time: list.order().time, list: Some(list), ..MembershipEvent::default() }
}

/// A list in which the hashes are cut short, so that those of all users are the same.
fn colliding(time: u64, letters: &str) -> MembershipEvent {
    event(MemberList::with_hashes(ms(time), ListId::of_backend(), &accounts(letters), |_| [7; 10]))
}

#[test]
fn accounts_with_one_hash_are_members_with_items_of_their_own() {
    let items = Items::default();
    items.apply(&colliding(1, "ab"));
    assert_eq!(items.members(), ["a", "b"], "in the first list");
    items.apply(&colliding(2, "abc"));
    assert_eq!(items.members(), ["a", "b", "c"], "in a later list");
    assert_eq!(items.group_item.lock().unwrap().member_hashes.len(), 1);
}

#[test]
fn the_later_of_two_lists_of_one_time_wins() {
    let list = |id: ListId, letters: &str| {
        let group: GroupId = "team|1".parse().unwrap();
        event(MemberList::new(&group, ms(5), id, &accounts(letters)))
    };
    let of_message = |id: &str| ListId::of_message(&MessageId::from(id));
    let (text, invitation) = (list(of_message("9"), "ab"), list(of_message("10"), "abc"));
    let of_backend = list(ListId::of_backend(), "ad");
    for order in [
        [&text, &invitation, &of_backend],
        [&of_backend, &invitation, &text],
        [&invitation, &of_backend, &text],
    ] {
        let items = Items::default();
        for event in order {
            items.apply(event);
        }
        let group_item = items.group_item.lock().unwrap();
        assert_eq!(group_item.list_order().as_ref(), of_backend.list.as_ref().map(MemberList::order));
    }
    for order in [[&text, &invitation], [&invitation, &text]] {
        let items = Items::default();
        for event in order {
            items.apply(event);
        }
        assert!(items.members().contains(&"c".to_owned()), "the invitation is not lost");
        let group_item = items.group_item.lock().unwrap();
        assert_eq!(group_item.list_order().as_ref(), invitation.list.as_ref().map(MemberList::order));
    }
}

#[test]
fn an_event_reports_for_whom_something_newer_is_known() {
    let items = Items::default();
    let change = |time: u64, add: &str, remove: &str| {
        let applied = items.apply(&MembershipEvent::of_changes(ms(time), accounts(add), accounts(remove)));
        applied.superseded
    };
    assert_eq!(change(5, "ab", ""), accounts(""));
    assert_eq!(change(5, "", "a"), accounts(""), "at one time a leave is stronger than a join");
    assert_eq!(change(5, "ab", ""), accounts("a"));
    assert_eq!(change(4, "c", "b"), accounts("b"));
    let group: GroupId = "team|1".parse().unwrap();
    let put = |time: u64, members: &str| {
        items.apply(&MembershipEvent::of_list(&group, ms(time), &accounts(members))).superseded
    };
    assert_eq!(put(4, "ac"), accounts("a"), "a has left since");
    assert_eq!(put(6, "ab"), accounts(""));
    assert_eq!(put(3, "ac"), accounts("ac"), "the whole list is older than the stored one");
}
