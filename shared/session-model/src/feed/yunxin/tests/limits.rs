//! Texts beyond their limits.

use super::*;

#[test]
fn strings_beyond_their_limits_are_cut_or_left_out_and_named() {
    let mut copy = message();
    for (name, length) in [("body", 8_193), ("attach", 4_097), ("ext", 2_049), ("fromNick", 683)] {
        copy[name] = "x".repeat(length).into();
    }
    let message = shown(&copy);
    assert_eq!(message["truncated"], json!(["body", "attach", "ext", "fromNick"]));
    assert_eq!(message["body"].as_str().unwrap().len(), 8_192);
    assert!(["attach", "ext", "fromNick"].iter().all(|name| message.get(*name).is_none()));
    let long = with(recall("7"), "selfMsg", "x".repeat(20_001));
    let notice = shown(&with(long, "attach", "x".repeat(4_097)));
    assert_eq!(notice["truncated"], json!(["postscript", "attach"]));
    assert_eq!((notice["postscript"].as_str().unwrap().len(), notice.get("attach")), (8_192, None));
}

#[test]
fn those_who_left_see_a_shorter_notice() {
    let attach = json!({"id": 1, "data": {"ids": ["bob"]}, "more": "x".repeat(1_100)}).to_string();
    let kick = with(with(with(message(), "convType", "TEAM"), "msgType", "NOTIFICATION"), "attach", attach);
    let event = |copy: &Value| match parse(copy).unwrap().effect {
        Effect::Group { event, .. } => event,
        other => panic!("not of a group: {other:?}"),
    };
    let MembershipEvent { message: of_group, notice, .. } = event(&with(kick, "ext", "private"));
    let [of_group, of_leavers] = [of_group, notice].map(|message| {
        let last_msg: Value = serde_json::from_str(&message.unwrap().text.plain()).unwrap();
        [last_msg["attach"].is_string(), last_msg["ext"].is_string(), last_msg["truncated"].is_array()]
    });
    assert_eq!((of_group, of_leavers), ([true, true, false], [false, false, true]));
    let text = with(message(), "convType", "TEAM");
    assert_eq!(event(&text).notice, None, "nobody leaves by it");
}
