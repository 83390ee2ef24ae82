//! Tests of the laws of edits.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    InvalidEdits,
    known::{Edit, Edits},
    merge::MAX_PENDING_BYTES,
};
use crate::{
    id::MessageId,
    item::SessionItem,
    register::{
        Entry, LastMsg, Position, Register,
        last_msg::{Field, Text},
    },
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
    Recall {
        of: u64,
        at: u64,
    },
    Edit(Edit),
    /// The user deletes the session as of this message: what they see is this message or an older one.
    Delete(u64),
}

const SENT: [u64; 5] = [10, 12, 12, 13, 11];

fn position(message: u64) -> Position {
    let sent = SENT[usize::try_from(message).unwrap()];
    Position { time: ms(sent), id: id(message) }
}

fn edit(of: u64, time: u64, field: Field, text: &str) -> Edit {
    Edit {
        id: id(of),
        time: ms(time),
        texts: std::collections::BTreeMap::from([(field, Text::new(field.name(), text))]),
    }
}

fn message(number: u64) -> Entry {
    let text = json!({"body": format!("text {number}"), "msgIdServer": number.to_string()}).to_string();
    Entry { position: position(number), last_msg: LastMsg::Message(text.into()) }
}

fn recall(of: u64, at: u64) -> Entry {
    let last_msg = LastMsg::Recall { at: ms(at), notice: format!("recall of {of} at {at}").into() };
    Entry { position: position(of), last_msg }
}

