//! The operations on a session item, and the requests that each of them sends, one after the other.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use serde_json::{Map, json};
use session_model::{
    SessionItem, Timestamp,
    feed::{Effect, FeedSettings, MessageCopy},
    group::{Interrupted, Written},
    register::{
        LastMsgBytes, Message, Position,
        amendments::{Amendment, Notice, Recall},
    },
};

use super::item::{Item, Step};
use crate::write::optimistic::{AmendableItem, amend, record};

/// When the user acts. It is also the time of a message.
pub(crate) const NOW: u64 = 946_684_800_010;

/// An operation on the session item.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Record(Message),
    Amend(Amendment),
    Delete,
    SetExt(&'static str),
}

impl Operation {
    /// Applies the whole operation in one step.
    pub(crate) fn apply(&self, session_item: &mut SessionItem) {
        match self {
            Self::Record(message) => drop(session_item.record(message, ms(NOW))),
            Self::Amend(amendment) => drop(session_item.amend(amendment, ms(NOW))),
            Self::Delete => drop(session_item.delete(None, ms(NOW))),
            Self::SetExt(text) => session_item.set_ext(text.parse().unwrap(), ms(NOW)),
        }
    }

    async fn perform(&self, item: &Scripted) -> Result<(), Interrupted<()>> {
        match self {
            Self::Record(message) => {
                let blind = item.step(Step::Record(message.clone())).await;
                record(item, blind, |held| held.1.record(message, ms(NOW))).await.map(|_| ())
            }
            Self::Amend(amendment) => {
                let blind = match amendment {
                    Amendment::Recall(recall) => Some(item.step(Step::Recall(recall.clone())).await),
                    Amendment::Edit(_) => None,
                };
                amend(item, blind, |held| held.1.amend(amendment, ms(NOW))).await
            }
            Self::Delete => {
                item.step(Step::Delete).await;
                Ok(())
            }
            Self::SetExt(text) => {
                item.step(Step::SetExt(text)).await;
                Ok(())
            }
        }
    }
}

/// The response to a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Response {
    Done,
    /// The session item as it is.
    Item(Item),
}

/// Replays the earlier responses to an operation's steps, and stops at the first new step.
pub(crate) struct Scripted {
    responses: Mutex<(usize, Vec<Response>)>,
    next: Mutex<Option<Step>>,
}

impl Scripted {
    async fn step(&self, step: Step) -> Written<(Item, SessionItem)> {
        let known = {
            let mut responses = self.responses.lock().unwrap();
            responses.0 += 1;
            responses.1.get(responses.0 - 1).cloned()
        };
        match known {
            Some(Response::Done) => Written::Done,
            Some(Response::Item(item)) => {
                let session_item = item.session_item();
                Written::ConditionFailed((item, session_item))
            }
            None => {
                *self.next.lock().unwrap() = Some(step);
                poll_fn(|_| Poll::Pending).await
            }
        }
    }
}

impl AmendableItem for Scripted {
    type Snapshot = (Item, SessionItem);
    type Error = ();

    async fn read(&self) -> Result<(Item, SessionItem), ()> {
        match self.step(Step::Read).await {
            Written::ConditionFailed(held) => Ok(held),
            Written::Done => Err(()),
        }
    }

    async fn replace(
        &self,
        before: &(Item, SessionItem),
        after: &(Item, SessionItem),
    ) -> Result<Written<(Item, SessionItem)>, ()> {
        Ok(self.step(Step::Replace(Box::new((before.0.clone(), after.1.clone())))).await)
    }
}

/// What an operation does after these responses.
pub(crate) enum Next {
    Step(Box<Step>),
    Ended,
    Contended,
}

pub(crate) fn next(operation: &Operation, responses: &[Response]) -> Next {
    let item = Scripted { responses: Mutex::new((0, responses.to_vec())), next: Mutex::default() };
    let outcome = pin!(operation.perform(&item)).poll(&mut Context::from_waker(Waker::noop()));
    match outcome {
        Poll::Ready(Ok(())) => Next::Ended,
        Poll::Ready(Err(_)) => Next::Contended,
        Poll::Pending => Next::Step(Box::new(item.next.lock().unwrap().clone().unwrap())),
    }
}

fn ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The time `at` ms after 2000; the user acts at 10.
fn at(at: u64) -> Timestamp {
    ms(NOW - 10 + at)
}

fn position(time: u64, id: &str) -> Position {
    Position { time: at(time), id: id.into() }
}

fn message(time: u64, id: &str) -> Operation {
    let text = json!({ "body": id }).to_string();
    Operation::Record(Message { position: position(time, id), text: text.into() })
}

fn recall(time: u64, id: &str, deleted: u64, reason: &str) -> Operation {
    let notice = Notice::from(Map::from_iter([("postscript".to_owned(), reason.into())]));
    let recall = Recall {
        id: id.into(),
        sent: Some(at(time)),
        at: at(deleted),
        notice,
        limits: LastMsgBytes::default(),
    };
    Operation::Amend(Amendment::Recall(recall))
}

/// An edit, parsed from a message copy.
fn edited(id: &str, time: u64, text: &str) -> Operation {
    let copy =
        json!({"eventType": "89", "from": "a", "to": "b", "msgId": id, "modifyTime": at(time), "text": text});
    let copy = copy.to_string();
    let event = MessageCopy::parse(&copy).unwrap().event(at(100), FeedSettings::default()).unwrap();
    let Effect::AmendP2p { amendment, .. } = event.effect else { panic!("not an edit") };
    Operation::Amend(amendment)
}

/// Messages 1 and 2 are in one millisecond, and 3 is later. The others are recalls, some of them at one time, one at its message's
/// own time and one before it, edits of each message, and what the user does.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        message(10, "1"),
        message(10, "2"),
        message(20, "3"),
        recall(10, "1", 10, "a"),
        recall(10, "1", 10, "b"),
        recall(10, "1", 15, "a"),
        recall(10, "2", 10, "a"),
        recall(20, "3", 15, "a"),
        edited("1", 12, "x"),
        edited("1", 13, "y"),
        edited("2", 12, "z"),
        edited("3", 25, "w"),
        Operation::Delete,
        Operation::SetExt("e"),
    ]
}

/// Session items that are absent, live, recalled, deleted, or shown by their ext alone, with amendments of the held message
/// and of others.
pub(crate) fn starts() -> Vec<Item> {
    let after = |operations: &[Operation]| {
        let mut item = Item::default();
        for operation in operations {
            let mut responses = Vec::new();
            while let Next::Step(step) = next(operation, &responses) {
                responses.push(item.apply(&step, super::Broken::Nothing));
            }
        }
        item
    };
    let (first, edit) = (message(10, "1"), edited("1", 11, "v"));
    vec![
        Item::default(),
        after(std::slice::from_ref(&first)),
        after(&[first.clone(), edit.clone()]),
        after(&[first.clone(), edited("2", 12, "u")]),
        after(&[edited("3", 24, "u")]),
        after(&[first.clone(), recall(10, "1", 10, "a")]),
        after(&[first.clone(), recall(10, "1", 10, "a"), edited("2", 12, "u")]),
        after(&[recall(20, "3", 24, "a")]),
        after(&[first.clone(), Operation::Delete]),
        after(&[first, edit, edited("3", 24, "u"), Operation::Delete]),
        after(&[Operation::SetExt("d")]),
        after(&[Operation::SetExt("d"), Operation::Delete]),
    ]
}
