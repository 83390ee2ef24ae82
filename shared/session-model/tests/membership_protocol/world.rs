//! The items of a group, and the writes of an event, one at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, poll_fn},
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use session_model::{
    Account, GroupItem, SessionItem, Timestamp,
    erasure::is_erased,
    group::{ErasedUsers, GroupStore, GroupWrite, SessionWrite, Written},
    item::LATE_MS,
    register::amendments::Amendment,
};

use crate::events::Event;

/// When all writes are done: so late that no message is found by its own time.
const NOW: Timestamp = Timestamp::from_millis(LATE_MS + 1_000);

/// The time of the last request to erase the user [`UNLUCKY`]: after all events.
pub(crate) const ERASED_AT: u64 = 50;

#[derive(Clone, Debug)]
pub(crate) enum Write {
    GroupItem(GroupWrite),
    SessionItem(Account, SessionWrite),
    /// The store merges an amendment into the group item.
    Amend(Amendment),
    /// The marker of the erased user is written.
    Mark(Timestamp),
    /// The markers of these accounts are read, for an event of this time.
    ReadMarkers(BTreeSet<Account>, Timestamp),
    /// The items of the erased user are read.
    Find,
    /// The session item of the erased user is deleted, perhaps only if it does not mark them as a member.
    Delete {
        only_if_left: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Response {
    Done,
    GroupItem(GroupItem),
    SessionItem(SessionItem),
    /// The item cannot be written.
    Unwritable,
    /// There is no such item.
    NotFound,
    /// The accounts that are erased.
    Erased(BTreeSet<Account>),
}

/// The error of a write to an item that cannot be written.
#[derive(Debug)]
pub(crate) struct Unwritable;

/// Replays the earlier responses to an event's writes, and stops at the first new write.
pub(crate) struct Scripted {
    /// Whether a user may be erased, so that markers are read.
    pub(crate) reads_markers: bool,
    pub(crate) responses: Mutex<(usize, Vec<Response>)>,
    pub(crate) next: Mutex<Option<Write>>,
}

impl Scripted {
    pub(crate) async fn write(&self, write: Write) -> Response {
        let known = {
            let mut responses = self.responses.lock().unwrap();
            responses.0 += 1;
            responses.1.get(responses.0 - 1).cloned()
        };
        if let Some(response) = known {
            return response;
        }
        *self.next.lock().unwrap() = Some(write);
        poll_fn(|_| Poll::Pending).await
    }
}

impl GroupStore for Scripted {
    type Error = Unwritable;

    async fn erased(
        &self,
        accounts: &BTreeSet<Account>,
        event: Timestamp,
    ) -> Result<ErasedUsers<Unwritable>, Unwritable> {
        if !self.reads_markers {
            return Ok(ErasedUsers::new());
        }
        match self.write(Write::ReadMarkers(accounts.clone(), event)).await {
            Response::Erased(erased) => Ok(erased.into_iter().map(|account| (account, Ok(()))).collect()),
            _ => Err(Unwritable),
        }
    }

    async fn write_group(&self, write: GroupWrite) -> Result<Written<GroupItem>, Unwritable> {
        match self.write(Write::GroupItem(write)).await {
            Response::Done => Ok(Written::Done),
            Response::GroupItem(group_item) => Ok(Written::ConditionFailed(group_item)),
            _ => Err(Unwritable),
        }
    }

    fn is_of_one_item(_: &Unwritable) -> bool {
        true
    }

    async fn write_sessions(
        &self,
        writes: Vec<(Account, SessionWrite)>,
    ) -> Vec<(Account, Result<Written<SessionItem>, Unwritable>)> {
        let mut written = Vec::new();
        for (user, write) in writes {
            let response = match self.write(Write::SessionItem(user.clone(), write)).await {
                Response::Done => Ok(Written::Done),
                Response::SessionItem(session_item) => Ok(Written::ConditionFailed(session_item)),
                _ => Err(Unwritable),
            };
            written.push((user, response));
        }
        written
    }

    async fn delete_session(&self, _: &Account, only_if_left: bool) -> Result<bool, Unwritable> {
        match self.write(Write::Delete { only_if_left }).await {
            Response::Done => Ok(true),
            Response::SessionItem(_) => Ok(false),
            _ => Err(Unwritable),
        }
    }
}

/// What an event does after these responses.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    Write(Write),
    /// It has ended. Whether items were left out, so that it is a dead letter.
    Ended {
        left_out: bool,
    },
    Contended,
}

pub(crate) fn next(event: &Event, reads_markers: bool, responses: &[Response]) -> Next {
    let responses = Mutex::new((0, responses.to_vec()));
    let items = Scripted { reads_markers, responses, next: Mutex::default() };
    let outcome = pin!(event.deliver(&items)).poll(&mut Context::from_waker(Waker::noop()));
    match outcome {
        Poll::Ready(Ok(left_out)) => Next::Ended { left_out },
        Poll::Ready(Err(_)) => Next::Contended,
        Poll::Pending => Next::Write(items.next.lock().unwrap().clone().expect("a write is waited for")),
    }
}

/// A deliberate fault in a step, to check that the exploration finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    LeaveKeepsTheVersion,
    OlderListsAreStored,
    ListsAdmitWhoLeftLater,
    MessageBeforeItsList,
    UnwritableCountsAsWritten,
    IncompleteListsAreNotStoredAgain,
    MarkersAreNotRead,
    ErasedUsersStayInTheGroupItem,
    MembersAreDeleted,
}

