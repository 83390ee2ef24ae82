//! Message copies as they occur in practice: each is applied, ignored or dead-lettered, and none is lost silently.

use serde_json::{Value, json};
use session_local::{backend::signing::LOCAL_APP_KEY, emulator::clock};

use test_support::{
    copies::{T0, edit, group_message, listing, message, notification, recall, with, without},
    scenarios,
    test::{Test, User, super_team, team, with_signature},
};

scenarios![
    an_unreadable_copy_is_dead_lettered_and_changes_nothing,
    events_without_sessions_are_ignored,
    an_intercepted_message_is_shown_to_its_sender_only,
    an_intercepted_message_updates_the_members,
    the_creator_of_a_super_team_sees_it,
    a_kick_with_half_an_emoji_is_applied,
    a_malformed_member_list_leaves_the_team_unchanged,
    a_truncated_notification_counts_up_to_its_end,
    a_copy_of_1_mb_is_applied_and_its_strings_are_cut,
    ids_and_accounts_may_be_numbers,
    the_secret_alone_proves_the_sender,
    a_copy_from_the_future_is_dead_lettered_and_may_be_posted_again,
    an_old_signature_is_rejected,
];
scenarios![LOCAL_ONLY:
    invalid_utf8_is_harmless_in_an_unread_field,
    a_body_too_long_for_a_dead_letter_is_rejected,
    a_function_url_accepts_any_path_and_only_post,
    the_log_has_the_outcome_of_each_copy,
];

/// Asserts that the body is dead-lettered, for a reason that begins with this text.
async fn is_dead_lettered(t: &Test, body: impl Into<Vec<u8>>, reason: &str) {
    let body = body.into();
    let response = t.post_bytes(body.clone()).await.ok();
    let outcome = response["reason"].as_str().unwrap_or_else(|| panic!("{response}"));
    assert!(outcome.starts_with(reason), "{outcome:?} does not begin with {reason:?}");
    assert_eq!(t.dead_letter(&body).await, Some((outcome.to_owned(), body)));
}

async fn an_unreadable_copy_is_dead_lettered_and_changes_nothing(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let before = t.item(&bob, &alice.session_id()).await;
    let tomorrow = clock::now_ms() + 25 * 60 * 60 * 1000;
    let copy = message(&alice, &bob, 9);
    for field in ["eventType", "convType", "fromAccount", "to", "msgTimestamp", "msgType", "msgidServer"] {
        is_dead_lettered(&t, without(copy.clone(), field).to_string(), &format!("{field} is missing")).await;
        is_dead_lettered(
            &t,
            with(copy.clone(), field, json!([])).to_string(),
            &format!("{field} must be a string"),
        )
        .await;
    }
    let in_team = with(copy.clone(), "convType", "TEAM");
    for (copy, reason) in [
        (with(copy.clone(), "fromAccount", "a/b"), "fromAccount must not contain '/'"),
        (with(copy.clone(), "to", "a\u{0}b"), "to must not contain control characters"),
        (with(copy.clone(), "to", "x".repeat(256)), "to must be at most 255 bytes long"),
        (with(copy.clone(), "msgTimestamp", "0"), "msgTimestamp must be a time in milliseconds, not before"),
        (
            with(copy.clone(), "msgTimestamp", tomorrow),
            "msgTimestamp must be a time in milliseconds, not more",
        ),
        (with(copy, "msgidServer", "x".repeat(256)), "msgidServer must be at most 255 bytes long"),
        (with(in_team.clone(), "tMembers", "a, b"), "tMembers must be a list of accounts"),
        (with(in_team, "tMembers", "[]"), "tMembers must not be empty"),
        (without(recall(&alice, &bob, 1, 9), "deleteTime"), "deleteTime is missing"),
        (with(without(recall(&alice, &bob, 1, 9), "clientId"), "msgId", "0"), "msgId must not be 0"),
        (notification(&alice, &team(), 9, 1, &[]), "attach must name accounts in data.ids"),
    ] {
        is_dead_lettered(&t, copy.to_string(), reason).await;
    }
    for body in ["[]", "null", "hello", "{\"eventType\": \"1\"", "\u{feff}"] {
        is_dead_lettered(&t, body, "body must be a JSON object").await;
    }
    assert_eq!(t.item(&bob, &alice.session_id()).await, before);
    assert_eq!(bob.listed().await, [alice.session_id()], "and nothing new");
}

