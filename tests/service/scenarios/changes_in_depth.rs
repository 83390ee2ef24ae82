//! Difficult cases of changes: the bounds of a sync pass, many session items, and random histories.

use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};
use session_model::{
    SessionId, Timestamp,
    item::LATE_MS,
    reading::{PageRequest, SyncPass},
    register::{Message, Position},
};
use session_store::{Sessions, Settings, Store};

use super::group_reference::Posted;
use test_support::{
    copies::{T0, edit, group_message, listing, message, on_time, recall},
    device::Device,
    histories::explore,
    scenarios,
    test::{Test, User, super_team, team},
};

scenarios![random_histories_reach_devices];
scenarios![LOCAL_ONLY: the_bounds_of_a_sync_pass_are_inclusive, a_page_ends_even_if_it_only_skips_items];

/// A step of a history: an event that affects Bob's list, or a page of changes for one of Bob's devices.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Message {
        friend: usize,
        at: u64,
        on_time: bool,
    },
    Recall {
        friend: usize,
        at: u64,
        on_time: bool,
    },
    Edit {
        friend: usize,
        at: u64,
        later: u64,
    },
    /// With the version that a list shows, or without one.
    Delete {
        session: usize,
        seen: bool,
    },
    SetExt {
        session: usize,
        text: &'static str,
    },
    GroupMessage {
        at: u64,
        listed: Option<bool>,
        on_time: bool,
    },
    Members {
        at: u64,
        joins: bool,
    },
    Erase,
    /// Bob's item of the group cannot be read or written until it is repaired.
    Damage,
    /// The item is repaired, and what was not applied is sent again.
    Repair,
    Page {
        device: usize,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (friend, session) = (0..2_usize, 0..3_usize);
    prop_oneof![
        3 => (friend.clone(), 0..6u64, any::<bool>())
            .prop_map(|(friend, at, on_time)| Step::Message { friend, at, on_time }),
        1 => (friend.clone(), 0..6u64, any::<bool>())
            .prop_map(|(friend, at, on_time)| Step::Recall { friend, at, on_time }),
        2 => (friend, 0..6u64, 1..4u64).prop_map(|(friend, at, later)| Step::Edit { friend, at, later }),
        2 => (session.clone(), any::<bool>()).prop_map(|(session, seen)| Step::Delete { session, seen }),
        1 => (session, prop::sample::select(vec!["", "x", "y"]))
            .prop_map(|(session, text)| Step::SetExt { session, text }),
        3 => (0..6u64, proptest::option::of(any::<bool>()), any::<bool>())
            .prop_map(|(at, listed, on_time)| Step::GroupMessage { at: at * 3, listed, on_time }),
        1 => (0..6u64, any::<bool>()).prop_map(|(at, joins)| Step::Members { at: at * 3 + 1, joins }),
        1 => Just(Step::Erase),
        1 => Just(Step::Damage),
        1 => Just(Step::Repair),
        4 => (0..2_usize).prop_map(|device| Step::Page { device }),
    ]
}

async fn random_histories_reach_devices(t: Test) {
    explore(
        15,
        || prop::collection::vec(step(), 1..30),
        async |history: Vec<Step>| reaches_devices(&t, &history).await,
    );
}

