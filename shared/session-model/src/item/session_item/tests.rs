//! Tests of what events and users do to a session item.

use serde_json::{Value, json};

use super::*;
use crate::{
    group::{MemberAt, Rank},
    register::{LastMsgBytes, amendments::Recall},
};

/// So early that everything is recorded in the window.
const NOW: Timestamp = Timestamp::from_millis(1);

fn message(time: u64) -> Message {
    let time = Timestamp::from_millis(time);
    let position = Position { time, id: (*time.to_string()).into() };
    Message { position, text: format!("sent at {time}").into() }
}

fn recall(time: u64, at: u64) -> Amendment {
    let Value::Object(notice) = json!({ "at": at }) else { unreachable!() };
    let Position { time, id } = message(time).position;
    let at = Timestamp::from_millis(at);
    Amendment::Recall(Recall {
        id,
        sent: Some(time),
        at,
        notice: notice.into(),
        limits: LastMsgBytes::default(),
    })
}

fn shown(session_item: &SessionItem) -> Option<u64> {
    session_item.update_time().map(Timestamp::as_millis)
}

#[test]
fn only_newer_events_revive_a_deleted_session() {
    let mut session_item = SessionItem::default();
    session_item.record(&message(10), NOW);
    session_item.delete(None, NOW);
    assert_eq!(shown(&session_item), None);
    assert!(
        !session_item.record(&message(10), NOW)
            && !session_item.record(&message(9), NOW)
            && !session_item.amend(&recall(10, 50), NOW)
    );
    assert_eq!(shown(&session_item), None);
    assert!(session_item.amend(&recall(11, 50), NOW), "it waits");
    assert_eq!(shown(&session_item), None);
    assert!(session_item.record(&message(11), NOW));
    assert_eq!(shown(&session_item), Some(50));
}

#[test]
fn the_time_of_a_session_may_move_backwards() {
    let mut session_item = SessionItem::default();
    session_item.set_ext("mine".parse().unwrap(), Timestamp::from_millis(100));
    assert_eq!(shown(&session_item), Some(100));
    session_item.record(&message(10), NOW);
    assert_eq!(shown(&session_item), Some(10), "a placeholder gives way to a late message");
    session_item.amend(&recall(10, 50), NOW);
    session_item.record(&message(11), NOW);
    assert_eq!(shown(&session_item), Some(11), "so does a notice to a newer message");
}

#[test]
fn an_ext_does_not_move_a_session_and_is_deleted_with_it() {
    let mut session_item = SessionItem::default();
    session_item.record(&message(10), NOW);
    session_item.set_ext("mine".parse().unwrap(), Timestamp::from_millis(100));
    assert_eq!((shown(&session_item), session_item.ext.text()), (Some(10), Some("mine")));
    session_item.delete(None, NOW);
    assert_eq!(session_item.ext.text(), None);
    session_item.set_ext("again".parse().unwrap(), Timestamp::from_millis(200));
    assert_eq!(shown(&session_item), Some(200));
    assert!(!session_item.record(&message(10), NOW), "the tombstone still holds under the placeholder");
}

