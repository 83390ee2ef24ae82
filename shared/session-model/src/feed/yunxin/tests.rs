//! Message copies as received, and what is read of them.

mod limits;

use serde_json::{Value, json};

use super::*;
use crate::{
    feed::effect::Effect,
    group::MembershipEvent,
    id::{Account, AccountCase, MessageId},
    register::{
        Message, Position,
        amendments::{Amendment, Recall},
    },
};

const NOW: u64 = 1_700_000_000_000;
const SENT: u64 = 1_699_999_999_000;

fn read(body: &str, case: AccountCase) -> Result<FeedEvent, NotApplied> {
    let settings = FeedSettings { account_case: case, ..FeedSettings::default() };
    MessageCopy::parse(body)?.event(Timestamp::from_millis(NOW), settings)
}

fn parse(copy: &Value) -> Result<FeedEvent, NotApplied> {
    read(&copy.to_string(), AccountCase::Keep)
}

/// The rejection of an unreadable copy, which begins with the name of the field.
fn unreadable(copy: &Value) -> String {
    match parse(copy) {
        Err(NotApplied::Unreadable(rejection)) => rejection.to_string(),
        other => panic!("{copy}: {other:?}"),
    }
}

fn message() -> Value {
    json!({
        "eventType": "1", "convType": "PERSON", "fromAccount": "alice", "to": "bob", "msgTimestamp": SENT.to_string(),
        "msgType": "TEXT", "msgidClient": "c-1", "msgidServer": "17", "body": "hello", "fromClientType": "IOS",
        "fromNick": "Alice", "ip": "203.0.113.7", "resendFlag": "0",
    })
}

fn recall(event_type: &str) -> Value {
    json!({
        "eventType": event_type, "from": "alice", "to": "bob", "msgId": "17", "clientId": "c-1",
        "sendTime": SENT.to_string(), "deleteTime": (SENT + 500).to_string(), "fromClientType": "IOS", "selfMsg": "sorry",
    })
}

fn edit(event_type: &str) -> Value {
    json!({
        "eventType": event_type, "from": "alice", "to": "bob", "msgId": 17, "clientId": "c-1", "modifyAccountId": "alice",
        "modifyTime": (SENT + 700).to_string(), "text": "hello there",
    })
}

fn with(mut copy: Value, name: &str, value: impl Into<Value>) -> Value {
    copy[name] = value.into();
    copy
}

