//! The items of a group, and the writes of an event, one at a time.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use session_model::{
    Account, GroupItem, GroupStore, GroupWrite, LATE_MS, SessionItem, SessionWrite, Timestamp, Written,
};

use crate::events::Event;

/// When all writes are made: so late that no message shows by its own time.
const NOW: Timestamp = Timestamp::from_millis(LATE_MS + 1_000);

#[derive(Clone, Debug)]
pub(crate) enum Write {
    GroupItem(GroupWrite),
    SessionItem(Account, SessionWrite),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Done,
    GroupItem(GroupItem),
    SessionItem(SessionItem),
}

/// Answers an event's writes with what was answered before, and stops at the first new one.
pub(crate) struct Scripted {
    pub(crate) answers: Mutex<(usize, Vec<Answer>)>,
    pub(crate) next: Mutex<Option<Write>>,
}

impl Scripted {
    pub(crate) async fn write(&self, write: Write) -> Answer {
        let known = {
            let mut answers = self.answers.lock().unwrap();
            answers.0 += 1;
            answers.1.get(answers.0 - 1).cloned()
        };
        if let Some(answer) = known {
            return answer;
        }
        *self.next.lock().unwrap() = Some(write);
        poll_fn(|_| Poll::Pending).await
    }
}

impl GroupStore for Scripted {
    type Error = ();

    async fn write_group(&self, write: GroupWrite) -> Result<Written<GroupItem>, ()> {
        match self.write(Write::GroupItem(write)).await {
            Answer::Done => Ok(Written::Done),
            Answer::GroupItem(head) => Ok(Written::ConditionFailed(head)),
            Answer::SessionItem(_) => Err(()),
        }
    }

    async fn write_sessions(
        &self,
        writes: Vec<(Account, SessionWrite)>,
    ) -> Result<Vec<(Account, Written<SessionItem>)>, ()> {
        let mut written = Vec::new();
        for (user, write) in writes {
            let answer = match self.write(Write::SessionItem(user.clone(), write)).await {
                Answer::Done => Written::Done,
                Answer::SessionItem(row) => Written::ConditionFailed(row),
                Answer::GroupItem(_) => return Err(()),
            };
            written.push((user, answer));
        }
        Ok(written)
    }
}

/// What an event does after these answers.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    Write(Write),
    Ended,
    Contended,
}

pub(crate) fn next(event: &Event, answers: &[Answer]) -> Next {
    let items = Scripted { answers: Mutex::new((0, answers.to_vec())), next: Mutex::default() };
    let outcome = pin!(event.deliver(&items)).poll(&mut Context::from_waker(Waker::noop()));
    match outcome {
        Poll::Ready(Ok(())) => Next::Ended,
        Poll::Ready(Err(_)) => Next::Contended,
        Poll::Pending => Next::Write(items.next.lock().unwrap().clone().expect("a write is waited for")),
    }
}

/// A step deliberately broken, to see that the exploration finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    LeaveKeepsTheVersion,
    OlderListsAreStored,
    ListsAdmitWhoLeftLater,
    MessageBeforeItsList,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) head: GroupItem,
    pub(crate) rows: BTreeMap<Account, SessionItem>,
}

impl World {
    /// Applies a write. Whatever it changes, it stamps; the stamps are taken away, so that each is seen again.
    pub(crate) fn apply(&mut self, write: &Write, broken: Broken) -> Answer {
        match write {
            Write::GroupItem(write) => {
                let before = self.head.clone();
                let mut write = write.clone();
                if let (Broken::OlderListsAreStored, GroupWrite::StoreList { time, .. }) = (broken, &write)
                    && self.head.listed_at > Some(*time)
                {
                    self.head.listed_at = None;
                }
                if let (Broken::MessageBeforeItsList, GroupWrite::RecordListed { entry, .. }) =
                    (broken, &write)
                {
                    write = GroupWrite::Record(entry.clone());
                    // Taken for rejected, so that the list follows.
                    write.apply(&mut self.head, NOW);
                    self.head.change_time = None;
                    return Answer::GroupItem(before);
                }
                let holds = write.apply(&mut self.head, NOW);
                if broken == Broken::LeaveKeepsTheVersion && matches!(write, GroupWrite::RemoveMembers { .. })
                {
                    self.head.members_version = before.members_version;
                }
                let stamp = self.head.change_time.take();
                assert_eq!(stamp.is_some(), holds, "{write:?}");
                if holds { Answer::Done } else { Answer::GroupItem(before) }
            }
            Write::SessionItem(user, write) => {
                let row = self.rows.entry(user.clone()).or_default();
                if broken == Broken::ListsAdmitWhoLeftLater && matches!(write, SessionWrite::Become(_)) {
                    row.membership = None;
                    write.apply(row, NOW);
                    row.change_time = None;
                    return Answer::Done;
                }
                let holds = write.apply(row, NOW);
                let stamp = row.change_time.take();
                assert_eq!(stamp, holds.then_some(NOW), "{write:?}");
                if holds { Answer::Done } else { Answer::SessionItem(row.clone()) }
            }
        }
    }

    pub(crate) fn row(&self, user: &str) -> SessionItem {
        self.rows.get(&user.parse::<Account>().unwrap()).cloned().unwrap_or_default()
    }
}
