//! The store on an engine, without functions in front of it. After a random history, the list equals that of the pure reference,
//! and devices that synced on the way show it.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use serde_json::{Value, json};
use session_model::{
    Account, RecentSession, SessionId, Timestamp,
    feed::Effect,
    reading::{Limit, ListQuery, PageRequest, SyncPass},
};
use session_store::{Store, StoreError};
use tokio::time::sleep;

use super::{
    changes_in_depth::{Damaged, Step, step, store},
    group_reference::{Posted, Reference},
};
use test_support::{
    copies::{T0, edit, event_of, group_message, listing, message, now, on_time, recall},
    histories::explore,
    scenarios,
    test::{Test, User, team},
};

/// The maximum number of attempts per step. On a machine that is busy with other work, a request may take longer than an attempt
/// may.
const MAX_TRIES: u32 = 5;
/// How long devices rest: longer than a pass may take without being followed by another one.
const REST_MS: u64 = 11_000;

scenarios![the_store_agrees_with_the_reference_and_reaches_devices];

async fn the_store_agrees_with_the_reference_and_reaches_devices(t: Test) {
    let store = store(&t);
    explore(
        100,
        || proptest::collection::vec(step(), 1..20),
        async |history: Vec<Step>| World::new(&t, &store).run(&history).await,
    );
}

fn may_pass(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Throttled(_))
}

/// A device's copy of the list, and its sync pass.
struct Device {
    limit: Limit,
    sessions: BTreeMap<SessionId, RecentSession>,
    sync_pass: SyncPass,
    /// Whether the sync pass has pages left.
    is_under_way: bool,
}

struct World<'a> {
    t: &'a Test,
    store: &'a Store,
    /// While Bob's item of the group is damaged, what was sent meanwhile.
    damaged: Mutex<Option<(Damaged, Vec<Posted>)>>,
    /// What was sent while an item was damaged, and is to be sent again.
    sent: Mutex<Vec<Posted>>,
    reference: Reference,
    bob: User,
    user: Account,
    friends: [User; 2],
    group: String,
    sessions: [SessionId; 3],
}

impl<'a> World<'a> {
    fn new(t: &'a Test, store: &'a Store) -> Self {
        let [bob, alice, carol] = ["bob", "alice", "carol"].map(|name| t.quiet_user(name));
        let (friends, group) = ([alice, carol], team());
        let sessions = [friends[0].session_id(), friends[1].session_id(), group.clone()];
        let sessions = sessions.map(|id| id.parse().expect("an id"));
        let account = bob.account.parse().expect("an account");
        Self {
            t,
            store,
            damaged: Mutex::default(),
            sent: Mutex::default(),
            reference: Reference::default(),
            user: account,
            bob,
            friends,
            group,
            sessions,
        }
    }

    async fn run(&self, history: &[Step]) -> Result<(), String> {
        let sync_pass = SyncPass::after(now());
        let mut devices = ["1", "100"].map(|limit| Device {
            limit: limit.parse().expect("a limit"),
            sessions: BTreeMap::new(),
            sync_pass: sync_pass.clone(),
            is_under_way: false,
        });
        for step in history.iter().chain([&Step::Repair]) {
            // All attempts use the same time, so that repeating a completed request has no other effect.
            let now = now();
            let mut tries = 0;
            while let Err(error) = self.step(step, now, &mut devices).await {
                tries += 1;
                if !may_pass(&error) || tries == MAX_TRIES {
                    return Err(format!("{step:?}: {error}"));
                }
                // An abandoned attempt may still be in progress.
                sleep(Duration::from_secs(1)).await;
            }
        }
        let listed = self.list().await.map_err(|error| error.to_string())?;
        let seen: BTreeMap<_, _> = self
            .sessions
            .iter()
            .map(|id| (id.clone(), self.reference.seen(&self.bob.account, id)))
            .filter(|(_, seen)| !seen.is_null())
            .collect();
        let as_json: BTreeMap<_, Value> =
            listed.iter().map(|(id, session)| (id.clone(), json!(session))).collect();
        if as_json != seen {
            return Err(format!("it lists {as_json:?}, not {seen:?}"));
        }
        for device in &mut devices {
            // The device rests in the middle of a sync pass. What the pass missed comes with the one that follows it.
            let synced = async {
                if !device.is_under_way {
                    self.sync(device, 0).await?;
                }
                while device.is_under_way {
                    self.sync(device, REST_MS).await?;
                }
                Ok::<_, StoreError>(())
            };
            synced.await.map_err(|error| error.to_string())?;
            if device.sessions != listed {
                return Err(format!("a device shows {:?}, not {listed:?}", device.sessions));
            }
        }
        Ok(())
    }