fn sent(copy: &Value) -> Message {
    match parse(copy).unwrap().effect {
        Effect::P2p { message, .. } => message,
        Effect::Group { event, .. } => event.message.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn recalled(copy: &Value) -> Recall {
    match parse(copy).unwrap().effect {
        Effect::AmendP2p { amendment: Amendment::Recall(recall), .. }
        | Effect::AmendGroup { amendment: Amendment::Recall(recall), .. } => recall,
        other => panic!("not a recall: {other:?}"),
    }
}

/// What the session shows.
fn shown(copy: &Value) -> Value {
    let text = if copy["eventType"] == "1" { sent(copy).text } else { recalled(copy).notice.text() };
    serde_json::from_str(&text.plain()).unwrap()
}

fn session_items(copy: &Value) -> Vec<String> {
    match parse(copy).unwrap().effect {
        Effect::P2p { session_items, .. } | Effect::AmendP2p { session_items, .. } => {
            session_items.iter().map(|(user, id)| format!("{user} {id}")).collect()
        }
        Effect::Group { group, .. } | Effect::AmendGroup { group, .. } => vec![group.to_string()],
    }
}

fn group_event(copy: &Value) -> MembershipEvent {
    match parse(copy).unwrap().effect {
        Effect::Group { event, .. } => event,
        other => panic!("not of a group: {other:?}"),
    }
}

#[test]
fn a_message_is_recorded_for_sender_and_receiver() {
    let position = Position { time: Timestamp::from_millis(SENT), id: MessageId::new("17", "") };
    assert_eq!(sent(&message()).position, position);
    let expected = json!({"from": "alice", "fromNick": "Alice", "time": SENT, "type": 0, "body": "hello",
                          "fromClientType": "IOS", "msgIdClient": "c-1", "msgIdServer": "17"});
    assert_eq!(shown(&message()), expected);
    assert_eq!(session_items(&message()), ["alice p2p|bob", "bob p2p|alice"]);
    assert_eq!(session_items(&with(message(), "to", "alice")), ["alice p2p|alice"]);
    assert_eq!(parse(&message()).unwrap().latest, Timestamp::from_millis(SENT));
}

#[test]
fn a_recall_leaves_a_notice_without_content() {
    let Recall { id, sent, at, .. } = recalled(&recall("7"));
    assert_eq!((id, sent), ("17".into(), Some(Timestamp::from_millis(SENT))));
    assert_eq!(at, Timestamp::from_millis(SENT + 500));
    let expected = json!({"from": "alice", "time": SENT + 500, "deleteMsgIdClient": "c-1", "deleteMsgIdServer": "17",
                          "deleteMsgCreateTime": SENT, "postscript": "sorry", "attach": "{}"});
    assert_eq!(shown(&with(recall("7"), "attach", "{}")), expected);
    assert_eq!(session_items(&recall("7")), ["alice p2p|bob", "bob p2p|alice"]);
    assert_eq!(parse(&recall("7")).unwrap().latest, at);
}

#[test]
fn the_time_of_a_recalled_message_may_be_unknown() {
    let copy = with(recall("7"), "sendTime", "");
    let Recall { sent, at, .. } = recalled(&copy);
    assert_eq!((sent, at), (None, Timestamp::from_millis(SENT + 500)));
    assert_eq!(shown(&copy).get("deleteMsgCreateTime"), None);
    assert_eq!(parse(&copy).unwrap().latest, at);
}

#[test]
fn every_conversation_and_event_type_is_distinguished() {
    let conv_type = |name: &str| session_items(&with(message(), "convType", name)).remove(0);
    assert_eq!(conv_type("PERSON"), "alice p2p|bob");
    assert_eq!(conv_type("TEAM"), "team|bob");
    assert_eq!(conv_type("SUPER_TEAM"), "super_team|bob");
    for (event_type, place) in [("7", "alice p2p|bob"), ("8", "team|bob"), ("25", "super_team|bob")] {
        assert_eq!(session_items(&recall(event_type))[0], place);
    }
    assert_eq!(
        session_items(&with(message(), "eventType", 1)),
        ["alice p2p|bob", "bob p2p|alice"],
        "as a number"
    );
}

#[test]
fn events_without_sessions_are_ignored() {
    let mut ignored = vec![json!({}), json!({"foo": 1})];
    for conv_type in ["CUSTOM_PERSON", "CUSTOM_TEAM", "CHATROOM", "person"] {
        ignored.push(with(message(), "convType", conv_type));
    }
    for event_type in ["2", "3", "4", "5", "6", "9", "14", "99", "login", "01"] {
        ignored.push(json!({"eventType": event_type}));
    }
    for copy in ignored {
        assert!(matches!(parse(&copy), Err(NotApplied::Ignored(_))), "{copy}");
    }
}

#[test]
fn an_intercepted_or_blocked_message_is_recorded_for_its_sender_only() {
    for name in ["blacklist", "antispam"] {
        for set in [json!("1"), json!("true"), json!("no"), json!(1), json!(true), json!({}), json!([])] {
            assert_eq!(session_items(&with(message(), name, set.clone())), ["alice p2p|bob"], "{name} {set}");
        }
        for not_set in [
            json!(null),
            json!(""),
            json!("0"),
            json!("false"),
            json!("FALSE"),
            json!(0),
            json!(0.0),
            json!(false),
        ] {
            assert_eq!(session_items(&with(message(), name, not_set.clone())).len(), 2, "{name} {not_set}");
        }
    }
}

#[test]
fn an_intercepted_group_message_updates_members_only() {
    let attach = json!({"id": 1, "data": {"ids": ["b"]}}).to_string();
    let kick = with(with(with(message(), "convType", "TEAM"), "msgType", "NOTIFICATION"), "attach", attach);
    for copy in [kick.clone(), with(kick, "tMembers", "[a, b]")] {
        let (shown, intercepted) = (group_event(&copy), group_event(&with(copy, "antispam", "true")));
        assert!(shown.message.is_some() && shown.notice.is_some());
        assert!(intercepted.message.is_none() && intercepted.notice.is_none());
        let (message, notice) = (shown.message.clone(), shown.notice.clone());
        assert_eq!(MembershipEvent { message, notice, ..intercepted }, shown);
    }
}

#[test]
fn an_edit_has_its_changed_fields_and_time() {
    let edited = |copy: &Value| match parse(copy).unwrap().effect {
        Effect::AmendP2p { amendment: Amendment::Edit(edit), .. }
        | Effect::AmendGroup { amendment: Amendment::Edit(edit), .. } => edit,
        other => panic!("not an edit: {other:?}"),
    };
    for (event_type, place) in [("89", "alice p2p|bob"), ("90", "team|bob"), ("91", "super_team|bob")] {
        assert_eq!(session_items(&edit(event_type))[0], place);
    }
    assert_eq!(session_items(&edit("89")), ["alice p2p|bob", "bob p2p|alice"]);
    let all = with(with(edit("89"), "extension", "e"), "attachment", json!({"a": 1}));
    let all = edited(&with(with(all, "subType", 3), "text", "x".repeat(20_001)));
    assert_eq!((all.id, all.time), ("17".into(), Timestamp::from_millis(SENT + 700)));
    let texts: Vec<_> = all.texts.iter().map(|(field, text)| (field.name(), text.left.as_deref())).collect();
    let body = "x".repeat(8_192);
    assert_eq!(
        texts,
        [("body", Some(&*body)), ("ext", Some("e")), ("attach", Some(r#"{"a":1}"#)), ("subType", Some("3"))]
    );
    assert_eq!(edited(&with(edit("89"), "text", "")).texts.len(), 1, "an empty string is a string");
    let nothing = parse(&with(edit("89"), "text", Value::Null));
    assert_eq!(nothing, Err(NotApplied::Ignored("the edit changes nothing that is shown")));
    let ahead = with(edit("89"), "modifyTime", NOW + 400_000);
    assert!(parse(&ahead).unwrap().latest.is_ahead(Timestamp::from_millis(NOW)));
    for name in ["from", "to", "msgId", "modifyTime"] {
        assert_eq!(unreadable(&with(edit("90"), name, Value::Null)), format!("{name} is missing"));
    }
    assert!(
        unreadable(&with(with(edit("89"), "msgId", 0), "clientId", Value::Null)).starts_with("msgId must")
    );
}

#[test]
fn every_known_message_type_has_a_number() {
    for (name, number) in [
        ("TEXT", json!(0)),
        ("PICTURE", json!(1)),
        ("AUDIO", json!(2)),
        ("VIDEO", json!(3)),
        ("LOCATION", json!(4)),
        ("NOTIFICATION", json!(5)),
        ("FILE", json!(6)),
        ("TIPS", json!(10)),
        ("NRTC_NETCALL", json!(12)),
        ("CUSTOM", json!(100)),
        ("HOLOGRAM", Value::Null),
    ] {
        assert_eq!(shown(&with(message(), "msgType", name))["type"], number, "{name}");
    }
}

#[test]
fn the_list_of_a_team_is_effective_after_its_notification() {
    let listed = |id: u64, members: &str| {
        let attach = json!({"id": id, "data": {"ids": ["b", "c"], "tinfo": {"5": "owner"}}}).to_string();
        let copy = with(with(message(), "convType", "TEAM"), "msgType", "NOTIFICATION");
        let event = group_event(&with(with(copy, "attach", attach), "tMembers", members));
        let names =
            |accounts: Vec<&Account>| accounts.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("");
        let mut list: Vec<_> = event.list.as_ref().unwrap().members().keys().collect();
        list.sort();
        (names(list), names(event.left.iter().collect()))
    };
    for (case, id, members, list, left) in [
        ("pulled in", 0, "[a]", "abc", ""),
        ("kicked", 1, "[a, b, c]", "a", "bc"),
        ("left", 2, "[alice, b]", "b", "alice"),
        ("dismissed", 4, "[a, b]", "", "ab"),
        ("renamed", 3, "[a, b]", "ab", ""),
    ] {
        assert_eq!(listed(id, members), (list.to_owned(), left.to_owned()), "{case}");
    }
}

#[test]
fn an_unreadable_required_field_is_named() {
    let too_long = "x".repeat(256);
    let day_ahead = (NOW + 24 * 60 * 60 * 1000 + 1).to_string();
    let cut = "half \u{fffd}";
    let times = ["", "-1", "soon", "946684799999", "1.7e12", &day_ahead];
    let accounts = ["", "a/b", "a\nb", cut, &too_long];
    let of_message = |name: &'static str, values: &[&str]| {
        for value in values.iter().map(|value| json!(value)).chain([Value::Null, json!([]), json!(true)]) {
            let reason = unreadable(&with(message(), name, value.clone()));
            assert!(reason.starts_with(name), "{value}: {reason}");
        }
    };
    of_message("eventType", &[""]);
    of_message("convType", &[""]);
    of_message("fromAccount", &accounts);
    of_message("to", &accounts);
    of_message("msgTimestamp", &times);
    of_message("msgType", &[""]);
    of_message("msgidServer", &["", cut, &too_long]);
    let of_recall = |name: &'static str, values: &[&str]| {
        for value in values.iter().map(|value| json!(value)).chain([Value::Null, json!({})]) {
            let reason = unreadable(&with(recall("7"), name, value.clone()));
            assert!(reason.starts_with(name), "{value}: {reason}");
        }
    };
    of_recall("from", &accounts);
    of_recall("to", &accounts);
    of_recall("msgId", &["", cut, &too_long]);
    of_recall("deleteTime", &times);
    for value in times.iter().filter(|value| !value.is_empty()) {
        assert!(unreadable(&with(recall("7"), "sendTime", *value)).starts_with("sendTime"), "{value}");
    }
    let team = with(message(), "convType", "TEAM");
    assert!(unreadable(&with(team.clone(), "to", "a|b")).starts_with("to must"));
    assert!(unreadable(&with(team, "tMembers", "['a', 'b']")).starts_with("tMembers holds"));
    assert!(unreadable(&with(message(), "msgidClient", &*too_long)).starts_with("msgidClient must"));
    assert!(unreadable(&with(with(recall("7"), "msgId", "00"), "clientId", "")).starts_with("msgId must"));
    for body in ["", "null", "[]", "{", "{} {}", "hello"] {
        assert!(matches!(read(body, AccountCase::Keep), Err(NotApplied::Unreadable(_))), "{body}");
    }
}

#[test]
fn optional_fields_may_be_absent_or_anything() {
    let bare = json!({"eventType": "1", "convType": "PERSON", "fromAccount": "alice", "to": "bob",
                      "msgTimestamp": SENT.to_string(), "msgType": "TEXT", "msgidServer": "17"});
    assert_eq!(shown(&bare), json!({"from": "alice", "time": SENT, "type": 0, "msgIdServer": "17"}));
    for (name, value) in [
        ("port", json!("")),
        ("ip", json!("2001:db8::1")),
        ("yidunRes", json!({"action": 0, "tags": [[]]})),
        ("aiParams", json!({"messages": [{"role": "user"}]})),
        ("tMembers", json!("not read of a p2p message")),
    ] {
        assert_eq!(parse(&with(message(), name, value)), parse(&message()), "{name}");
    }
    let picture = with(with(message(), "msgType", "PICTURE"), "attach", json!({"url": "x", "w": 1}));
    assert_eq!(shown(&picture)["attach"], r#"{"url":"x","w":1}"#, "as its JSON");
    assert_eq!(shown(&with(message(), "subType", 7))["subType"], "7");
}

#[test]
fn ids_and_accounts_may_be_numbers_of_any_length() {
    let copy = message().to_string();
    for (text, number) in [(r#""17""#, "90071992547409931"), (r#""bob""#, "90071992547409932")] {
        let event = read(&copy.replace(text, number), AccountCase::Keep).unwrap();
        assert_eq!(event, read(&copy.replace(text, &format!("\"{number}\"")), AccountCase::Keep).unwrap());
    }
    for number in ["17", "17.0", "1.7e1"] {
        let recalled = recall("7").to_string().replace(r#""17""#, number);
        assert_eq!(read(&recalled, AccountCase::Keep), parse(&recall("7")), "{number}");
    }
    let time = format!("{SENT}.0");
    let sent = copy.replace(&format!("\"{SENT}\""), &time);
    assert!(sent.contains(&time));
    assert_eq!(read(&sent, AccountCase::Keep), parse(&message()));
}

#[test]
fn odd_json_is_harmless_when_unread_and_fixed_when_shown() {
    let copy = message().to_string();
    let odd = |replaced: &str, by: &str| read(&copy.replace(replaced, by), AccountCase::Keep);
    let deep = format!(r#""resendFlag":{}{}"#, "[".repeat(130), "]".repeat(130));
    for by in [r#""resendFlag":"\ud83d""#, r#""resendFlag":1e999"#, r#""\ud83d":1"#, &deep] {
        assert_eq!(odd(r#""resendFlag":"0""#, by), parse(&message()), "{by:.40}");
    }
    assert_eq!(read(&format!("\u{feff}{copy}"), AccountCase::Keep), parse(&message()), "a byte order mark");
    let cut_nick = odd("\"Alice\"", r#""Al\ud83d""#).unwrap();
    assert_eq!(Ok(cut_nick), parse(&with(message(), "fromNick", "Al\u{fffd}")));
    assert!(matches!(odd("\"bob\"", r#""b\ud83d""#), Err(NotApplied::Unreadable(_))));
}

#[test]
fn accounts_may_be_lower_cased() {
    let copy = with(with(message(), "fromAccount", "Alice"), "to", "BOB").to_string();
    assert_eq!(read(&copy, AccountCase::Lower).unwrap(), parse(&message()).unwrap());
    let team = |case| match read(&copy.replace("PERSON", "TEAM"), case).unwrap().effect {
        Effect::Group { group, .. } => group.to_string(),
        other => panic!("not a team: {other:?}"),
    };
    assert_eq!((team(AccountCase::Lower), team(AccountCase::Keep)), ("team|bob".into(), "team|BOB".into()));
}

#[test]
fn the_server_id_is_present_when_readable() {
    let id = |copy: Value| {
        let text = copy.to_string();
        MessageCopy::parse(&text).unwrap().server_id().map(Cow::into_owned)
    };
    assert_eq!(id(message()).as_deref(), Some("17"));
    assert_eq!(id(with(recall("7"), "msgId", 18)).as_deref(), Some("18"));
    assert_eq!(id(with(message(), "msgidServer", json!([]))), None);
    assert_eq!(id(json!({})), None);
}