async fn reaches_devices(t: &Test, history: &[Step]) -> Result<(), String> {
    let bob = t.user("bob");
    let (friends, group) = (["alice", "carol"].map(|name| t.quiet_user(name)), team());
    let sessions = [friends[0].session_id(), friends[1].session_id(), group.clone()];
    let mut devices = [Device::new(&bob, 1).await, Device::new(&bob, 100).await];
    // What was sent while Bob's item of the group was damaged.
    let (mut damaged, mut sent): (Option<Damaged>, Vec<Posted>) = (None, Vec::new());
    let timed = |copy: Value, is_on_time: bool| Posted::Copy(if is_on_time { on_time(copy) } else { copy });
    let names = |users: &[&User]| users.iter().map(|user| user.account.clone()).collect::<Vec<_>>();
    let change = |at: u64, add: &[&User], remove: &[&User]| {
        let body = json!({"groupId": group, "time": T0 + at, "add": names(add), "remove": names(remove)});
        Posted::Patch(group.clone(), body)
    };
    for step in history.iter().chain([&Step::Repair]) {
        let is_of_damaged = |session: usize| damaged.is_some() && session == 2;
        let posted = match *step {
            Step::Message { friend, at, on_time } => timed(message(&friends[friend], &bob, at), on_time),
            Step::Recall { friend, at, on_time } => {
                timed(recall(&friends[friend], &bob, at, at + 3), on_time)
            }
            Step::Edit { friend, at, later } => {
                timed(edit(&friends[friend], &bob, at, at + later, "v"), false)
            }
            Step::GroupMessage { at, listed, on_time } => {
                let copy = group_message(&friends[0], &group, at);
                let members: &[&User] =
                    if listed == Some(true) { &[&bob, &friends[0]] } else { &[&friends[0]] };
                timed(if listed.is_some() { listing(copy, members) } else { copy }, on_time)
            }
            Step::Members { at, joins: true } => change(at, &[&bob], &[]),
            Step::Members { at, joins: false } => change(at, &[], &[&bob]),
            Step::Delete { session, .. } | Step::SetExt { session, .. } if is_of_damaged(session) => continue,
            Step::Delete { session, seen } => {
                let id = &sessions[session];
                let shown = bob.try_get(id).await;
                match shown.body["version"].as_str().filter(|_| seen) {
                    Some(version) => bob.try_delete_version(id, version).await.ok(),
                    None => bob.try_delete(id).await.ok(),
                };
                continue;
            }
            Step::SetExt { session, text } => {
                let response = bob.patch(&sessions[session], &json!({ "ext": text })).await;
                // A member whom a newer list has dropped sees no session, whatever they set.
                assert!([200, 404].contains(&response.status), "{}", response.body);
                continue;
            }
            Step::Erase => {
                let outcome = t.try_erase(&json!({"account": bob.account})).await.ok();
                // The erasure goes on for 10 minutes, in which something may come back that was under way.
                assert_eq!(outcome["remaining"], true);
                // It deletes the damaged item, too.
                damaged = None;
                continue;
            }
            Step::Damage => {
                if damaged.is_none() {
                    damaged = Some(Damaged::new(t, &bob.account, &group).await);
                }
                continue;
            }
            Step::Repair => {
                if let Some(damaged) = damaged.take() {
                    damaged.repair().await;
                    for device in &mut devices {
                        // The operator raises the epoch of the sync tokens.
                        *device = device.begun_again().await;
                    }
                }
                for posted in sent.drain(..) {
                    post(t, &posted).await;
                }
                continue;
            }
            Step::Page { device } => {
                devices[device].sync_page().await;
                continue;
            }
        };
        post(t, &posted).await;
        if damaged.is_some() {
            sent.push(posted);
        }
    }
    for device in &mut devices {
        // The first sync completes a sync pass in progress. The check then syncs again, which fetches what that pass missed.
        device.sync_or_begin_again().await;
        device.check().await?;
    }
    Ok(())
}

/// Posts an event. While an item is damaged, the event may be applied only in part.
async fn post(t: &Test, posted: &Posted) {
    match posted {
        Posted::Copy(copy) => drop(t.post(copy).await.ok()),
        Posted::Patch(group, body) | Posted::Put(group, body) => {
            t.try_update_members(Method::PATCH, group, body).await.ok();
        }
    }
}

/// A session item of a group while it is damaged.
pub(super) struct Damaged {
    t: Test,
    account: String,
    group: String,
    original: Option<Value>,
}

impl Damaged {
    /// Damages the item so that no condition of a write holds on it, and nobody can read it.
    pub(super) async fn new(t: &Test, account: &str, group: &str) -> Self {
        let original = t.session_item(account, group).await;
        let late = json!({"N": Timestamp::MAX.to_string()});
        let mut item = json!({"memberAt": late, "memberRank": {"S": "damaged"}, "msgTime": late, "msgId": {"S": "damaged"}});
        if let Some(since) = original.as_ref().and_then(|item| item.get("memberSince")) {
            item["memberSince"] = since.clone();
        }
        let damaged = Self { t: t.clone(), account: account.to_owned(), group: group.to_owned(), original };
        damaged.put(item).await;
        damaged
    }

    /// Restores the item.
    pub(super) async fn repair(self) {
        if let Some(original) = &self.original {
            return self.put(original.clone()).await;
        }
        let input = json!({"TableName": self.t.app.table("SessionsTable"), "Key": self.key()});
        self.t.app.dynamodb().request("DeleteItem", &input).await.expect("the engine responds");
    }