    async fn list(&self) -> Result<BTreeMap<SessionId, RecentSession>, StoreError> {
        let all = ListQuery::new(None, None, None, Limit::MAX, true).expect("a query");
        let list = self.store.sessions_of(&self.user).list(&all, now()).await?;
        Ok(list.session_list.into_iter().map(|session| (session.session_id.clone(), session)).collect())
    }

    /// Fetches one page of changes, `rested` milliseconds later than now.
    async fn sync(&self, device: &mut Device, rested: u64) -> Result<(), StoreError> {
        let of = PageRequest { limit: device.limit, need_last_msg: true };
        let at = now().later_by(rested);
        let Some(page) = self.store.sessions_of(&self.user).changes(&device.sync_pass, of, at).await? else {
            // The user was erased.
            return self.begin_again(device, at).await;
        };
        device.sessions.extend(page.updated.into_iter().map(|session| (session.session_id.clone(), session)));
        for id in page.deleted {
            device.sessions.remove(&id);
        }
        device.sync_pass = page.next;
        device.is_under_way = page.has_more;
        Ok(())
    }

    async fn step(&self, step: &Step, now: Timestamp, devices: &mut [Device; 2]) -> Result<(), StoreError> {
        let Self { bob, friends, group, .. } = self;
        let is_damaged = self.damaged.lock().unwrap().is_some();
        let timed = |copy: Value, is_on_time: bool| if is_on_time { on_time(copy) } else { copy };
        let members = |at: u64, add: &[&User], remove: &[&User]| {
            let names = |users: &[&User]| users.iter().map(|user| user.account.clone()).collect::<Vec<_>>();
            Posted::Patch(group.clone(), json!({"time": T0 + at, "add": names(add), "remove": names(remove)}))
        };
        let posted = match *step {
            Step::Message { friend, at, on_time } => {
                Posted::Copy(timed(message(&friends[friend], bob, at), on_time))
            }
            Step::Recall { friend, at, on_time } => {
                Posted::Copy(timed(recall(&friends[friend], bob, at, at + 3), on_time))
            }
            Step::Edit { friend, at, later } => {
                Posted::Copy(edit(&friends[friend], bob, at, at + later, "v"))
            }
            Step::GroupMessage { at, listed, on_time } => {
                let copy = group_message(&friends[0], group, at);
                let members: &[&User] =
                    if listed == Some(true) { &[bob, &friends[0]] } else { &[&friends[0]] };
                Posted::Copy(timed(if listed.is_some() { listing(copy, members) } else { copy }, on_time))
            }
            Step::Members { at, joins: true } => members(at, &[bob], &[]),
            Step::Members { at, joins: false } => members(at, &[], &[bob]),
            Step::Delete { session: 2, .. } | Step::SetExt { session: 2, .. } if is_damaged => return Ok(()),
            Step::Delete { session, seen } => {
                let id = &self.sessions[session];
                // If the step is repeated, its first attempt may have deleted the session. Then there is no version.
                let shown = self.store.sessions_of(&self.user).get(id).await?;
                let version = shown.map(|session| session.version).filter(|_| seen);
                self.store.sessions_of(&self.user).delete(id, version.as_ref(), now).await?;
                self.reference.delete(&bob.account, id, version.as_ref());
                return Ok(());
            }
            Step::SetExt { session, text } => {
                let (id, ext) = (&self.sessions[session], text.parse().expect("a text"));
                self.store.sessions_of(&self.user).set_ext(id, &ext, now).await?;
                self.reference.on_item(&bob.account, id, |session_item| session_item.set_ext(ext, now));
                return Ok(());
            }
            Step::Erase => {
                let sessions = self.store.sessions_of(&self.user);
                while sessions.erase(1_000, Duration::from_secs(3), now).await?.again_in
                    == Some(Duration::ZERO)
                {}
                self.reference.erase(&bob.account, now);
                // The damaged item is deleted, too. What was sent meanwhile is sent again at the end.
                if let Some((_, sent)) = self.damaged.lock().unwrap().take() {
                    self.reference.set_damaged(None);
                    self.sent.lock().unwrap().extend(sent);
                }
                return Ok(());
            }
            Step::Damage => {
                if !is_damaged {
                    let damaged = Damaged::new(self.t, &bob.account, group).await;
                    *self.damaged.lock().unwrap() = Some((damaged, Vec::new()));
                    self.reference.set_damaged(Some(&bob.account));
                }
                return Ok(());
            }
            Step::Repair => return self.repair(now, devices).await,
            Step::Page { device } => return self.sync(&mut devices[device], 0).await,
        };
        self.reference.hear(&posted);
        self.apply(&posted, now).await?;
        if let Some((_, sent)) = &mut *self.damaged.lock().unwrap() {
            sent.push(posted);
        }
        Ok(())
    }

