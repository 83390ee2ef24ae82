//! Tests of the laws of amendments.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    InvalidAmendments,
    amendment::{Amendment, Amendments, Edit, Pending, Recall},
};
use crate::{
    id::MessageId,
    item::SessionItem,
    register::{LastMsg, LastMsgBytes, Message, Position, last_msg::Field},
    time::Timestamp,
};

fn ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// When all events arrive.
const NOW: Timestamp = Timestamp::from_millis(1);

fn id(number: u64) -> MessageId {
    (*number.to_string()).into()
}

/// An event of a session. Message `n` is sent at its own time, `SENT[n]`.
#[derive(Clone, Debug)]
enum Event {
    Message(u64),
    Amendment(Amendment),
    /// The user deletes what they see.
    Delete,
}

/// The times of the messages, so that some are equal, and some are in the second that begins at 10,000.
const SENT: [u64; 5] = [9_990, 10_002, 10_002, 10_003, 10_001];

fn position(message: u64) -> Position {
    let sent = SENT[usize::try_from(message).unwrap()];
    Position { time: ms(sent), id: id(message) }
}

fn edit(of: u64, time: u64, field: Field, text: &str) -> Amendment {
    let limits = LastMsgBytes::default();
    Amendment::Edit(Edit {
        id: id(of),
        time: ms(time),
        texts: std::collections::BTreeMap::from([(field, limits.text(field.name(), text))]),
        limits,
    })
}

fn message(number: u64) -> Message {
    let text = json!({"body": format!("text {number}"), "msgIdServer": number.to_string()}).to_string();
    Message { position: position(number), text: text.into() }
}

/// The recall of a message, with its exact time or that of its second. `notice` distinguishes recalls at one time.
fn recall(of: u64, is_rounded: bool, at: u64, notice: u8) -> Amendment {
    let sent = position(of).time.as_millis();
    let sent = ms(if is_rounded { sent / 1_000 * 1_000 } else { sent });
    let (notice, limits) = (notice_of(of, at, notice), LastMsgBytes::default());
    Amendment::Recall(Recall { id: id(of), sent: Some(sent), at: ms(at), notice, limits })
}

fn notice_of(of: u64, at: u64, notice: u8) -> super::Notice {
    let Value::Object(fields) = json!({"of": of, "at": at, "postscript": notice}) else { unreachable!() };
    fields.into()
}

fn apply(session_item: &mut SessionItem, event: &Event) {
    match event {
        Event::Message(number) => drop(session_item.record(&message(*number), NOW)),
        Event::Amendment(amendment) => drop(session_item.amend(amendment, NOW)),
        Event::Delete => drop(session_item.delete(None, NOW)),
    }
}

fn shown(session_item: &SessionItem) -> Option<(Position, String)> {
    let register = session_item.register.as_ref()?;
    let (LastMsg::Message(text) | LastMsg::Recall { notice: text, .. }) = register.last_msg.as_ref()?;
    Some((register.position.clone(), text.plain().into_owned()))
}

fn after(history: &[Event]) -> SessionItem {
    let mut session_item = SessionItem::default();
    for event in history {
        apply(&mut session_item, event);
    }
    session_item
}

fn amendment() -> impl Strategy<Value = Amendment> {
    let field = prop::sample::select(Field::ALL.to_vec());
    // Some edits are dated before their message, and some recalls have a clock that is behind.
    let edits = (0..5u64, 9_998..10_007u64, field, 0..3u8)
        .prop_map(|(of, time, field, text)| edit(of, time, field, &format!("v{text}")));
    let recalls = (0..5u64, any::<bool>(), 9_999..10_006u64, 0..2u8)
        .prop_map(|(of, is_rounded, at, notice)| recall(of, is_rounded, at, notice));
    prop_oneof![2 => edits, 1 => recalls]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![1 => (0..5u64).prop_map(Event::Message), 2 => amendment().prop_map(Event::Amendment)]
}

/// A set of events, and an order in which they may arrive, with repetitions.
fn sets() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    prop::collection::vec(event(), 1..12).prop_flat_map(|history| {
        let twice = [history.clone(), history.clone()].concat();
        (Just(history), Just(twice).prop_shuffle())
    })
}

