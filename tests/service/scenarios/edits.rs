//! Edited messages, and replies that are streamed by edits.

use serde_json::{Value, json};

use test_support::{
    copies::{
        T0, edit, group_edit, group_message, group_recall, listing, message, on_time, recall, with, without,
    },
    response::Response,
    scenarios,
    test::{Test, User, super_team, team},
};

scenarios![
    an_edit_is_shown_to_sender_and_receiver,
    an_edit_in_a_group_is_shown_to_all_members,
    an_edit_may_come_before_its_message,
    an_edit_of_an_older_message_changes_nothing,
    an_edit_does_not_affect_a_recalled_or_deleted_message,
    each_field_is_edited_independently,
    early_edits_of_8_messages_are_pending,
    a_bot_streams_its_reply_repeated_and_reversed,
    edits_obey_the_size_limits,
    an_edit_before_a_membership_change_is_applied,
    an_ext_set_before_an_early_edit_stays,
];
scenarios![LOCAL_ONLY: the_cost_of_edits, an_item_at_all_limits_is_as_long_as_the_parameter_says];

async fn body(user: &User, session_id: &str) -> Value {
    user.last_msg_of(session_id).await["body"].take()
}

async fn an_edit_is_shown_to_sender_and_receiver(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &edit(&alice, &bob, 1, 5, "better")]).await;
    for (user, other) in [(&alice, &bob), (&bob, &alice)] {
        let session = user.get(other).await;
        assert_eq!(
            (&session["updateTime"], &session["lastMsgType"]),
            (&json!(T0 + 1), &json!(0)),
            "it stays in its place"
        );
        let last_msg = user.last_msg(other).await;
        assert_eq!((&last_msg["body"], &last_msg["editTime"]), (&json!("better"), &json!(T0 + 5)));
        assert_eq!(user.list("").await["sessionList"], json!([session]));
    }
    t.deliver([&edit(&alice, &bob, 1, 4, "late"), &edit(&alice, &bob, 1, 5, "better")]).await;
    assert_eq!(body(&bob, &alice.session_id()).await, "better", "an older one changes nothing");
    t.deliver([&edit(&alice, &bob, 1, 6, ""), &message(&alice, &bob, 1)]).await;
    assert_eq!(body(&bob, &alice.session_id()).await, "");
    t.deliver([&message(&bob, &alice, 7)]).await;
    let last_msg = alice.last_msg(&bob).await;
    assert_eq!((&last_msg["body"], &last_msg["editTime"]), (&json!("text 7"), &Value::Null));
    let item = t.item(&alice, &bob.session_id()).await.unwrap();
    assert_eq!(item.get("amendments"), None, "and nothing is left of them");
}

async fn an_edit_in_a_group_is_shown_to_all_members(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for group in [team(), super_team()] {
        t.patch_members(&group, 1, &[&alice, &bob], &[]).await;
        t.deliver([&group_message(&alice, &group, 2), &group_edit(&alice, &group, 2, 5, "better")]).await;
        for user in [&alice, &bob] {
            assert_eq!(user.time_of(&group).await, Some(T0 + 2));
            assert_eq!(body(user, &group).await, "better");
        }
        t.deliver([&group_edit(&alice, &group, 3, 7, "early"), &group_message(&alice, &group, 3)]).await;
        assert_eq!(body(&bob, &group).await, "early");
        t.deliver([&group_message(&bob, &group, 8)]).await;
        assert_eq!(body(&alice, &group).await, "text 8");
    }
}

async fn an_edit_may_come_before_its_message(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&edit(&alice, &bob, 2, 5, "better")]).await;
    assert!(!bob.has(&alice).await, "an edit shows no session");
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert!(item["expiresAt"].is_object(), "what waits for ever expires");
    t.deliver([&message(&alice, &bob, 1)]).await;
    assert_eq!(body(&bob, &alice.session_id()).await, "text 1");
    assert_eq!(t.item(&bob, &alice.session_id()).await.unwrap().get("expiresAt"), None);
    t.deliver([&message(&alice, &bob, 2)]).await;
    assert_eq!(body(&bob, &alice.session_id()).await, "better");
}

