//! Message copies under adverse conditions: full partitions, damaged items, mutated contents.

use proptest::{
    prelude::Rng,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use session_model::{
    Timestamp,
    feed::{Effect, FeedSettings, MessageCopy, NotApplied},
    group::MembershipEvent,
    register::{Message, Position},
};

use test_support::{
    copies::{
        T0, edit, group_edit, group_message, group_recall, listing, message, notification, recall, with,
    },
    fault_proxy::{Fault, FaultProxy},
    response::Response,
    scenarios,
    test::{Test, super_team, team},
};

scenarios![LOCAL_ONLY:
    a_full_partition_does_not_block_other_copies,
    a_damaged_item_does_not_block_other_copies,
    a_repaired_member_is_admitted_by_the_next_list,
    a_copy_that_cannot_be_dead_lettered_may_be_retried,
    a_thousand_mutated_copies_are_applied_or_dead_lettered_or_ignored,
];

/// Asserts that a message copy is dead-lettered because of an item that cannot be written.
async fn is_dead_lettered(t: &Test, copy: &Value, error: &str) {
    let reason = t.post(copy).await.ok()["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.ends_with(error), "{reason}");
    assert_eq!(t.dead_letter(copy.to_string().as_bytes()).await.map(|(reason, _)| reason), Some(reason));
}

async fn a_full_partition_does_not_block_other_copies(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    for code in ["ItemCollectionSizeLimitExceededException", "ValidationException"] {
        let (alice, bob) = t.alice_and_bob();
        let carol = t.user("carol");
        proxy.reject(&bob.account, code);
        is_dead_lettered(&behind, &message(&alice, &bob, 1), code).await;
        is_dead_lettered(&behind, &edit(&alice, &bob, 1, 2, "better"), code).await;
        assert!(!bob.has(&alice).await);
        assert_eq!(alice.last_msg(&bob).await["body"], "better", "her item is written");
        let team = team();
        let joins = listing(group_message(&alice, &team, 1), &[&alice, &bob, &carol]);
        is_dead_lettered(&behind, &joins, code).await;
        assert_eq!((carol.time_of(&team).await, bob.time_of(&team).await), (Some(T0 + 1), None));
        let group = super_team();
        let change = json!({"groupId": group, "time": T0, "add": [alice.account, bob.account]});
        let outcome = behind.try_update_members(reqwest::Method::PATCH, &group, &change).await.ok();
        let failure = json!({"account": bob.account, "code": 500, "detail": "the account's own session item cannot be written"});
        assert_eq!(outcome, json!({ "failed": [failure] }));
        t.deliver([&group_message(&alice, &group, 1)]).await;
        assert_eq!((alice.time_of(&group).await, bob.time_of(&group).await), (Some(T0 + 1), None));
    }
}

async fn a_damaged_item_does_not_block_other_copies(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let put = async |table: &str, item: Value| t.put_item(table, &item).await;
    let team = team();
    let session_item = json!({"userId": {"S": bob.account}, "sessionId": {"S": team},
                     "memberAt": {"N": (T0 + 9).to_string()}, "memberRank": {"S": "left"}});
    put("SessionsTable", session_item).await;
    let joins = listing(group_message(&alice, &team, 1), &[&alice, &bob, &carol]);
    is_dead_lettered(&t, &joins, "malformed item: attribute memberRank").await;
    assert_eq!(carol.time_of(&team).await, Some(T0 + 1));
    let session_item = json!({"userId": {"S": bob.account}, "sessionId": {"S": alice.session_id()}, "amendments": {"S": "no amendments"}});
    put("SessionsTable", session_item).await;
    for copy in [message(&alice, &bob, 1), edit(&alice, &bob, 1, 2, "better")] {
        is_dead_lettered(&t, &copy, "malformed item: attribute amendments").await;
    }
    assert_eq!(alice.last_msg(&bob).await["body"], "better");
    let damaged = super_team();
    put(
        "GroupsTable",
        json!({"groupId": {"S": damaged}, "listedAt": {"N": "5"}, "listKey": {"S": "no digest"}}),
    )
    .await;
    let copy = listing(group_message(&alice, &damaged, 1), &[&alice]);
    is_dead_lettered(&t, &copy, "malformed item: attribute listKey").await;
    // A member who is kicked stops being a member, whatever the group item contains.
    t.patch_members(&team, 20, &[&carol], &[]).await;
    put("GroupsTable", json!({"groupId": {"S": team}, "listedAt": {"S": "no time"}})).await;
    let kick = notification(&alice, &team, 30, 1, &[&carol]);
    assert_eq!(t.post(&kick).await.ok()["result"], "dead-lettered");
    assert_eq!(t.item(&carol, &team).await.unwrap().get("memberSince"), None);
    let change = json!({"groupId": team, "time": T0 + 40, "remove": [bob.account]});
    let outcome = t.try_update_members(reqwest::Method::PATCH, &team, &change).await.ok();
    let failure = json!({"code": 500, "detail": "the group's own item cannot be written"});
    assert_eq!(outcome, json!({ "failed": [failure] }));
}

/// Whichever list comes first after the repair: that of the replayed dead letter, the same one in the next message, or a `PUT`.
async fn a_repaired_member_is_admitted_by_the_next_list(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for next in ["replay", "message", "put"] {
        let team = team();
        let key = json!({"userId": {"S": bob.account}, "sessionId": {"S": team}});
        let damaged = with(key.clone(), "memberAt", json!({"N": (T0 + 9).to_string()}));
        let request = async |name: &str, field: &str, value: &Value| {
            let input = json!({"TableName": t.app.table("SessionsTable"), field: value});
            t.app.dynamodb().request(name, &input).await.expect("the engine responds");
        };
        request("PutItem", "Item", &with(damaged, "memberRank", json!({"S": "left"}))).await;
        let list = |at: u64| listing(group_message(&alice, &team, at), &[&alice, &bob]);
        is_dead_lettered(&t, &list(1), "malformed item: attribute memberRank").await;
        let group_item = t.group_item(&team).await.unwrap();
        assert_eq!(group_item["memberHashes"]["BS"].as_array().map(Vec::len), Some(1), "without Bob");
        assert_eq!(group_item.get("listKey"), None);
        let members = json!({"groupId": team, "time": T0 + 2, "members": [alice.account, bob.account]});
        let put = async || t.try_update_members(reqwest::Method::PUT, &team, &members).await.ok();
        if next == "put" {
            assert_eq!(put().await["failed"][0]["account"], bob.account);
        }
        request("DeleteItem", "Key", &key).await;
        match next {
            "replay" => t.deliver([&list(1)]).await,
            "message" => t.deliver([&list(2)]).await,
            _ => assert_eq!(put().await, json!({})),
        }
        assert_eq!(bob.time_of(&team).await, alice.time_of(&team).await, "{next}");
        let group_item = t.group_item(&team).await.unwrap();
        assert_eq!(group_item["memberHashes"]["BS"].as_array().map(Vec::len), Some(2), "{next}");
        assert!(group_item["listKey"].is_object(), "the list counts as exact: {next}");
        t.deliver([&list(3)]).await;
        assert_eq!(bob.time_of(&team).await, Some(T0 + 3));
    }
}

async fn a_copy_that_cannot_be_dead_lettered_may_be_retried(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    let copy = json!({"eventType": "1", "nonce": super_team()});
    for fault in [Fault::Throttle, Fault::InternalError] {
        proxy.set(fault);
        behind.post(&copy).await.is_problem(503, "the database");
    }
    proxy.set(Fault::None);
    assert_eq!(
        behind.post(&copy).await.ok(),
        json!({"result": "dead-lettered", "reason": "convType is missing"})
    );
}

/// Random numbers that are the same in every run.
struct Dice(TestRng);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0.next_u32() as usize % limit.max(1)
    }

    fn value(&mut self) -> Value {
        match self.below(9) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(17),
            3 => json!(-1.5e300),
            4 => json!([]),
            5 => json!({"id": 1, "data": {"ids": ["a"]}}),
            6 => json!(""),
            7 => json!("0"),
            _ => json!("[a, b]"),
        }
    }

    /// Mutates a message copy: removes one field, changes its type, nests it, or cuts off the end of its text.
    fn mutated(&mut self, copy: &Value) -> Value {
        let mut fields: Map<String, Value> = copy.as_object().expect("an object").clone();
        let names: Vec<String> = fields.keys().cloned().collect();
        let name = names[self.below(names.len())].clone();
        let value = fields[&name].clone();
        match self.below(5) {
            0 => drop(fields.remove(&name)),
            1 => drop(fields.insert(name, self.value())),
            2 => drop(fields.insert(name, json!([value]))),
            3 => drop(fields.insert(name, json!({ "x": value }))),
            _ => {
                if let Some(text) = value.as_str() {
                    let end = text.floor_char_boundary(self.below(text.len() + 1));
                    fields.insert(name, text[..end].into());
                }
            }
        }
        Value::Object(fields)
    }

    fn bytes(&mut self, copy: &Value) -> Vec<u8> {
        let copy = if self.below(3) == 0 { copy.clone() } else { self.mutated(copy) };
        let mut bytes = copy.to_string().into_bytes();
        match self.below(6) {
            0 | 1 => {
                for _ in 0..=self.below(3) {
                    let index = self.below(bytes.len());
                    bytes[index] = u8::try_from(self.below(256)).expect("a byte");
                }
            }
            2 => bytes.truncate(1 + self.below(bytes.len())),
            _ => {}
        }
        bytes
    }
}