#[test]
fn changes_that_update_time_does_not_show_get_a_change_time() {
    const LATE: u64 = 4 * 60 * 1000;
    let at = Timestamp::from_millis;
    let with_change_time = |change: &dyn Fn(&mut SessionItem)| {
        let mut session_item = SessionItem::default();
        session_item.record(&message(10), NOW);
        assert_eq!(session_item.change_time, None, "a message on time shows by itself");
        change(&mut session_item);
        session_item.change_time
    };
    assert_eq!(
        with_change_time(&|session_item| _ = session_item.record(&message(11), at(11 + LATE))),
        None,
        "just on time"
    );
    assert_eq!(
        with_change_time(&|session_item| _ = session_item.record(&message(11), at(12 + LATE))),
        Some(at(12 + LATE)),
        "late"
    );
    assert_eq!(with_change_time(&|session_item| _ = session_item.amend(&recall(10, 20), at(20))), None);
    assert_eq!(
        with_change_time(&|session_item| _ = session_item.amend(&recall(10, 20), at(21 + LATE))),
        Some(at(21 + LATE))
    );
    assert_eq!(
        with_change_time(&|session_item| _ = session_item.amend(&recall(11, 12), at(13 + LATE))),
        None,
        "a recall that waits shows nothing"
    );
    // The message is in the window, but what it shows is a notice from before the window.
    let early_recall = |session_item: &mut SessionItem| {
        session_item.amend(&recall(20 + LATE, 15), at(20));
        session_item.record(&message(20 + LATE), at(20 + LATE));
    };
    assert_eq!(with_change_time(&early_recall), Some(at(20 + LATE)), "the notice's time decides");
    assert_eq!(
        with_change_time(&|session_item| _ = session_item.record(&message(9), at(12 + LATE))),
        None,
        "nothing changes"
    );
    assert_eq!(with_change_time(&|session_item| _ = session_item.delete(None, at(20))), Some(at(20)));
    assert_eq!(
        with_change_time(&|session_item| session_item.set_ext("x".parse().unwrap(), at(20))),
        Some(at(20))
    );
}

#[test]
fn the_greater_of_both_registers_is_shown() {
    let ms = Timestamp::from_millis;
    let register = |time: u64, last_msg: Option<LastMsg>| Register {
        position: Position { time: ms(time), id: "m".into() },
        last_msg,
    };
    let message = |time: u64| register(time, Some(LastMsg::Message(format!("at {time}").into())));
    let (group, alice): (GroupId, Account) = ("team|1".parse().unwrap(), "alice".parse().unwrap());
    let group_item = |register| Some(GroupItem { register, ..GroupItem::default() });
    let session_item = |register, placeholder: Option<u64>| SessionItem {
        register,
        placeholder: placeholder.map(ms),
        ext: "mine".parse().unwrap(),
        membership: Some(Membership { at: MemberAt { time: ms(1), rank: Rank::Join }, since: Some(ms(1)) }),
        ..SessionItem::default()
    };
    let shown = |session_item: SessionItem, group_item| {
        let session = session_item.into_group_session(&group, &alice, group_item)?;
        assert_eq!(session.ext.as_deref(), Some("mine"));
        Some((session.update_time.as_millis(), session.last_msg.map(|text| text.plain().into_owned())))
    };
    let at = |time: u64| Some((time, Some(format!("at {time}"))));
    assert_eq!(shown(session_item(None, None), group_item(Some(message(5)))), at(5));
    assert_eq!(shown(session_item(Some(message(4)), None), group_item(Some(message(5)))), at(5));
    assert_eq!(shown(session_item(Some(message(6)), None), group_item(Some(message(5)))), at(6));
    assert_eq!(
        shown(session_item(None, Some(9)), group_item(Some(message(5)))),
        at(5),
        "a placeholder gives way"
    );
    assert_eq!(
        shown(session_item(Some(register(5, None)), None), group_item(Some(message(5)))),
        None,
        "deleted"
    );
    assert_eq!(
        shown(session_item(Some(register(5, None)), Some(9)), group_item(Some(message(5)))),
        Some((9, None))
    );
    assert_eq!(shown(session_item(Some(register(5, None)), Some(9)), group_item(Some(message(6)))), at(6));
    assert_eq!(shown(session_item(None, None), group_item(None)), None);
    assert_eq!(shown(session_item(None, Some(9)), None), Some((9, None)));
}