async fn events_without_sessions_are_ignored(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let copy = message(&alice, &bob, 1);
    let mut others = vec![json!({"a": 1})];
    others.extend(
        ["CUSTOM_PERSON", "CUSTOM_TEAM", "CHATROOM"].map(|name| with(copy.clone(), "convType", name)),
    );
    others.extend(["2", "3", "4", "5", "6", "9", "14"].map(|name| with(copy.clone(), "eventType", name)));
    for copy in others {
        assert!(t.post(&copy).await.ok()["result"] == "ignored", "{copy}");
    }
    assert!(alice.listed().await.is_empty() && bob.listed().await.is_empty());
}

async fn an_intercepted_message_is_shown_to_its_sender_only(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1), &with(message(&alice, &bob, 2), "antispam", "true")]).await;
    assert_eq!(alice.last_msg(&bob).await["msgIdServer"], "m2", "to her it looks sent");
    assert_eq!(bob.last_msg(&alice).await["msgIdServer"], "m1");
    t.deliver([&with(message(&alice, &bob, 3), "antispam", "false")]).await;
    assert_eq!(bob.last_msg(&alice).await["msgIdServer"], "m3");
}

async fn seen(user: &User, group: &str) -> Option<u64> {
    user.time_of(group).await.map(|time| time - T0)
}

async fn an_intercepted_message_updates_the_members(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    let intercepted = listing(notification(&alice, &team, 2, 1, &[&bob]), &[&alice, &bob, &carol]);
    t.deliver([&with(intercepted, "antispam", "1")]).await;
    assert_eq!((seen(&alice, &team).await, seen(&carol, &team).await), (Some(1), Some(1)), "no message");
    assert_eq!(seen(&bob, &team).await, Some(2), "an empty session, dated by their leaving");
    assert_eq!(bob.try_get(&team).await.ok()["lastMsg"], Value::Null);
    let super_team = super_team();
    t.patch_members(&super_team, 1, &[&alice, &bob], &[]).await;
    t.deliver([&group_message(&alice, &super_team, 2)]).await;
    let joins = notification(&alice, &super_team, 3, 401, &[&carol]);
    t.deliver([&with(joins, "antispam", json!(true))]).await;
    assert_eq!((seen(&bob, &super_team).await, seen(&carol, &super_team).await), (Some(2), Some(2)));
}

/// Two of Yunxin's official samples for a new super team: one is the bare information about the team, the other has the number of a
/// team's notification. The creator is a member without being an invitee.
async fn the_creator_of_a_super_team_sees_it(t: Test) {
    let (maker, owner) = (t.user("maker"), t.user("owner"));
    let guest = t.user("guest");
    let (bare, filled) = (super_team(), super_team());
    let new_team = with(
        notification(&maker, &bare, 1, 0, &[]),
        "attach",
        json!({"tinfo": {"1": "77", "3": "Our team", "5": owner.account}}),
    );
    t.deliver([&new_team, &group_message(&maker, &bare, 2)]).await;
    assert_eq!((seen(&maker, &bare).await, seen(&owner, &bare).await), (Some(2), Some(2)));
    let attach = json!({"id": 0, "data": {"ids": [guest.account], "tinfo": {"5": owner.account}}});
    t.deliver([&with(notification(&maker, &filled, 1, 0, &[]), "attach", attach)]).await;
    for user in [&maker, &owner, &guest] {
        assert_eq!(seen(user, &filled).await, Some(1));
    }
    // The owner transfers the team to an account that is not a member yet, and leaves.
    let heir = t.user("heir");
    let hands_over = json!({"id": 6, "data": {"id": heir.account}});
    t.deliver([
        &with(notification(&owner, &filled, 2, 6, &[]), "attach", hands_over),
        &notification(&owner, &filled, 3, 2, &[]),
        &group_message(&heir, &filled, 4),
    ])
    .await;
    for (user, expected) in [(&heir, 4), (&maker, 4), (&owner, 3)] {
        assert_eq!(seen(user, &filled).await, Some(expected));
    }
}