async fn a_thousand_mutated_copies_are_applied_or_dead_lettered_or_ignored(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let (team, group) = (team(), super_team());
    let copies = |at: u64| {
        [
            with(message(&alice, &bob, at), "attach", r#"{"url": "x"}"#),
            recall(&alice, &bob, at, at + 1),
            listing(group_message(&alice, &team, at), &[&alice, &bob]),
            listing(notification(&alice, &team, at, 1, &[&bob]), &[&alice, &bob]),
            notification(&alice, &group, at, 401, &[&bob]),
            notification(&bob, &group, at, 403, &[]),
            group_recall(&alice, &group, at, at + 1),
            edit(&alice, &bob, at, at + 1, "better"),
            group_edit(&alice, &team, at, at + 1, "better"),
        ]
    };
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, b"a thousand copies of one feed 01"),
    );
    let mut dice = Dice(runner.new_rng());
    let mut fates = [0; 3];
    for chunk in 0..125 {
        let bodies: Vec<_> = (0..8)
            .map(|number| {
                let copies = copies(chunk * 8 + number);
                let copy = &copies[dice.below(copies.len())];
                dice.bytes(copy)
            })
            .collect();
        let responses =
            futures_util::future::join_all(bodies.iter().map(|body| t.post_bytes(body.clone()))).await;
        for (body, response) in bodies.iter().zip(&responses) {
            fates[fate(&t, body, response).await] += 1;
        }
    }
    assert!(fates.iter().all(|count| *count > 10), "applied, dead-lettered, ignored: {fates:?}");
}