#[test]
fn a_delete_with_a_version_keeps_what_is_newer() {
    let version = |time: u64| Version::from(Some(message(time).position));
    let mut session_item = SessionItem::default();
    session_item.set_ext("mine".parse().unwrap(), NOW);
    let mut shown_by_ext = session_item.clone();
    assert_eq!(shown_by_ext.delete(Some(&Version::default()), NOW), Deleted::Done);
    assert_eq!(shown(&shown_by_ext), None);
    session_item.record(&message(10), NOW);
    assert_eq!(session_item.delete(Some(&Version::default()), NOW), Deleted::Newer);
    assert_eq!(session_item.delete(Some(&version(9)), NOW), Deleted::Newer);
    // The recall moves `updateTime` ahead of the next message.
    session_item.amend(&recall(10, 50), NOW);
    session_item.record(&message(11), NOW);
    assert_eq!(
        session_item.delete(Some(&version(10)), NOW),
        Deleted::Newer,
        "they have seen the notice at 50"
    );
    assert_eq!(shown(&session_item), Some(11));
    assert_eq!(session_item.delete(Some(&version(99)), NOW), Deleted::Done);
    assert_eq!(
        session_item.register,
        Some(Register::tombstone(message(11).position)),
        "not at the given version"
    );
    assert_eq!(session_item.delete(Some(&Version::default()), NOW), Deleted::Done, "it is deleted already");
}

#[test]
fn the_version_of_a_session_is_its_newest_position() {
    let version = |session_item: &SessionItem| {
        session_item.clone().into_session("p2p|a".parse().unwrap()).unwrap().version.to_string()
    };
    let mut session_item = SessionItem::default();
    session_item.set_ext("mine".parse().unwrap(), NOW);
    assert_eq!(version(&session_item), "0");
    session_item.record(&message(10), NOW);
    assert_eq!(version(&session_item), "10-10");
    session_item.amend(&recall(10, 50), NOW);
    session_item.set_ext("again".parse().unwrap(), NOW);
    assert_eq!(version(&session_item), "10-10", "neither a recall nor an ext changes it");
    session_item.delete(None, NOW);
    session_item.set_ext("mine".parse().unwrap(), NOW);
    assert_eq!(version(&session_item), "10-10", "nor a delete");
}

#[test]
fn a_placeholder_is_shown_to_whom_it_belongs() {
    let (group, alice): (GroupId, Account) = ("team|1".parse().unwrap(), "alice".parse().unwrap());
    let ms = Timestamp::from_millis;
    let shown = |placeholder: u64, at: u64, rank: Rank, since: Option<u64>, listed_at: Option<u64>| {
        let membership = Membership { at: MemberAt { time: ms(at), rank }, since: since.map(ms) };
        let session_item = SessionItem {
            placeholder: Some(ms(placeholder)),
            membership: Some(membership),
            ..SessionItem::default()
        };
        let group_item = GroupItem { listed_at: listed_at.map(ms), ..GroupItem::default() };
        let session = session_item.into_group_session(&group, &alice, Some(group_item));
        session.map(|session| session.update_time.as_millis())
    };
    assert_eq!(shown(4, 5, Rank::Leave, None, None), None, "from before they left");
    assert_eq!(shown(5, 5, Rank::Leave, None, None), Some(5));
    assert_eq!(shown(4, 5, Rank::Join, Some(5), None), Some(4), "a member");
    assert_eq!(shown(4, 5, Rank::Join, Some(5), Some(6)), None, "a newer list has dropped them");
    assert_eq!(shown(9, 5, Rank::Join, Some(5), Some(6)), None, "and what they set later shows nothing");
}

#[test]
fn an_ext_of_somebody_who_left_by_a_clock_that_is_ahead_is_shown() {
    let ms = Timestamp::from_millis;
    let left = Membership { at: MemberAt { time: ms(9), rank: Rank::Leave }, since: None };
    for placeholder in [None, Some(ms(4))] {
        let mut session_item = SessionItem { placeholder, membership: Some(left), ..SessionItem::default() };
        session_item.set_ext("mine".parse().unwrap(), ms(5));
        assert_eq!(session_item.update_time(), Some(ms(9)), "{placeholder:?}");
        session_item.set_ext("again".parse().unwrap(), ms(20));
        assert_eq!(session_item.update_time(), Some(ms(9)), "a live session keeps its place");
    }
}