/// The user whose session item is damaged for a while, or who is erased, in explorations of that.
pub(crate) const UNLUCKY: &str = "a";

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) group_item: GroupItem,
    pub(crate) session_items: BTreeMap<Account, SessionItem>,
    /// Whether the item of the user [`UNLUCKY`] cannot be written.
    pub(crate) is_damaged: bool,
    /// When that user was erased.
    pub(crate) erased_at: Option<Timestamp>,
}

impl World {
    /// Applies a write. Every write that changes something sets the change time. It is removed again, so that the next one is
    /// noticed.
    pub(crate) fn apply(&mut self, write: &Write, broken: Broken) -> Response {
        match write {
            Write::Mark(at) => {
                self.erased_at = Some(*at);
                Response::Done
            }
            Write::ReadMarkers(accounts, event) => {
                let is_erased = |account: &&Account| {
                    account.as_str() == UNLUCKY
                        && self.erased_at.is_some_and(|at| is_erased(*event, at))
                        && broken != Broken::MarkersAreNotRead
                };
                Response::Erased(accounts.iter().filter(is_erased).cloned().collect())
            }
            Write::Find => {
                let user: Account = UNLUCKY.parse().unwrap();
                if self.session_items.contains_key(&user) { Response::Done } else { Response::NotFound }
            }
            Write::Delete { only_if_left } => {
                let user: Account = UNLUCKY.parse().unwrap();
                let is_kept = *only_if_left && broken != Broken::MembersAreDeleted;
                if is_kept && self.session_item(UNLUCKY).is_member() {
                    return Response::SessionItem(self.session_item(UNLUCKY));
                }
                self.session_items.remove(&user);
                self.is_damaged = false;
                Response::Done
            }
            Write::Amend(amendment) => {
                self.group_item.amend(amendment, NOW);
                self.group_item.change_time = None;
                Response::Done
            }
            Write::GroupItem(write) => {
                let before = self.group_item.clone();
                let mut write = write.clone();
                if let (Broken::OlderListsAreStored, GroupWrite::StoreList { list, .. }) = (broken, &write)
                    && self.group_item.listed_at > Some(list.time)
                {
                    self.group_item.listed_at = None;
                }
                if let (Broken::MessageBeforeItsList, GroupWrite::RecordListed { message, .. }) =
                    (broken, &write)
                {
                    write = GroupWrite::Record(message.clone());
                    // Treated as a failed condition, so that the list follows.
                    write.apply(&mut self.group_item, NOW);
                    self.group_item.change_time = None;
                    return Response::GroupItem(before);
                }
                if let (Broken::IncompleteListsAreNotStoredAgain, GroupWrite::StoreList { list, .. }) =
                    (broken, &write)
                    && self.group_item.list_order().as_ref() == Some(list)
                {
                    return Response::GroupItem(before);
                }
                if broken == Broken::ErasedUsersStayInTheGroupItem
                    && matches!(&write, GroupWrite::RemoveMembers { time, .. } if time.as_millis() == ERASED_AT)
                {
                    return Response::Done;
                }
                let holds = write.apply(&mut self.group_item, NOW);
                if broken == Broken::LeaveKeepsTheVersion && matches!(write, GroupWrite::RemoveMembers { .. })
                {
                    self.group_item.members_version = before.members_version;
                }
                let change_time = self.group_item.change_time.take();
                assert_eq!(change_time.is_some(), holds, "{write:?}");
                if holds { Response::Done } else { Response::GroupItem(before) }
            }
            Write::SessionItem(user, _) if self.is_damaged && user.as_str() == UNLUCKY => match broken {
                Broken::UnwritableCountsAsWritten => Response::Done,
                _ => Response::Unwritable,
            },
            Write::SessionItem(user, write) => {
                let session_item = self.session_items.entry(user.clone()).or_default();
                if broken == Broken::ListsAdmitWhoLeftLater && matches!(write, SessionWrite::Become(_)) {
                    session_item.membership = None;
                    write.apply(session_item, NOW);
                    session_item.change_time = None;
                    return Response::Done;
                }
                let holds = write.apply(session_item, NOW);
                let change_time = session_item.change_time.take();
                assert_eq!(change_time, holds.then_some(NOW), "{write:?}");
                if holds { Response::Done } else { Response::SessionItem(session_item.clone()) }
            }
        }
    }

    pub(crate) fn session_item(&self, user: &str) -> SessionItem {
        self.session_items.get(&user.parse::<Account>().unwrap()).cloned().unwrap_or_default()
    }
}