/// Returns the outcome of a body, checked in the tables and in the log: 0 is applied, 1 dead-lettered, 2 ignored.
async fn fate(t: &Test, body: &[u8], response: &Response) -> usize {
    let shown = String::from_utf8_lossy(body);
    let read = MessageCopy::parse(&shown).map_err(NotApplied::from);
    let now = Timestamp::from_millis(session_local::emulator::clock::now_ms());
    let read = read.and_then(|copy| copy.event(now, FeedSettings::default()));
    let line = t.app.logs.of(&response.request_id).await;
    match read {
        Ok(event) if event.latest.is_ahead(now) => {
            assert_eq!((response.status, &line["outcome"]), (503, &json!("dead-lettered")), "{shown}");
            assert_eq!(t.dead_letter(body).await.map(|(_, reason)| reason), Some(body.to_vec()));
            1
        }
        Ok(event) => {
            assert_eq!((response.status, &response.body), (200, &json!({"result": "applied"})), "{shown}");
            is_applied(t, &event.effect).await;
            0
        }
        Err(NotApplied::Unreadable(why)) => {
            let why = why.to_string();
            assert_eq!(
                (response.status, &response.body),
                (200, &json!({ "result": "dead-lettered", "reason": why })),
                "{shown}"
            );
            assert_eq!((&line["outcome"], &line["cause"]), (&json!("dead-lettered"), &json!(why)));
            assert_eq!(t.dead_letter(body).await, Some((why, body.to_vec())));
            1
        }
        Err(NotApplied::Ignored(why)) => {
            assert_eq!(
                (response.status, &response.body),
                (200, &json!({ "result": "ignored", "reason": why })),
                "{shown}"
            );
            assert_eq!((&line["outcome"], &line["cause"]), (&json!("ignored"), &json!(why)));
            2
        }
    }
}

/// Asserts that every item that the effect concerns stores the effect or something newer.
async fn is_applied(t: &Test, effect: &Effect) {
    match effect {
        Effect::P2p { session_items, message } => {
            for (user, id) in session_items {
                holds(t.session_item(user.as_str(), id.as_str()).await.as_ref(), message);
            }
        }
        // An amendment of a message that is older than the stored state may leave no trace.
        Effect::AmendP2p { .. } | Effect::AmendGroup { .. } => {}
        Effect::Group { group, event } => {
            let MembershipEvent { time, message, list, joined, left, .. } = event;
            if let Some(message) = message {
                holds(t.group_item(group.as_str()).await.as_ref(), message);
            }
            if list.is_some() {
                let group_item = t.group_item(group.as_str()).await.expect("a group item");
                assert!(number(&group_item, "listedAt") >= time.as_millis());
            }
            // Accounts that join with a list are named in it. They have a session item unless a newer list is known.
            let joined = joined.iter().filter(|_| list.is_none());
            for user in joined.chain(left) {
                let session_item =
                    t.session_item(user.as_str(), group.as_str()).await.expect("a session item");
                assert!(
                    number(&session_item, "memberAt") >= time.as_millis(),
                    "{user} in {group}: {session_item}"
                );
            }
        }
    }
}

fn holds(item: Option<&Value>, message: &Message) {
    let item = item.expect("an item");
    let id = session_model::MessageId::from_canonical(item["msgId"]["S"].as_str().expect("an id"));
    let held = Position { time: Timestamp::from_millis(number(item, "msgTime")), id };
    assert!(held >= message.position, "{held:?} < {:?}", message.position);
}

fn number(item: &Value, name: &str) -> u64 {
    item[name]["N"].as_str().expect("a number").parse().expect("a number")
}