    /// Restores the damaged item, and sends again what was sent meanwhile. Devices begin again, since the operator raises the epoch of
    /// the sync tokens.
    async fn repair(&self, now: Timestamp, devices: &mut [Device; 2]) -> Result<(), StoreError> {
        let damaged = self.damaged.lock().unwrap().take();
        if let Some((damaged, sent)) = damaged {
            damaged.repair().await;
            self.reference.set_damaged(None);
            self.sent.lock().unwrap().extend(sent);
            for device in devices {
                self.begin_again(device, now).await?;
            }
        }
        let sent = self.sent.lock().unwrap().clone();
        for posted in &sent {
            self.reference.hear(posted);
            self.apply(posted, now).await?;
        }
        self.sent.lock().unwrap().clear();
        Ok(())
    }

    async fn begin_again(&self, device: &mut Device, now: Timestamp) -> Result<(), StoreError> {
        device.sessions = self.list().await?;
        device.sync_pass = SyncPass::after(now);
        device.is_under_way = false;
        Ok(())
    }

    /// Applies an event as the functions do, except to the session items of other users, which are not checked.
    async fn apply(&self, posted: &Posted, now: Timestamp) -> Result<(), StoreError> {
        let store = self.store;
        match posted {
            Posted::Copy(copy) => match event_of(copy).effect {
                Effect::P2p { session_items, message } => {
                    if self.is_erased(message.position.time, now).await? {
                        return Ok(());
                    }
                    store.sessions_of(&self.user).record(self.own(&session_items), &message, now).await
                }
                Effect::AmendP2p { session_items, amendment } => {
                    if self.is_erased(amendment.time(), now).await? {
                        return Ok(());
                    }
                    store.sessions_of(&self.user).amend(self.own(&session_items), &amendment, now).await
                }
                Effect::Group { group, event } => store.group(&group, now).apply(&event).await.map(drop),
                Effect::AmendGroup { group, amendment } => store.group(&group, now).amend(&amendment).await,
            },
            Posted::Patch(group, body) | Posted::Put(group, body) => {
                let (group, event) = Reference::members_event(group, body);
                store.group(&group, now).apply(&event).await.map(drop)
            }
        }
    }

    async fn is_erased(&self, event: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        Ok(!self.store.erased([&self.user], event, now).await?.is_empty())
    }

    fn own<'r>(&self, session_items: &'r [(Account, SessionId)]) -> &'r SessionId {
        let (_, id) =
            session_items.iter().find(|(user, _)| *user == self.user).expect("a session item of the user");
        id
    }
}
