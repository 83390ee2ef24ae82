//! The functions and the engine against the pure rule: after every step of a random history, the stored item is exactly
//! what `session_model::Row` says.

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Map, Value, json};
use session_model::{Effect, Row, Timestamp};
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    copies::{event_of, message, recall, with},
    scenarios,
    test::{Test, User},
};

scenarios![the_store_agrees_with_the_rule_after_every_step];

/// What happens to a session: a message or a recall of the feed, or what its user does.
#[derive(Clone, Debug)]
enum Step {
    Message { at: u64, id: &'static str },
    Recall { at: u64, id: &'static str, deleted: u64 },
    Delete,
    SetExt(&'static str),
}

/// Few times and ids, so that copies meet at one position: numbers of other lengths, one that two texts stand for, one too long to
/// be a number, one that is kept nowhere, and one that is none.
fn step() -> impl Strategy<Value = Step> {
    let id = || prop::sample::select(vec!["9", "10", "010", "123456789012345678901", "0", "m1"]);
    prop_oneof![
        4 => (0..3u64, id()).prop_map(|(at, id)| Step::Message { at, id }),
        4 => (0..3u64, id(), 3..6u64).prop_map(|(at, id, deleted)| Step::Recall { at, id, deleted }),
        2 => Just(Step::Delete),
        1 => prop::sample::select(vec!["", "a", "b"]).prop_map(Step::SetExt),
    ]
}

async fn the_store_agrees_with_the_rule_after_every_step(t: Test) {
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let outcome = block_in_place(|| {
        runner.run(&prop::collection::vec(step(), 1..14), |history| {
            Handle::current().block_on(agree(&t, &history)).map_err(TestCaseError::fail)
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn agree(t: &Test, history: &[Step]) -> Result<(), String> {
    let (alice, bob) = t.alice_and_bob();
    let mut row = Row::default();
    for (number, step) in history.iter().enumerate() {
        match step {
            Step::Message { at, id } => {
                let copy = with(message(&alice, &bob, *at), "msgidServer", *id);
                record(t, &mut row, &copy).await;
            }
            Step::Recall { at, id, deleted } => {
                let copy = with(recall(&alice, &bob, *at, *deleted), "msgId", *id);
                record(t, &mut row, &copy).await;
            }
            Step::Delete => {
                bob.delete(&alice).await;
                row.delete();
            }
            Step::SetExt(text) => {
                let session = bob.set_ext(&alice, text).await;
                // Where the rule takes the clock, it is the one that the service read.
                let now = Timestamp::from_millis(session["updateTime"].as_u64().unwrap_or_default());
                row.set_ext(text.parse().map_err(|reason| format!("{reason}"))?, now);
            }
        }
        let stored = t.item(&bob, &alice.session_id()).await;
        let (shown, held) = (shown(&bob, &alice).await, stored_item(stored.as_ref()));
        let expected =
            row.clone().into_session(alice.session_id().parse().map_err(|reason| format!("{reason}"))?);
        let expected = expected.map_or(Value::Null, |session| json!(session));
        if held != expected_item(&row, stored.is_some()) || shown != expected {
            return Err(format!(
                "step {number}, {step:?}: {stored:?}, shown {shown}, but the rule says {row:?}"
            ));
        }
    }
    Ok(())
}

async fn record(t: &Test, row: &mut Row, copy: &Value) {
    t.deliver([copy]).await;
    let Effect::P2p { entry, .. } = event_of(copy).effect else { panic!("not of two users") };
    row.record(entry);
}

async fn shown(user: &User, other: &User) -> Value {
    let answer = user.try_get(&other.session_id()).await;
    if answer.status == 404 { Value::Null } else { answer.ok() }
}

/// The item's attributes but its keys, in plain JSON; whether it expires, not when.
fn stored_item(item: Option<&Value>) -> Value {
    let mut plain = Map::new();
    for (name, value) in item.and_then(Value::as_object).into_iter().flatten() {
        match name.as_str() {
            "userId" | "sessionId" => {}
            "expiresAt" => drop(plain.insert(name.clone(), true.into())),
            _ => drop(plain.insert(name.clone(), value["S"].as_str().or(value["N"].as_str()).into())),
        }
    }
    Value::Object(plain)
}

/// The attributes that stand for the row: its register, and what the user did.
fn expected_item(row: &Row, exists: bool) -> Value {
    let mut item = Map::new();
    if let Some(held) = &row.register {
        item.insert("msgTime".into(), held.position.time.to_string().into());
        item.insert("msgId".into(), held.position.id.as_str().into());
        let last_msg = match &held.last_msg {
            None => None,
            Some(session_model::LastMsg::Message(text)) => Some(("0", text)),
            Some(session_model::LastMsg::Recall { notice, .. }) => Some(("1", notice)),
        };
        if let Some((last_msg_type, text)) = last_msg {
            item.insert("lastMsgType".into(), last_msg_type.into());
            item.insert("lastMsg".into(), text.plain().into());
        }
    }
    match row.update_time() {
        Some(time) => drop(item.insert("updateTime".into(), time.to_string().into())),
        None if exists => drop(item.insert("expiresAt".into(), true.into())),
        None => {}
    }
    if let Some(text) = row.ext.text() {
        item.insert("ext".into(), text.into());
    }
    Value::Object(item)
}