/// What a set of events shows, by definition: its newest message, amended by what is known of that message.
fn by_definition(events: &[Event]) -> Option<(Position, String)> {
    let messages = events.iter().filter_map(|event| match event {
        Event::Message(number) => Some(*number),
        _ => None,
    });
    let newest = messages.max_by_key(|number| position(*number))?;
    let amendments = events.iter().filter_map(|event| match event {
        Event::Amendment(amendment) => Some(amendment),
        _ => None,
    });
    let recalls = amendments.clone().filter_map(|amendment| match amendment {
        Amendment::Recall(recall) if recall.id == id(newest) => {
            Some((recall.at, recall.notice.text().plain().into_owned()))
        }
        _ => None,
    });
    if let Some((_, notice)) = recalls.max() {
        return Some((position(newest), notice));
    }
    let edits: Vec<_> = amendments
        .filter_map(|amendment| match amendment {
            Amendment::Edit(edit) if edit.id == id(newest) && edit.time >= position(newest).time => {
                Some(edit)
            }
            _ => None,
        })
        .collect();
    let mut shown: Value = serde_json::from_str(&message(newest).text.plain()).unwrap();
    for field in Field::ALL {
        let of_it = edits.iter().filter_map(|edit| Some((edit.time, edit.texts.get(&field)?)));
        if let Some((_, text)) = of_it.max() {
            shown[field.name()] = text.left.clone().into();
        }
    }
    if let Some(time) = edits.iter().map(|edit| edit.time).max() {
        shown["editTime"] = time.as_millis().into();
    }
    Some((position(newest), shown.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Messages and amendments in any order and with any repetitions show what the definition says, now and after any further
    /// message.
    #[test]
    fn the_newest_message_is_shown_as_amended((history, delivered) in sets()) {
        let session_item = after(&delivered);
        prop_assert_eq!(shown(&session_item), by_definition(&history));
        for further in 0..5 {
            let mut session_item = session_item.clone();
            apply(&mut session_item, &Event::Message(further));
            let all = [history.clone(), vec![Event::Message(further)]].concat();
            prop_assert_eq!(shown(&session_item), by_definition(&all), "after message {}", further);
        }
    }

    /// After a delete, what was shown and everything older never shows again, and what is newer shows.
    #[test]
    fn a_delete_hides_what_was_shown((history, delivered) in sets(), deleted in any::<prop::sample::Index>()) {
        let (before, since) = delivered.split_at(deleted.index(delivered.len() + 1));
        let mut session_item = after(before);
        let hidden = shown(&session_item).map(|(position, _)| position);
        apply(&mut session_item, &Event::Delete);
        for event in since.iter().chain(&history) {
            apply(&mut session_item, event);
        }
        let is_newer = |event: &&Event| match event {
            Event::Message(number) => hidden.as_ref().is_none_or(|hidden| position(*number) > *hidden),
            _ => true,
        };
        let newer: Vec<_> = history.iter().filter(is_newer).cloned().collect();
        prop_assert_eq!(shown(&session_item), by_definition(&newer));
    }

    #[test]
    fn stored_amendments_are_read_back_unchanged(history in prop::collection::vec(event(), 0..12)) {
        let amendments = after(&history).amendments;
        let stored = amendments.to_stored();
        prop_assert_eq!(stored.is_none(), amendments.is_empty());
        if let Some(stored) = stored {
            prop_assert_eq!(Amendments::from_stored(&stored), Ok(amendments));
        }
    }

    /// No content of a recalled message is kept, unless it was sent again after the recall was.
    #[test]
    fn a_recall_drops_the_edits_of_its_message(history in prop::collection::vec(event(), 1..14), of in 0..5u64, at in 0..99u64) {
        let mut session_item = after(&history);
        session_item.amend(&recall(of, false, at, 0), NOW);
        let is_edited = matches!(session_item.amendments.pending.get(&id(of)), Some(Pending::Edits(_)));
        prop_assert!(!is_edited);
        if session_item.register.as_ref().is_some_and(|held| held.position.id == id(of)) {
            prop_assert!(session_item.amendments.held.is_empty());
        }
    }
}

fn recalled(of: u64, at: u64) -> Event {
    Event::Amendment(recall(of, false, at, 0))
}

fn edited(of: u64, time: u64, text: &str) -> Event {
    Event::Amendment(edit(of, time, Field::Body, text))
}

#[test]
fn a_recall_without_its_message_shows_nothing() {
    let (blocked, other) = (recalled(1, 10_005), Event::Message(2));
    assert_eq!(shown(&after(std::slice::from_ref(&blocked))), None);
    let mut session_item = after(&[other.clone(), blocked.clone()]);
    let before = session_item.clone();
    assert_eq!(shown(&session_item), shown(&after(&[other])), "a message that the user has is still shown");
    assert!(session_item.amendments.pending.contains_key(&id(1)), "it may be newer");
    apply(&mut session_item, &blocked);
    assert_eq!(session_item, before, "again");
    let session_item = after(&[Event::Message(3), recalled(1, 10_005)]);
    assert!(session_item.amendments.is_empty(), "the message is older, so the recall does not wait");
}

#[test]
fn the_limit_of_a_recall_is_the_end_of_its_second() {
    let limit = |sent: Option<u64>| {
        let Amendment::Recall(recall) = recall(1, false, 77, 0) else { unreachable!() };
        Recall { sent: sent.map(ms), ..recall }.limit().as_millis()
    };
    assert_eq!((limit(Some(10_000)), limit(Some(10_001)), limit(Some(9_999))), (10_999, 10_001, 9_999));
    assert_eq!(limit(None), 77);
    let rounded = Event::Amendment(recall(3, true, 10_005, 0));
    let session_item = after(&[Event::Message(2), rounded.clone(), Event::Message(3)]);
    assert_eq!(shown(&session_item), shown(&after(&[Event::Message(3), rounded])));
}

#[test]
fn an_amendment_never_revives_a_session() {
    let changed = edited(1, 10_050, "changed");
    let mut session_item = after(&[Event::Message(1)]);
    let update_time = session_item.update_time();
    apply(&mut session_item, &changed);
    assert_eq!(session_item.update_time(), update_time, "an edit does not move it either");
    apply(&mut session_item, &Event::Delete);
    let deleted = session_item.clone();
    for event in [edited(1, 10_060, "again"), recalled(1, 10_070)] {
        apply(&mut session_item, &event);
        assert_eq!(session_item, deleted, "{event:?}");
    }
    let session_item = after(&[recalled(1, 10_014), changed.clone(), Event::Message(1)]);
    assert_eq!(session_item.update_time(), Some(ms(10_014)));
    assert_eq!(shown(&session_item).unwrap().1, notice_of(1, 10_014, 0).text().plain());
    assert_eq!(shown(&after(&[changed])), None);
}

#[test]
fn amendments_of_8_messages_are_pending() {
    let mut session_item = SessionItem::default();
    for number in 20..30 {
        session_item.amend(&edit(number, 100 + number, Field::Body, "x"), NOW);
        session_item.amend(&edit(number, 50, Field::Ext, "older than its message may be"), NOW);
    }
    let waiting: Vec<_> = session_item.amendments.pending.keys().cloned().collect();
    assert_eq!(waiting, (22..30).map(id).collect::<Vec<_>>());
    assert!(!session_item.amend(&edit(21, 121, Field::Body, "x"), NOW), "the ninth");
    assert!(
        session_item.amend(&edit(21, 131, Field::Body, "x"), NOW)
            && !session_item.amendments.pending.contains_key(&id(22))
    );
    let purge = |number: u64| Recall {
        id: id(number),
        sent: Some(ms(number)),
        at: ms(900),
        notice: notice_of(number, 900, 0),
        limits: LastMsgBytes::default(),
    };
    for number in 40..90 {
        session_item.amend(&Amendment::Recall(purge(number)), NOW);
    }
    assert!(
        session_item.amendments.pending.contains_key(&id(29)),
        "recalls of older messages do not push out an edit"
    );
    let mut equal = SessionItem::default();
    for number in [20, 29, 21, 28, 22, 27, 23, 26, 24, 25] {
        equal.amend(&edit(number, 100, Field::Body, "x"), NOW);
    }
    assert_eq!(
        equal.amendments.pending.keys().cloned().collect::<Vec<_>>(),
        (22..30).map(id).collect::<Vec<_>>()
    );
}

#[test]
fn pending_edits_fit_in_twice_a_last_msg_and_the_latest_always_stays() {
    let mut session_item = SessionItem::default();
    let long = "x".repeat(8_000);
    for number in 20..25 {
        session_item.amend(&edit(number, 100 + number, Field::Body, &long), NOW);
    }
    assert_eq!(
        session_item.amendments.pending.keys().cloned().collect::<Vec<_>>(),
        (21..25).map(id).collect::<Vec<_>>()
    );
    assert!(session_item.amendments.to_stored().unwrap().len() < 2 * 16_384);
    // All fields of the latest message, each as long as it can be.
    let limits: LastMsgBytes = "4096".parse().unwrap();
    for field in Field::ALL {
        let texts = [(field, LastMsgBytes::default().text(field.name(), &"x".repeat(1_000)))];
        let edit = Edit { id: id(30), time: ms(500), texts: texts.into(), limits };
        session_item.amend(&Amendment::Edit(edit), NOW);
    }
    assert_eq!(session_item.amendments.pending.keys().cloned().collect::<Vec<_>>(), [id(30)]);
}

#[test]
fn malformed_edits_are_rejected() {
    for text in [
        "",
        "5",
        r#"{"held": 1}"#,
        r#"{"held": {"type": 5}}"#,
        r#"{"edits": {"7": {"body": ["x"]}}}"#,
        r#"{"recalls": {"7": {"at": 5, "limit": 5}}}"#,
        r#"{"recalls": {"7": {"at": 5, "limit": 5, "notice": "x"}}}"#,
    ] {
        assert_eq!(Amendments::from_stored(text), Err(InvalidAmendments), "{text}");
    }
    assert_eq!(Amendments::from_stored("{}"), Ok(Amendments::default()));
    assert_eq!(Amendments::default().to_stored(), None);
}