async fn an_edit_of_an_older_message_changes_nothing(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &message(&alice, &bob, 9)]).await;
    let before = t.item(&bob, &alice.session_id()).await;
    t.deliver([&edit(&alice, &bob, 1, 5, "older than what is held")]).await;
    assert_eq!(t.item(&bob, &alice.session_id()).await, before);
    t.deliver([&edit(&alice, &bob, 1, 20, "of an older message")]).await;
    assert_eq!(body(&bob, &alice.session_id()).await, "text 9");
}

async fn an_edit_does_not_affect_a_recalled_or_deleted_message(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &edit(&alice, &bob, 1, 3, "secret"), &recall(&alice, &bob, 1, 5)])
        .await;
    t.deliver([
        &edit(&alice, &bob, 1, 7, "secret"),
        &edit(&alice, &bob, 1, 3, "secret"),
        &message(&alice, &bob, 1),
    ])
    .await;
    let session = bob.get(&alice).await;
    assert_eq!((&session["lastMsgType"], &session["updateTime"]), (&json!(1), &json!(T0 + 5)));
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert!(!item.to_string().contains("secret"), "{item}");
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    t.deliver([&group_edit(&alice, &team, 1, 3, "secret"), &group_recall(&alice, &team, 1, 5)]).await;
    t.deliver([&group_edit(&alice, &team, 1, 7, "secret")]).await;
    assert_eq!(bob.try_get(&team).await.ok()["lastMsgType"], 1);
    assert!(!t.group_item(&team).await.unwrap().to_string().contains("secret"));

    t.deliver([&message(&alice, &bob, 8)]).await;
    bob.delete(&alice).await;
    t.deliver([&edit(&alice, &bob, 8, 9, "again")]).await;
    assert!(!bob.has(&alice).await);
    assert_eq!(body(&alice, &bob.session_id()).await, "again", "she has not deleted it");
    t.deliver([&edit(&alice, &bob, 10, 12, "edited"), &message(&alice, &bob, 10)]).await;
    assert_eq!(body(&bob, &alice.session_id()).await, "edited");
}

