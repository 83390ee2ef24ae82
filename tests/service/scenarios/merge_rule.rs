//! The functions and the engine, compared with the pure rule. After every step of a random history, the stored item is exactly what
//! `session_model::SessionItem` predicts.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use session_model::{
    GroupItem, SessionItem, Timestamp,
    feed::Effect,
    register::{LastMsg, Register},
};

use test_support::{
    copies::{
        edit, event_of, group_edit, group_message, group_recall, message, now, on_time, recall, with, without,
    },
    histories::explore,
    scenarios,
    test::{Test, User, super_team},
};

scenarios![the_store_agrees_with_the_rule_after_every_step, group_items_agree_with_the_rule_after_every_step,];

/// A step in the history of a session: a message, recall or edit of the feed, or an action of its user.
#[derive(Clone, Debug)]
enum Step {
    Message { at: u64, id: &'static str },
    Recall { at: u64, id: &'static str, deleted: u64 },
    Edit { id: &'static str, edited: u64, field: &'static str, text: &'static str },
    Delete,
    SetExt(&'static str),
}

/// Returns steps with few times and ids, so that message copies meet at one position. The ids are numbers of different lengths, a
/// number that has two spellings, one too long to be a number, the 0 of messages that Yunxin stores nowhere, and one that is not a
/// number.
fn step() -> impl Strategy<Value = Step> {
    let id = || prop::sample::select(vec!["9", "10", "010", "123456789012345678901", "0", "m1"]);
    prop_oneof![
        4 => (0..3u64, id()).prop_map(|(at, id)| Step::Message { at, id }),
        4 => (0..3u64, id(), 3..6u64).prop_map(|(at, id, deleted)| Step::Recall { at, id, deleted }),
        4 => (id(), 0..6u64, prop::sample::select(vec!["text", "extension"]), prop::sample::select(vec!["v", "w"]))
            .prop_map(|(id, edited, field, text)| Step::Edit { id, edited, field, text }),
        2 => Just(Step::Delete),
        1 => prop::sample::select(vec!["", "a", "b"]).prop_map(Step::SetExt),
    ]
}

async fn the_store_agrees_with_the_rule_after_every_step(t: Test) {
    // Late, and in the window.
    explore(12, histories, async |history: Vec<Step>| agree(&t, &history, false).await);
    explore(12, histories, async |history: Vec<Step>| agree(&t, &history, true).await);
}

async fn group_items_agree_with_the_rule_after_every_step(t: Test) {
    explore(20, histories, async |history: Vec<Step>| group_item_agrees(&t, &history).await);
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..14)
}

/// Returns the message copy of a step of the feed, between two users or in a group.
fn copy_of(step: &Step, from: &User, to: &User, group: Option<&str>, is_on_time: bool) -> Option<Value> {
    let copy = match step {
        Step::Message { at, id } => {
            let copy = group.map_or_else(|| message(from, to, *at), |group| group_message(from, group, *at));
            with(copy, "msgidServer", *id)
        }
        Step::Recall { at, id, deleted } => {
            let of_group = |group| group_recall(from, group, *at, *deleted);
            with(group.map_or_else(|| recall(from, to, *at, *deleted), of_group), "msgId", *id)
        }
        Step::Edit { id, edited, field, text } => {
            let of_group = |group| group_edit(from, group, 0, *edited, text);
            let copy = group.map_or_else(|| edit(from, to, 0, *edited, text), of_group);
            // The client id distinguishes messages with the id 0. Here, all of those are the message of time 0.
            with(with(without(copy, "text"), "msgId", *id), field, *text)
        }
        Step::Delete | Step::SetExt(_) => return None,
    };
    Some(if is_on_time { on_time(copy) } else { copy })
}

/// Compares a group item with the rule after every step of the feed.
async fn group_item_agrees(t: &Test, history: &[Step]) -> Result<(), String> {
    let (alice, group) = (t.user("alice"), super_team());
    let mut group_item = GroupItem::default();
    for (number, step) in history.iter().enumerate() {
        let Some(copy) = copy_of(step, &alice, &alice, Some(&group), false) else { continue };
        t.deliver([&copy]).await;
        match event_of(&copy).effect {
            Effect::Group { event, .. } => drop(group_item.record(&event.message.expect("a message"), now())),
            Effect::AmendGroup { amendment, .. } => drop(group_item.amend(&amendment, now())),
            other => return Err(format!("{other:?} is not of a group")),
        }
        let mut expected = expected_register(group_item.register.as_ref());
        expected.extend(
            group_item.amendments.to_stored().map(|amendments| ("amendments".to_owned(), amendments.into())),
        );
        let time = group_item.register.as_ref().and_then(Register::update_time);
        expected.extend(time.map(|time| ("updateTime".to_owned(), time.to_string().into())));
        expected.extend(group_item.change_time.map(|_| ("changeTime".to_owned(), true.into())));
        let stored = t.group_item(&group).await;
        if stored_item(stored.as_ref()) != Value::Object(expected) {
            return Err(format!("step {number}, {step:?}: {stored:?}, but the rule gives {group_item:?}"));
        }
    }
    Ok(())
}

async fn agree(t: &Test, history: &[Step], is_on_time: bool) -> Result<(), String> {
    let (alice, bob) = t.alice_and_bob();
    let mut session_item = SessionItem::default();
    for (number, step) in history.iter().enumerate() {
        match step {
            Step::Message { .. } | Step::Recall { .. } | Step::Edit { .. } => {
                let copy = copy_of(step, &alice, &bob, None, is_on_time).expect("a copy");
                t.deliver([&copy]).await;
                match event_of(&copy).effect {
                    Effect::P2p { message, .. } => drop(session_item.record(&message, now())),
                    Effect::AmendP2p { amendment, .. } => drop(session_item.amend(&amendment, now())),
                    other => return Err(format!("{other:?} is not of two users")),
                }
            }
            Step::Delete => {
                bob.delete(&alice).await;
                session_item.delete(None, now());
            }
            Step::SetExt(text) => {
                let session = bob.set_ext(&alice, text).await;
                // If the rule uses the clock, it must be the time that the service read.
                let now = Timestamp::from_millis(session["updateTime"].as_u64().unwrap_or_default());
                session_item.set_ext(text.parse().map_err(|reason| format!("{reason}"))?, now);
            }
        }
        let stored = t.item(&bob, &alice.session_id()).await;
        let (shown, held) = (shown(&bob, &alice).await, stored_item(stored.as_ref()));
        let expected = session_item
            .clone()
            .into_session(alice.session_id().parse().map_err(|reason| format!("{reason}"))?);
        let expected = expected.map_or(Value::Null, |session| json!(session));
        if held != expected_item(&session_item, stored.is_some()) || shown != expected {
            return Err(format!(
                "step {number}, {step:?}: {stored:?}, shown {shown}, but the rule gives {session_item:?}"
            ));
        }
    }
    Ok(())
}

async fn shown(user: &User, other: &User) -> Value {
    let response = user.try_get(&other.session_id()).await;
    if response.status == 404 { Value::Null } else { response.ok() }
}

/// Returns the item's attributes except its keys, in plain JSON. It keeps whether the item expires and has a change time, but not
/// when.
fn stored_item(item: Option<&Value>) -> Value {
    let mut plain = Map::new();
    for (name, value) in item.and_then(Value::as_object).into_iter().flatten() {
        match name.as_str() {
            "userId" | "sessionId" | "groupId" => {}
            "expiresAt" | "changeTime" => drop(plain.insert(name.clone(), true.into())),
            _ => drop(plain.insert(name.clone(), value["S"].as_str().or(value["N"].as_str()).into())),
        }
    }
    Value::Object(plain)
}

/// Returns the attributes that represent the session item: its register, its amendments, and the results of the user's actions.
fn expected_item(session_item: &SessionItem, exists: bool) -> Value {
    let mut item = expected_register(session_item.register.as_ref());
    item.extend(
        session_item.amendments.to_stored().map(|amendments| ("amendments".to_owned(), amendments.into())),
    );
    item.extend(session_item.change_time.map(|_| ("changeTime".to_owned(), true.into())));
    match session_item.update_time() {
        Some(time) => drop(item.insert("updateTime".into(), time.to_string().into())),
        None if exists => drop(item.insert("expiresAt".into(), true.into())),
        None => {}
    }
    if let Some(text) = session_item.ext.text() {
        item.insert("ext".into(), text.into());
    }
    Value::Object(item)
}

fn expected_register(register: Option<&Register>) -> Map<String, Value> {
    let mut item = Map::new();
    let Some(held) = register else { return item };
    item.insert("msgTime".into(), held.position.time.to_string().into());
    item.insert("msgId".into(), held.position.id.as_str().into());
    let last_msg = match &held.last_msg {
        None => None,
        Some(LastMsg::Message(text)) => Some(("0", text)),
        Some(LastMsg::Recall { notice, .. }) => Some(("1", notice)),
    };
    if let Some((last_msg_type, text)) = last_msg {
        item.insert("lastMsgType".into(), last_msg_type.into());
        item.insert("lastMsg".into(), text.plain().into());
    }
    item
}