    fn key(&self) -> Value {
        json!({"userId": {"S": self.account}, "sessionId": {"S": self.group}})
    }

    async fn put(&self, mut item: Value) {
        for (name, value) in self.key().as_object().into_iter().flatten() {
            item[name] = value.clone();
        }
        self.t.put_item("SessionsTable", &item).await;
    }
}

/// Connects to the store directly, so that a scenario can choose its times.
pub(super) fn store(t: &Test) -> Store {
    let settings = Settings {
        region: "us-east-1".into(),
        endpoint: Some(t.app.dynamodb().endpoint().to_owned()),
        sessions_table: t.app.table("SessionsTable").to_owned(),
        groups_table: t.app.table("GroupsTable").to_owned(),
        operation: "scenario",
        ..Settings::default()
    };
    Store::connect(settings).expect("a client")
}

/// Returns the sessions on all pages of a sync pass, and the number of pages.
async fn reported(
    sessions: Sessions<'_>,
    mut sync_pass: SyncPass,
    limit: &str,
    now: Timestamp,
) -> (Vec<String>, usize) {
    let of = PageRequest { limit: limit.parse().unwrap(), need_last_msg: false };
    let mut reported = Vec::new();
    for pages in 1.. {
        let page = sessions.changes(&sync_pass, of, now).await.unwrap().expect("nobody is erased");
        reported.extend(page.updated.iter().map(|session| session.session_id.to_string()));
        reported.extend(page.deleted.iter().map(SessionId::to_string));
        if !page.has_more {
            return (reported, pages);
        }
        sync_pass = page.next;
    }
    unreachable!()
}

async fn the_bounds_of_a_sync_pass_are_inclusive(t: Test) {
    let (store, bob) = (store(&t), t.user("bob").account.parse().unwrap());
    let sessions = store.sessions_of(&bob);
    let now = Timestamp::from_millis(T0);
    let sync_pass = SyncPass::after(now);
    let (since, least, end) =
        (sync_pass.since(), sync_pass.since().earlier_by(LATE_MS), now.later_by(60_000));
    let record = async |name: &str, sent: Timestamp, at: Timestamp| {
        let message = Message { position: Position { time: sent, id: "1".into() }, text: "{}".into() };
        sessions.record(&format!("p2p|{name}").parse().unwrap(), &message, at).await.unwrap();
    };
    // Items with a change time, whose messages are of long ago, and items that are found by their `updateTime` alone.
    let long_ago = Timestamp::from_millis(1_000_000);
    record("change time before P", long_ago, since.earlier_by(1)).await;
    record("change time at P", long_ago, since).await;
    record("change time at E", long_ago, end).await;
    record("change time after E", long_ago, end.later_by(1)).await;
    for (name, sent) in
        [("time before", least.earlier_by(1)), ("time at", least), ("time after", least.later_by(1))]
    {
        record(name, sent, sent).await;
    }
    let expected = ["p2p|change time at P", "p2p|change time at E", "p2p|time after", "p2p|time at"];
    for limit in ["1", "2", "100"] {
        assert_eq!(reported(sessions, sync_pass.clone(), limit, now).await.0, expected, "{limit} a page");
    }
    let next = SyncPass::after(end);
    assert_eq!(
        reported(sessions, next, "100", end.later_by(1)).await.0[0],
        "p2p|change time at E",
        "and the rest next time"
    );
}

async fn a_page_ends_even_if_it_only_skips_items(t: Test) {
    let bob = t.user("bob");
    let device = Device::new(&bob, 100).await;
    let members = json!([bob.account]);
    let groups: Vec<_> = (0..1_100).map(|_| super_team()).collect();
    stream::iter(&groups)
        .for_each_concurrent(8, async |group| {
            let body = json!({"groupId": group, "time": T0, "add": members});
            t.try_update_members(Method::PATCH, group, &body).await.ok();
        })
        .await;
    let first = device.page(&device.token).await;
    let reported = (&first["updated"], &first["deleted"], &first["hasMore"]);
    assert_eq!(
        reported,
        (&json!([]), &json!([]), &json!(true)),
        "a thousand items of members are reported with their groups"
    );
    let second = device.page(first["syncToken"].as_str().unwrap()).await;
    assert_eq!(second["deleted"].as_array().map(Vec::len), Some(100), "groups without a message");
}
