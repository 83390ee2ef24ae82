//! The functions and the engine, compared with a pure reference. In whatever order, however often and however late the feed's
//! events arrive between two actions of a user, all users end up seeing what the reference predicts.
//!
//! There are two references. One hears the events as they are delivered, and predicts everything. The other hears each event once and
//! in order, and predicts every message that is shown. Only an empty session may depend on the order: a user who was a member before
//! a newer list dropped them sees none, and a user who was never known as a member does.

use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};
use session_model::{
    SessionId, Timestamp,
    item::{Deleted, Version},
};

use super::group_reference::{Posted, Reference};
use test_support::{
    copies::{
        T0, edit, group_edit, group_message, group_recall, listing, message, notification, now, recall,
    },
    histories::explore,
    scenarios,
    test::{Test, User, super_team, team},
};

scenarios![every_user_sees_what_the_reference_predicts];

/// An event of the feed, with its users and groups by number.
#[derive(Clone, Debug)]
enum Event {
    P2p { step: usize, at: u64, recalled: bool },
    Text { group: usize, at: u64, listed: Option<u8>, recalled: bool },
    Edit { group: Option<usize>, at: u64, later: u64, text: &'static str },
    Notice { group: usize, at: u64, kind: usize },
    Patch { group: usize, at: u64, whom: usize, joins: bool },
    Put { group: usize, at: u64, members: u8 },
}

/// An action of a user.
#[derive(Clone, Debug)]
enum Action {
    Delete { user: usize, session: usize, version: Seen },
    SetExt { user: usize, session: usize, ext: &'static str },
}

/// The version with which a user deletes.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Nothing,
    /// What the list shows.
    Shown,
    /// What the list showed before the events of this phase.
    Before,
}

/// Some events, in the order of their delivery, and then an action.
#[derive(Clone, Debug)]
struct Phase {
    events: Vec<Event>,
    order: Vec<prop::sample::Index>,
    action: Action,
}

fn events(phase: u64) -> impl Strategy<Value = Event> {
    // Later phases may still get events of earlier times. There is one message per time and group.
    let at = (0..8u64).prop_map(move |at| phase * 4 + at);
    prop_oneof![
        (1..3usize, at.clone(), any::<bool>()).prop_map(|(step, at, recalled)| Event::P2p {
            step,
            at,
            recalled
        }),
        (0..2usize, at.clone(), proptest::option::of(0..8u8), any::<bool>())
            .prop_map(|(group, at, listed, recalled)| Event::Text { group, at: at * 10, listed, recalled }),
        (proptest::option::of(0..2usize), at.clone(), 0..9u64, prop::sample::select(vec!["v", "w"]))
            .prop_map(|(group, at, later, text)| Event::Edit { group, at: at * 10, later, text }),
        (0..2usize, at.clone(), 0..4usize).prop_map(|(group, at, kind)| Event::Notice {
            group,
            at: at * 10 + 1 + kind as u64,
            kind
        }),
        // At the time of a message, of a notification, or at a time of their own.
        (0..2usize, at.clone(), 0..7u64, 0..3usize, any::<bool>()).prop_map(
            |(group, at, after, whom, joins)| Event::Patch { group, at: at * 10 + after, whom, joins }
        ),
        (0..2usize, at, 0..8u64, 0..8u8).prop_map(|(group, at, after, members)| Event::Put {
            group,
            at: at * 10 + after,
            members
        }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0..3usize, 0..5usize, prop::sample::select(vec![Seen::Nothing, Seen::Shown, Seen::Before]))
            .prop_map(|(user, session, version)| Action::Delete { user, session, version }),
        (0..3usize, 0..5usize, prop::sample::select(vec!["", "x", "y"]))
            .prop_map(|(user, session, ext)| Action::SetExt { user, session, ext }),
    ]
}

fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let phase = |number: u64| {
        (
            prop::collection::vec(events(number), 1..6),
            prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            action(),
        )
            .prop_map(|(events, order, action)| Phase { events, order, action })
    };
    (phase(0), phase(1), phase(2)).prop_map(|(first, second, third)| vec![first, second, third])
}

struct World {
    test: Test,
    users: [User; 3],
    groups: [String; 2],
}