async fn a_kick_with_half_an_emoji_is_applied(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for (at, attach) in [
        // The emoji is cut within the attachment, and within the message copy itself.
        (3, r#"{\"id\": 1, \"data\": {\"ids\": [\"BOB\"], \"uinfos\": [{\"3\": \"Al\\ud83d\"}]}}"#),
        (5, r#"{\"id\": 1, \"data\": {\"ids\": [\"BOB\"], \"uinfos\": [{\"3\": \"Al\ud83d\"}]}}"#),
    ] {
        let team = team();
        t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
        let kick = listing(notification(&alice, &team, at, 1, &[]), &[&alice, &bob]);
        let text = with(kick, "attach", "ATTACH").to_string();
        let text = text.replace("ATTACH", &attach.replace("BOB", &bob.account));
        assert_eq!(t.post_bytes(text).await.ok(), json!({"result": "applied"}));
        t.deliver([&group_message(&alice, &team, at + 1)]).await;
        assert_eq!((seen(&bob, &team).await, seen(&alice, &team).await), (Some(at), Some(at + 1)));
    }
}

async fn a_malformed_member_list_leaves_the_team_unchanged(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    let names = [&*alice.account, &bob.account];
    for list in [
        format!("['{}', '{}']", names[0], names[1]),
        format!(r#"["{}", null]"#, names[0]),
        format!("{{{}, {}}}", names[0], names[1]),
    ] {
        let copy = with(group_message(&alice, &team, 2), "tMembers", list);
        is_dead_lettered(&t, copy.to_string(), "tMembers").await;
        assert_eq!((seen(&alice, &team).await, seen(&bob, &team).await), (Some(1), Some(1)));
    }
    t.deliver([&with(group_message(&alice, &team, 3), "tMembers", json!(names))]).await;
    assert_eq!((seen(&alice, &team).await, seen(&bob, &team).await), (Some(3), Some(3)), "as an array");
}

async fn a_truncated_notification_counts_up_to_its_end(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    let kick = |at: u64, attach: String| {
        listing(with(notification(&alice, &team, at, 1, &[]), "attach", attach), &[&alice, &bob])
    };
    let unreadable = kick(2, format!(r#"{{"id": 1, "data": {{"ids": ["{}""#, bob.account));
    is_dead_lettered(&t, unreadable.to_string(), "attach must name accounts in data.ids").await;
    assert_eq!(seen(&bob, &team).await, Some(1));
    t.deliver([&kick(3, format!(r#"{{"id": 1, "data": {{"ids": ["{}"], "uinfos": [{{"1": "#, bob.account))])
        .await;
    t.deliver([&group_message(&alice, &team, 4)]).await;
    assert_eq!(seen(&bob, &team).await, Some(3));
}

async fn a_copy_of_1_mb_is_applied_and_its_strings_are_cut(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let copy = with(message(&alice, &bob, 1), "aiParams", json!({"messages": "x".repeat(900_000)}));
    let copy = with(with(copy, "body", "你".repeat(10_000)), "ext", "e".repeat(5_000));
    t.deliver([&copy]).await;
    let last_msg = bob.last_msg(&alice).await;
    assert_eq!(last_msg["body"], "你".repeat(2_730));
    assert_eq!((&last_msg["ext"], &last_msg["truncated"]), (&Value::Null, &json!(["body", "ext"])));
    let recall = with(recall(&alice, &bob, 1, 2), "selfMsg", "a reason");
    t.deliver([&with(recall, "attach", json!({"why": 1}))]).await;
    let notice = bob.last_msg(&alice).await;
    assert_eq!((&notice["postscript"], &notice["attach"]), (&json!("a reason"), &json!(r#"{"why":1}"#)));
}

async fn ids_and_accounts_may_be_numbers(t: Test) {
    let bob = t.user("bob");
    let number = u64::from_str_radix(&bob.account[bob.account.len() - 8..], 16).unwrap() + (1 << 53);
    let other = t.known_user(&number.to_string());
    let copy = with(message(&bob, &bob, 1), "to", number);
    t.deliver([&with(copy, "msgidServer", json!(9_007_199_254_740_993_u64))]).await;
    assert_eq!(bob.last_msg(&other).await["msgIdServer"], "9007199254740993");
    let recall = with(recall(&bob, &other, 1, 5), "msgId", "9007199254740993");
    t.deliver([&recall]).await;
    assert_eq!(other.get(&bob).await["lastMsgType"], 1);
}

async fn the_secret_alone_proves_the_sender(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let body = message(&alice, &bob, 1).to_string();
    // Without AppKey and content type, with an unexpected query, and with `CurTime` in seconds.
    let request = t.feed_request(reqwest::Method::POST).query(&[("from", "console")]);
    let request = with_signature(request, &body, clock::now_ms() / 1_000);
    assert_eq!(t.send(request).await.ok(), json!({"result": "applied"}));
    assert!(bob.has(&alice).await);
}

async fn a_copy_from_the_future_is_dead_lettered_and_may_be_posted_again(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let minutes_ahead = |minutes: u64| clock::now_ms() + minutes * 60 * 1000;
    let recall = recall(&alice, &bob, 1, 2);
    for copy in [
        with(message(&alice, &bob, 2), "msgTimestamp", minutes_ahead(10)),
        with(recall, "deleteTime", minutes_ahead(23 * 60)),
        with(edit(&alice, &bob, 1, 2, "better"), "modifyTime", minutes_ahead(10)),
    ] {
        t.post(&copy).await.is_problem(503, "a time of the copy is more than 5 minutes ahead");
        let body = copy.to_string().into_bytes();
        assert_eq!(t.dead_letter(&body).await.map(|(_, body)| body), Some(body));
        assert_eq!(bob.last_msg(&alice).await["body"], "text 1");
    }
    t.deliver([&with(message(&alice, &bob, 2), "msgTimestamp", minutes_ahead(3))]).await;
    assert_eq!(bob.last_msg(&alice).await["msgIdServer"], "m2", "clocks differ by minutes");
}

async fn an_old_signature_is_rejected(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let body = message(&alice, &bob, 1).to_string();
    let days_ago = clock::now_ms() - 8 * 24 * 60 * 60 * 1000;
    let request = with_signature(t.feed_request(reqwest::Method::POST), &body, days_ago);
    t.send(request).await.is_problem(403, "CurTime must not be more than 7 days ago");
    assert!(!bob.has(&alice).await);
}

async fn invalid_utf8_is_harmless_in_an_unread_field(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let text = with(message(&alice, &bob, 1), "fromNick", "NICK").to_string();
    let bytes = |text: &str| -> Vec<u8> {
        let (before, after) = text.split_once("NICK").unwrap();
        [b"\xef\xbb\xbf", before.as_bytes(), b"Al\xff", after.as_bytes()].concat()
    };
    let response = t.post_bytes(bytes(&text)).await;
    let line = t.app.logs.of(&response.request_id).await;
    assert_eq!((response.ok(), &line["invalidUtf8"]), (json!({"result": "applied"}), &json!(true)));
    assert_eq!(bob.last_msg(&alice).await["fromNick"], "Al\u{fffd}");
    let account = with(message(&alice, &bob, 2), "to", "NICK").to_string();
    is_dead_lettered(&t, bytes(&account), "to must not hold a part of a character").await;
}

async fn a_body_too_long_for_a_dead_letter_is_rejected(t: Test) {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 26) as usize]
    });
    let body: Vec<u8> = noise.take(800_000).collect();
    t.post_bytes(&body[..400_000]).await.ok();
    let response = t.post_bytes(body).await;
    response.is_problem(413, "body cannot be applied, and is too long for a dead letter");
    let line = t.app.logs.of(&response.request_id).await;
    assert_eq!((&line["level"], &line["outcome"]), (&json!("ERROR"), &json!("rejected")));
}

async fn the_log_has_the_outcome_of_each_copy(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let line = async |copy: Value| {
        let response = t.post(&copy).await;
        t.app.logs.of(&response.request_id).await
    };
    let dead_lettered = line(without(message(&alice, &bob, 1), "to")).await;
    let expected = (json!("ERROR"), json!("dead-lettered"), json!("to is missing"), json!("m1"));
    let outcome = |line: &Value| {
        (line["level"].clone(), line["outcome"].clone(), line["cause"].clone(), line["msgId"].clone())
    };
    assert_eq!(outcome(&dead_lettered), expected);
    assert!(dead_lettered["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{dead_lettered}");
    let ignored = line(with(message(&alice, &bob, 1), "convType", "CHATROOM")).await;
    let why = json!("convType is none of PERSON, TEAM, SUPER_TEAM");
    assert_eq!(outcome(&ignored), (json!("INFO"), json!("ignored"), why, json!("m1")));
    let odd = line(with(notification(&alice, &team(), 1, 0, &[]), "attach", "{}")).await;
    assert_eq!((&odd["level"], &odd["unknownNotice"]), (&json!("INFO"), &json!(true)));
    let applied = line(message(&alice, &bob, 1)).await;
    assert_eq!((applied.get("outcome"), applied.get("unknownNotice")), (None, None));
    let forged = t.app.feed.signed_by(LOCAL_APP_KEY, "other");
    let forged = forged.post(&message(&alice, &bob, 2)).await.unwrap();
    let id = forged.headers()["apigw-requestid"].to_str().unwrap().to_owned();
    let rejected = t.app.logs.of(&id).await;
    let why = json!("CheckSum does not fit AppSecret, MD5 and CurTime");
    assert_eq!(outcome(&rejected), (json!("WARN"), json!("rejected"), why, Value::Null));
    let unsigned = t.feed_request(reqwest::Method::POST).body("unsigned");
    let line = t.app.logs.of(&t.send(unsigned).await.request_id).await;
    assert_eq!((line.get("outcome"), &line["cause"]), (None, &json!("MD5 is missing")), "nobody's alarm");
    let stripped = t.feed_request(reqwest::Method::POST).header("AppKey", LOCAL_APP_KEY).body("{\"a\": 1}");
    let line = t.app.logs.of(&t.send(stripped).await.request_id).await;
    let why = json!("MD5 is missing");
    assert_eq!((&line["outcome"], &line["cause"]), (&json!("rejected"), &why), "a proxy loses its headers");
}

/// A Function URL has no gateway in front of it that checks routes and methods.
async fn a_function_url_accepts_any_path_and_only_post(t: Test) {
    let function = t.app.service().function("RecordMessageFunction").unwrap();
    for (method, status) in [("POST", 200), ("GET", 405), ("PUT", 405), ("HEAD", 405), ("OPTIONS", 405)] {
        let http = json!({"method": method, "path": "/any/path", "sourceIp": "192.0.2.1"});
        let response = function
            .invoke(&json!({
                "version": "2.0", "routeKey": "$default", "rawPath": "/any/path", "rawQueryString": "a=b", "headers": {},
                "requestContext": {"http": http, "requestId": "r-1", "stage": "$default"}, "isBase64Encoded": false,
            }))
            .await
            .unwrap();
        assert_eq!(response["statusCode"], status, "{method}");
        assert_eq!(response["headers"].get("allow").is_some(), status == 405, "{method}");
    }
}