fn apply(session_item: &mut SessionItem, event: &Event) {
    match event {
        Event::Message(number) => drop(session_item.record(&message(*number), NOW)),
        Event::Recall { of, at } => drop(session_item.record(&recall(*of, *at), NOW)),
        Event::Edit(edit) => drop(session_item.edit(edit, NOW)),
        Event::Delete(message) => {
            let tombstone = Register::tombstone(position(*message));
            if session_item.register.as_ref().is_none_or(|held| tombstone.supersedes(held)) {
                session_item.register = Some(tombstone);
            }
        }
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

fn event() -> impl Strategy<Value = Event> {
    let field = prop::sample::select(Field::ALL.to_vec());
    let edits = (0..5u64, 8..16u64, field, 0..3u8)
        .prop_map(|(of, time, field, text)| Event::Edit(edit(of, time, field, &format!("v{text}"))));
    prop_oneof![
        4 => (0..5u64).prop_map(Event::Message),
        8 => edits,
        1 => (0..5u64, 14..17u64).prop_map(|(of, at)| Event::Recall { of, at }),
        1 => (0..5u64).prop_map(Event::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Messages, edits with plausible and implausible times, recalls and deletes, in any order and with any repetitions, show one
    /// result, now and after any further message copy.
    #[test]
    fn the_shown_text_does_not_depend_on_order_or_repetition(
        (history, delivered) in prop::collection::vec(event(), 1..12).prop_flat_map(|history| {
            let twice = [history.clone(), history.clone()].concat();
            (Just(history), Just(twice).prop_shuffle())
        })
    ) {
        let (once, shuffled) = (after(&history), after(&delivered));
        prop_assert_eq!(shown(&once), shown(&shuffled));
        for further in 0..5 {
            let then = |session_item: &SessionItem| {
                let mut session_item = session_item.clone();
                apply(&mut session_item, &Event::Message(further));
                shown(&session_item)
            };
            prop_assert_eq!(then(&once), then(&shuffled), "after message {}", further);
        }
    }

    /// What is shown is the greatest edit of each field, computed by the rule from the set of events.
    #[test]
    fn each_field_shows_the_greatest_edit_of_its_message(
        edits in prop::collection::vec((8..16u64, prop::sample::select(Field::ALL.to_vec()), 0..3u8), 0..10),
        before in 0..10usize,
    ) {
        let edits: Vec<_> =
            edits.into_iter().map(|(time, field, text)| edit(1, time, field, &format!("v{text}"))).collect();
        let mut history: Vec<_> = edits.iter().cloned().map(Event::Edit).collect();
        history.insert(before.min(history.len()), Event::Message(1));
        let last_msg: Value = serde_json::from_str(&shown(&after(&history)).unwrap().1).unwrap();
        let mut latest = None;
        for field in Field::ALL {
            let of_it = edits.iter().filter(|edit| edit.time >= ms(12) && edit.texts.contains_key(&field));
            let greatest = of_it.map(|edit| (edit.time, edit.texts[&field].left.clone().unwrap())).max();
            let original = (field == Field::Body).then(|| "text 1".to_owned());
            latest = latest.max(greatest.as_ref().map(|(time, _)| *time));
            let expected = greatest.map(|(_, text)| text).or(original);
            prop_assert_eq!(last_msg[field.name()].as_str().map(str::to_owned), expected);
        }
        prop_assert_eq!(last_msg["editTime"].as_u64(), latest.map(Timestamp::as_millis));
    }

    #[test]
    fn stored_edits_are_read_back_unchanged(history in prop::collection::vec(event(), 0..12)) {
        let edits = after(&history).edits;
        let stored = edits.to_stored();
        prop_assert_eq!(stored.is_none(), edits.is_empty());
        if let Some(stored) = stored {
            prop_assert_eq!(Edits::from_stored(&stored), Ok(edits));
        }
    }

    /// No content of a recalled message is kept.
    #[test]
    fn a_recall_drops_the_edits_of_its_message(history in prop::collection::vec(event(), 1..14)) {
        let session_item = after(&history);
        if let Some(Register { position, last_msg: Some(LastMsg::Recall { .. }) }) = &session_item.register {
            prop_assert!(!session_item.edits.pending.contains_key(&position.id) && session_item.edits.held.is_empty());
        }
    }
}

#[test]
fn an_edit_neither_moves_nor_revives_a_session() {
    let changed = Event::Edit(edit(1, 50, Field::Body, "changed"));
    let mut session_item = after(&[Event::Message(1)]);
    let update_time = session_item.update_time();
    apply(&mut session_item, &changed);
    assert_eq!(session_item.update_time(), update_time);
    session_item.delete(NOW);
    assert!(
        !session_item.edit(&edit(1, 60, Field::Body, "again"), NOW) && session_item.update_time().is_none()
    );
    let session_item = after(&[Event::Recall { of: 1, at: 14 }, changed.clone(), Event::Message(1)]);
    assert_eq!(shown(&session_item).unwrap().1, "recall of 1 at 14");
    assert_eq!(shown(&after(&[changed])), None);
}

#[test]
fn the_8_messages_edited_last_are_pending() {
    let mut session_item = SessionItem::default();
    for number in 20..30 {
        session_item.edit(&edit(number, 100 + number, Field::Body, "x"), NOW);
        session_item.edit(&edit(number, 50, Field::Ext, "older than its message may be"), NOW);
    }
    let waiting: Vec<_> = session_item.edits.pending.keys().cloned().collect();
    assert_eq!(waiting, (22..30).map(id).collect::<Vec<_>>());
    assert!(!session_item.edit(&edit(21, 121, Field::Body, "x"), NOW), "the ninth");
    assert!(
        session_item.edit(&edit(21, 131, Field::Body, "x"), NOW)
            && !session_item.edits.pending.contains_key(&id(22))
    );
    let mut equal = SessionItem::default();
    for number in [20, 29, 21, 28, 22, 27, 23, 26, 24, 25] {
        equal.edit(&edit(number, 100, Field::Body, "x"), NOW);
    }
    assert_eq!(equal.edits.pending.keys().cloned().collect::<Vec<_>>(), (22..30).map(id).collect::<Vec<_>>());
}

#[test]
fn pending_edits_fit_in_64_kb_and_the_latest_always_stays() {
    let mut session_item = SessionItem::default();
    let long = "x".repeat(19_000);
    for number in 20..25 {
        session_item.edit(&edit(number, 100 + number, Field::Body, &long), NOW);
    }
    assert_eq!(
        session_item.edits.pending.keys().cloned().collect::<Vec<_>>(),
        (22..25).map(id).collect::<Vec<_>>()
    );
    assert!(session_item.edits.to_stored().unwrap().len() < MAX_PENDING_BYTES);
    // In its escaped form, it is longer than all that fits.
    session_item.edit(&edit(30, 500, Field::Body, &"\u{1}".repeat(20_000)), NOW);
    assert_eq!(session_item.edits.pending.keys().cloned().collect::<Vec<_>>(), [id(30)]);
}

#[test]
fn malformed_edits_are_rejected() {
    for text in
        ["", "5", r#"{"held": 1}"#, r#"{"held": {"type": 5}}"#, r#"{"pending": {"7": {"body": ["x"]}}}"#]
    {
        assert_eq!(Edits::from_stored(text), Err(InvalidEdits), "{text}");
    }
    assert_eq!(Edits::from_stored("{}"), Ok(Edits::default()));
    assert_eq!(Edits::default().to_stored(), None);
}