impl World {
    fn posted(&self, events: &Event) -> Posted {
        let members = |bits: u8| -> Vec<&User> {
            self.users
                .iter()
                .enumerate()
                .filter(|(number, _)| bits & (1 << number) != 0)
                .map(|(_, user)| user)
                .collect()
        };
        let names = |users: Vec<&User>| users.iter().map(|user| user.account.clone()).collect::<Vec<_>>();
        let [a, b, c] = &self.users;
        match *events {
            Event::P2p { step, at, recalled } => {
                // There is one message per time, so its sender follows from the time.
                let from = (at % 3) as usize;
                let (from, to) = (&self.users[from], &self.users[(from + step) % 3]);
                Posted::Copy(if recalled { recall(from, to, at, at + 100) } else { message(from, to, at) })
            }
            Event::Text { group, at, recalled: true, .. } => {
                Posted::Copy(group_recall(a, &self.groups[group], at, at + 100))
            }
            Event::Text { group, at, listed, .. } => {
                let copy = group_message(a, &self.groups[group], at);
                // Only teams have lists, and a message has one list, which is not empty.
                let bits = listed.filter(|_| group == 0).map(|_| u8::try_from(at % 7 + 1).expect("few bits"));
                Posted::Copy(bits.map_or(copy.clone(), |bits| listing(copy, &members(bits))))
            }
            Event::Edit { group: Some(group), at, later, text } => {
                Posted::Copy(group_edit(a, &self.groups[group], at, at + later, text))
            }
            Event::Edit { group: None, at, later, text } => {
                let at = at / 10;
                let from = (at % 3) as usize;
                let (from, to) = (&self.users[from], &self.users[(from + 1) % 3]);
                Posted::Copy(edit(from, to, at, at + later, text))
            }
            Event::Notice { group, at, kind } => {
                // A message has one content, so the user that it names follows from its time.
                let (whom, listed) = (&self.users[(at / 10 % 3) as usize], group == 0 && at / 10 % 2 == 0);
                let id = [[0, 1, 2, 4], [401, 402, 403, 405]][group][kind];
                let copy = notification(whom, &self.groups[group], at, id, &[whom]);
                Posted::Copy(if listed { listing(copy, &[a, b, c]) } else { copy })
            }
            Event::Patch { group, at, whom, joins } => {
                let (add, remove) =
                    if joins { (vec![&self.users[whom]], vec![]) } else { (vec![], vec![&self.users[whom]]) };
                let group = &self.groups[group];
                let body =
                    json!({"groupId": group, "time": T0 + at, "add": names(add), "remove": names(remove)});
                Posted::Patch(group.clone(), body)
            }
            Event::Put { group, at, members: bits } => {
                let group = &self.groups[group];
                let body = json!({"groupId": group, "time": T0 + at, "members": names(members(bits))});
                Posted::Put(group.clone(), body)
            }
        }
    }

    /// Posts an event. Every item of a group that it changes must get a change time, except for an amendment that is still pending.
    async fn post(&self, posted: &Posted) {
        let (before, now) = (self.items().await, now().as_millis());
        self.send(posted).await;
        for (item, before) in self.items().await.iter().zip(&before) {
            let change_time =
                item["changeTime"]["N"].as_str().and_then(|change_time| change_time.parse::<u64>().ok());
            let is_pending =
                item["lastMsg"] == before["lastMsg"] && item["amendments"] != before["amendments"];
            assert!(
                item == before || is_pending || change_time >= Some(now),
                "{posted:?} turned {before} into {item}"
            );
        }
    }

    /// Returns the group items, and the users' session items of the groups.
    async fn items(&self) -> Vec<Value> {
        let item = async |group: &String, user: Option<&User>| match user {
            Some(user) => self.test.item(user, group).await.unwrap_or_default(),
            None => self.test.group_item(group).await.unwrap_or_default(),
        };
        let users: Vec<Option<&User>> = self.users.iter().map(Some).chain([None]).collect();
        let all = self.groups.iter().flat_map(|group| users.iter().map(move |user| (group, *user)));
        futures_util::future::join_all(all.map(|(group, user)| item(group, user))).await
    }

    async fn send(&self, posted: &Posted) {
        let t = &self.test;
        let response = match posted {
            Posted::Copy(copy) => t.post(copy).await,
            Posted::Patch(group, body) => t.try_update_members(Method::PATCH, group, body).await,
            Posted::Put(group, body) => t.try_update_members(Method::PUT, group, body).await,
        };
        let response = response.ok();
        match posted {
            Posted::Copy(_) => assert_eq!(response, json!({"result": "applied"}), "{posted:?}"),
            Posted::Patch(..) | Posted::Put(..) => assert_eq!(response.get("failed"), None, "{posted:?}"),
        }
    }

    /// Returns the id of a session by number: one with each user, and one of each group.
    fn session(&self, number: usize) -> SessionId {
        let text = match number {
            0..=2 => self.users[number].session_id(),
            _ => self.groups[number - 3].clone(),
        };
        text.parse().unwrap()
    }
}

async fn every_user_sees_what_the_reference_predicts(t: Test) {
    explore(8, phases, async |phases: Vec<Phase>| agree(&t, &phases).await);
}