async fn each_field_is_edited_independently(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let original = with(with(message(&alice, &bob, 1), "ext", "e"), "attach", r#"{"a":1}"#);
    let ext = with(without(edit(&alice, &bob, 1, 9, ""), "text"), "extension", "e9");
    let all = with(with(edit(&alice, &bob, 1, 5, "b5"), "extension", "e5"), "attachment", json!({"a": 5}));
    let sub_type = with(without(edit(&alice, &bob, 1, 3, ""), "text"), "subType", 7);
    t.deliver([&ext, &original, &all, &sub_type]).await;
    let expected = json!({"from": alice.account, "time": T0 + 1, "type": 0, "body": "b5", "ext": "e9", "attach": r#"{"a":5}"#,
                          "subType": "7", "fromClientType": "IOS", "msgIdClient": "c1", "msgIdServer": "m1",
                          "editTime": T0 + 9});
    assert_eq!(bob.last_msg(&alice).await, expected);
    let nothing = with(edit(&alice, &bob, 1, 10, ""), "text", Value::Null);
    assert!(t.post(&nothing).await.ok()["result"] == "ignored");
}

async fn early_edits_of_8_messages_are_pending(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for at in 1..=9 {
        t.deliver([&edit(&alice, &bob, at, 100 + at, "edited")]).await;
    }
    for at in 1..=9 {
        t.deliver([&message(&alice, &bob, at)]).await;
        let expected = if at == 1 { "text 1" } else { "edited" };
        assert_eq!(body(&bob, &alice.session_id()).await, expected, "message {at}");
    }
}

async fn a_bot_streams_its_reply_repeated_and_reversed(t: Test) {
    let (bot, bob) = (t.user("bot"), t.user("bob"));
    let group = super_team();
    t.patch_members(&group, 0, &[&bot, &bob], &[]).await;
    let so_far = |fragments: u64| "word ".repeat(usize::try_from(fragments).unwrap());
    let fragments: Vec<_> = (1..=50).map(|count| edit(&bot, &bob, 1, 1 + count, &so_far(count))).collect();
    let in_group: Vec<_> =
        (1..=50).map(|count| group_edit(&bot, &group, 1, 1 + count, &so_far(count))).collect();
    t.deliver([&message(&bot, &bob, 1), &group_message(&bot, &group, 1)]).await;
    for fragments in [&fragments, &in_group] {
        t.deliver(&fragments[..25]).await;
        t.deliver(fragments.iter().rev()).await;
        t.deliver(&fragments[10..20]).await;
    }
    for id in [bot.session_id(), group] {
        let last_msg = bob.last_msg_of(&id).await;
        assert_eq!((&last_msg["body"], &last_msg["editTime"]), (&json!(so_far(50)), &json!(T0 + 51)));
    }
}

async fn edits_obey_the_size_limits(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let long = with(message(&alice, &bob, 1), "ext", "e".repeat(2_049));
    let body = edit(&alice, &bob, 1, 5, &"你".repeat(10_000));
    t.deliver([&long, &body]).await;
    let last_msg = bob.last_msg(&alice).await;
    assert_eq!(
        (&last_msg["body"], &last_msg["truncated"]),
        (&json!("你".repeat(2_730)), &json!(["body", "ext"]))
    );
    t.deliver([&with(edit(&alice, &bob, 1, 6, "short"), "extension", "e")]).await;
    let last_msg = bob.last_msg(&alice).await;
    assert_eq!((&last_msg["ext"], last_msg.get("truncated")), (&json!("e"), None));
}

/// The messages carry member lists. A message whose list is the group item's takes one write while no edits are known, and two
/// afterwards.
async fn an_edit_before_a_membership_change_is_applied(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let team = team();
    let message_at = |at: u64, members: &[&User]| listing(group_message(&alice, &team, at), members);
    t.deliver([&message_at(1, &[&alice, &bob]), &group_edit(&alice, &team, 2, 5, "early")]).await;
    t.deliver([&group_edit(&alice, &team, 3, 6, "earlier"), &message_at(2, &[&alice, &bob])]).await;
    assert_eq!(body(&bob, &team).await, "early");
    t.deliver([&message_at(3, &[&alice, &carol])]).await;
    assert_eq!((bob.time_of(&team).await, carol.time_of(&team).await), (None, Some(T0 + 3)));
    assert_eq!(body(&carol, &team).await, "earlier");
}

async fn an_ext_set_before_an_early_edit_stays(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    bob.set_ext(&alice, "mine").await;
    t.deliver([&edit(&alice, &bob, 2, 5, "better")]).await;
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert_eq!((item.get("expiresAt"), &item["ext"]["S"]), (None, &json!("mine")));
    t.deliver([&message(&alice, &bob, 2)]).await;
    assert_eq!(body(&bob, &alice.session_id()).await, "better");
    assert_eq!(bob.get(&alice).await["ext"], "mine");
}

async fn the_cost_of_edits(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let units = async |copy: Value| {
        let response: Response = t.post(&on_time(copy.clone())).await;
        assert_eq!(response.body, json!({"result": "applied"}), "{copy}");
        super::capacity::units(&t, &response).await
    };
    // Each event writes the sender's and the receiver's item. Reading an item that does not exist costs as much as reading any
    // other.
    let both = |read: f64, write: f64| (2.0 * read, 2.0 * write);
    assert_eq!(units(edit(&alice, &bob, 2, 5, "x")).await, both(1.0, 1.0), "pending, on a new item");
    let first = units(message(&alice, &bob, 1)).await;
    assert_eq!(
        first,
        both(0.0, 1.0 + 2.0),
        "rejected, and the merged write of an item that shows nothing yet"
    );
    let pending = units(edit(&alice, &bob, 3, 6, "x")).await;
    assert_eq!(pending, both(1.0, 2.0), "pending, on an item that shows something");
    assert_eq!(units(message(&alice, &bob, 2)).await, both(0.0, 1.0 + 3.0), "rejected, and the merged write");
    assert_eq!(
        units(edit(&alice, &bob, 2, 7, "y")).await,
        both(1.0, 3.0),
        "of the held message: the first change time"
    );
    assert_eq!(units(edit(&alice, &bob, 2, 8, "z")).await, both(1.0, 4.0), "with a change time before");
    assert_eq!(units(edit(&alice, &bob, 2, 8, "z")).await, both(1.0, 0.0), "again");
    assert_eq!(units(message(&alice, &bob, 1)).await, both(0.0, 1.0), "a message that is not newer");
    let group = super_team();
    assert_eq!(
        units(group_edit(&alice, &group, 2, 5, "x")).await,
        (1.0, 1.0),
        "pending, on a new group item"
    );
    assert_eq!(units(group_message(&alice, &group, 2)).await, (0.0, 1.0 + 1.0));
    assert_eq!(units(group_edit(&alice, &group, 2, 6, "y")).await, (1.0, 1.0));
    assert_eq!(units(group_message(&alice, &group, 8)).await, (0.0, 1.0 + 1.0));
    assert_eq!(units(group_message(&alice, &group, 9)).await, (0.0, 1.0), "no edits are stored any more");
}

/// Whatever the texts contain, a stored text is at most as long as the parameter says, and the amendments at most twice as long.
async fn an_item_at_all_limits_is_as_long_as_the_parameter_says(t: Test) {
    for (limit, last_msg_bytes) in [("4096", 4_096), ("16384", 16_384), ("40960", 40_960)] {
        let limited = Test::at(t.app.with_parameters(&[("LastMsgBytes", limit)]).await);
        let (alice, bob) = limited.alice_and_bob();
        for (character, of_json) in [("\"", 2), ("\u{1}", 6), ("x", 1), ("你", 3)] {
            let (alice, bob) = limited.alice_and_bob();
            let full = character.repeat(21_000 / of_json);
            let all = |copy: Value, names: [&str; 4]| {
                names.into_iter().fold(copy, |copy, name| with(copy, name, full.clone()))
            };
            let copy = all(message(&alice, &bob, 1), ["body", "attach", "ext", "fromNick"]);
            limited.deliver([&all(copy, ["body", "subType", "fromClientType", "ext"])]).await;
            for at in 2..12 {
                let edit = edit(&alice, &bob, at, 100 + at, "");
                limited.deliver([&all(edit, ["text", "attachment", "extension", "subType"])]).await;
            }
            let item = t.item(&bob, &alice.session_id()).await.unwrap();
            let [last_msg, pending] = ["lastMsg", "amendments"].map(|name| item[name]["S"].as_str().unwrap());
            assert!(last_msg.len() <= last_msg_bytes + 4_096, "{limit}: {}", last_msg.len());
            let most = (2 * last_msg_bytes).min(64 * 1024);
            assert!(pending.len() <= most + 100, "{limit} of {character:?}: {}", pending.len());
            let shown: Value = serde_json::from_str(last_msg).unwrap();
            let truncated = json!(["body", "attach", "ext", "subType", "fromNick", "fromClientType"]);
            assert_eq!(shown["truncated"], truncated, "{limit} of {character:?}");
            assert!(full.starts_with(shown["body"].as_str().unwrap()));
        }
        limited.deliver([&edit(&alice, &bob, 2, 5, "better"), &message(&alice, &bob, 2)]).await;
        assert_eq!(bob.last_msg(&alice).await["body"], "better");
    }
}