async fn agree(t: &Test, phases: &[Phase]) -> Result<(), String> {
    let world = World {
        test: t.clone(),
        users: ["a", "b", "c"].map(|name| t.user(name)),
        groups: [team(), super_team()],
    };
    let (reference, in_order) = (Reference::default(), Reference::default());
    let mut heard: Vec<Posted> = Vec::new();
    for phase in phases {
        let before = match phase.action {
            Action::Delete { user, session, .. } => version_of(&world, &reference, user, session),
            Action::SetExt { .. } => None,
        };
        let new: Vec<_> = phase.events.iter().map(|events| world.posted(events)).collect();
        for posted in &new {
            in_order.hear(posted);
        }
        heard.extend(new.clone());
        // In reverse order, and with repeats of earlier events before, between and after them.
        let mut delivered: Vec<_> = new.into_iter().rev().collect();
        for index in &phase.order {
            delivered.insert(index.index(delivered.len() + 1), heard[index.index(heard.len())].clone());
        }
        for posted in &delivered {
            reference.hear(posted);
            world.post(posted).await;
        }
        compare(&world, &reference, &in_order).await.map_err(|wrong| format!("after the feed, {wrong}"))?;
        act(&world, [&reference, &in_order], &phase.action, before.as_ref()).await?;
        compare(&world, &reference, &in_order)
            .await
            .map_err(|wrong| format!("after {:?}, {wrong}", phase.action))?;
    }
    Ok(())
}

/// The version of a session as its user sees it, if they see one.
fn version_of(world: &World, reference: &Reference, user: usize, session: usize) -> Option<Version> {
    let seen = reference.seen(&world.users[user].account, &world.session(session));
    seen["version"].as_str().map(|version| version.parse().unwrap())
}

async fn act(
    world: &World,
    [reference, in_order]: [&Reference; 2],
    action: &Action,
    before: Option<&Version>,
) -> Result<(), String> {
    match *action {
        Action::Delete { user, session, version } => {
            let shown = version_of(world, reference, user, session);
            let version = match version {
                Seen::Nothing => None,
                Seen::Shown => shown.as_ref(),
                Seen::Before => before,
            };
            let (user, id) = (&world.users[user], world.session(session));
            let response = match version {
                Some(version) => user.try_delete_version(id.as_str(), &version.to_string()).await.ok(),
                None => user.try_delete(id.as_str()).await.ok(),
            };
            in_order.delete(&user.account, &id, version);
            let expected = match reference.delete(&user.account, &id, version) {
                Deleted::Done => json!({"deleted": [id], "newer": [], "failed": []}),
                Deleted::Newer => json!({"deleted": [], "newer": [id], "failed": []}),
            };
            if response != expected {
                return Err(format!("{action:?} with {version:?} returns {response}, not {expected}"));
            }
        }
        Action::SetExt { user, session, ext } => {
            let (user, id) = (&world.users[user], world.session(session));
            let response = user.patch(id.as_str(), &json!({ "ext": ext })).await;
            // If the rule uses the clock, it must be the time that the service read.
            let item = world.test.item(user, id.as_str()).await.unwrap();
            let now = Timestamp::from_millis(item["updateTime"]["N"].as_str().unwrap().parse().unwrap());
            for reference in [reference, in_order] {
                reference.on_item(&user.account, &id, |session_item| {
                    session_item.set_ext(ext.parse().unwrap(), now);
                });
            }
            let seen = reference.seen(&user.account, &id);
            let returned = if response.status == 404 { Value::Null } else { response.ok() };
            if returned != seen {
                return Err(format!("{action:?} returns {returned}, not {seen}"));
            }
        }
    }
    Ok(())
}

async fn compare(world: &World, reference: &Reference, in_order: &Reference) -> Result<(), String> {
    for user in &world.users {
        let list = user.list("").await["sessionList"].take();
        let mut expected = Vec::new();
        for id in (0..5).map(|number| world.session(number)) {
            let (seen, response) = (reference.seen(&user.account, &id), user.try_get(id.as_str()).await);
            let ordered = in_order.seen(&user.account, &id);
            let message = |session: &Value| match &session["lastMsg"] {
                Value::Null => Value::Null,
                last_msg => json!([last_msg, session["updateTime"], session["version"]]),
            };
            if message(&seen) != message(&ordered) {
                return Err(format!("{} sees {seen} of {id}, but {ordered} in order", user.account));
            }
            let got = if response.status == 404 { Value::Null } else { response.ok() };
            if got != seen {
                return Err(format!("{} sees {got} of {id}, not {seen}", user.account));
            }
            expected.extend((!seen.is_null()).then_some(seen));
        }
        let listed = list.as_array().unwrap();
        if listed.len() != expected.len() || expected.iter().any(|session| !listed.contains(session)) {
            return Err(format!("{} lists {listed:?}, not {expected:?}", user.account));
        }
    }
    Ok(())
}
