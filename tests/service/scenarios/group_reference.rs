//! The pure reference that `group_model` compares the service with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use futures_util::FutureExt;
use serde_json::{Value, json};
use session_model::{
    Account, GroupId, GroupItem, SessionId, SessionItem, Timestamp,
    erasure::{is_erased, may_be_erased},
    feed::Effect,
    group::{ErasedUsers, GroupStore, GroupWrite, MembershipEvent, SessionWrite, Written, apply, erase},
    item::{Deleted, Version},
};

use test_support::copies::{event_of, now};

/// An event as it is posted.
#[derive(Clone, Debug)]
pub(super) enum Posted {
    Copy(Value),
    Patch(String, Value),
    Put(String, Value),
}

/// The items of the reference. Writes take effect immediately.
#[derive(Default)]
pub(super) struct Reference {
    session_items: Mutex<BTreeMap<(String, SessionId), SessionItem>>,
    group_items: Mutex<BTreeMap<GroupId, GroupItem>>,
    /// When users were last erased.
    erased: Mutex<BTreeMap<String, Timestamp>>,
    /// The user whose items of groups cannot be written.
    damaged: Mutex<Option<String>>,
}

struct ReferenceGroup<'a> {
    items: &'a Reference,
    group: GroupId,
}

impl GroupStore for ReferenceGroup<'_> {
    type Error = ();

    fn is_of_one_item((): &()) -> bool {
        true
    }

    async fn erased(&self, accounts: &BTreeSet<Account>, event: Timestamp) -> Result<ErasedUsers<()>, ()> {
        let erased = accounts.iter().filter(|account| self.items.is_erased(account.as_str(), event));
        Ok(erased.map(|account| (account.clone(), Ok(()))).collect())
    }

    async fn write_group(&self, write: GroupWrite) -> Result<Written<GroupItem>, ()> {
        let mut group_items = self.items.group_items.lock().unwrap();
        let group_item = group_items.entry(self.group.clone()).or_default();
        Ok(if write.apply(group_item, now()) {
            Written::Done
        } else {
            Written::ConditionFailed(group_item.clone())
        })
    }

    async fn write_sessions(
        &self,
        writes: Vec<(Account, SessionWrite)>,
    ) -> Vec<(Account, Result<Written<SessionItem>, ()>)> {
        let mut session_items = self.items.session_items.lock().unwrap();
        let damaged = self.items.damaged.lock().unwrap().clone();
        let written = writes.into_iter().map(|(user, write)| {
            if damaged.as_deref() == Some(user.as_str()) {
                return (user, Err(()));
            }
            let session_item =
                session_items.entry((user.to_string(), self.group.session_id().clone())).or_default();
            let response = if write.apply(session_item, now()) {
                Written::Done
            } else {
                Written::ConditionFailed(session_item.clone())
            };
            (user, Ok(response))
        });
        written.collect()
    }

    async fn delete_session(&self, user: &Account, only_if_left: bool) -> Result<bool, ()> {
        let key = (user.to_string(), self.group.session_id().clone());
        let mut session_items = self.items.session_items.lock().unwrap();
        if only_if_left && session_items.get(&key).is_some_and(SessionItem::is_member) {
            return Ok(false);
        }
        session_items.remove(&key);
        // What is written next is a new item.
        self.items.damaged.lock().unwrap().take_if(|damaged| damaged == user.as_str());
        Ok(true)
    }
}

impl Reference {
    pub(super) fn on_item(&self, user: &str, id: &SessionId, change: impl FnOnce(&mut SessionItem)) {
        let mut session_items = self.session_items.lock().unwrap();
        let mut session_item = session_items.remove(&(user.to_owned(), id.clone())).unwrap_or_default();
        change(&mut session_item);
        // What changes nothing of an item that does not exist writes none.
        if session_item != SessionItem::default() {
            session_items.insert((user.to_owned(), id.clone()), session_item);
        }
    }

    pub(super) fn hear(&self, posted: &Posted) {
        match posted {
            Posted::Copy(copy) => match event_of(copy).effect {
                Effect::P2p { session_items, message } => {
                    for (user, id) in self.present(session_items, message.position.time) {
                        self.on_item(user.as_str(), &id, |session_item| {
                            _ = session_item.record(&message, now());
                        });
                    }
                }
                Effect::Group { group, event } => self.hear_in(&group, &event),
                Effect::AmendP2p { session_items, amendment } => {
                    for (user, id) in self.present(session_items, amendment.time()) {
                        self.on_item(user.as_str(), &id, |session_item| {
                            _ = session_item.amend(&amendment, now());
                        });
                    }
                }
                Effect::AmendGroup { group, amendment } => {
                    self.group_items.lock().unwrap().entry(group).or_default().amend(&amendment, now());
                }
            },
            Posted::Patch(id, body) | Posted::Put(id, body) => {
                let (group, event) = Self::members_event(id, body);
                self.hear_in(&group, &event);
            }
        }
    }

    /// Returns the event of a request to updateGroupMembers. It is a `PUT` if there are `members`.
    pub(super) fn members_event(group: &str, body: &Value) -> (GroupId, MembershipEvent) {
        let set = |name: &str| -> BTreeSet<Account> {
            let names = body[name].as_array().into_iter().flatten();
            names.map(|name| name.as_str().unwrap().parse().unwrap()).collect()
        };
        let time = Timestamp::from_millis(body["time"].as_u64().unwrap());
        let group: GroupId = group.parse().unwrap();
        let event = if body["members"].is_array() {
            MembershipEvent::of_list(&group, time, &set("members"))
        } else {
            MembershipEvent::of_changes(time, set("add"), set("remove"))
        };
        (group, event)
    }

    fn hear_in(&self, group: &GroupId, event: &MembershipEvent) {
        let items = ReferenceGroup { items: self, group: group.clone() };
        let applied = apply(&items, group, event).now_or_never().expect("no write waits").expect("no error");
        let is_damaged = self.damaged.lock().unwrap().is_some();
        assert!(is_damaged || applied.left_out.is_empty(), "{event:?}");
    }

    /// Whether the service takes an event for one from before the user was erased.
    fn is_erased(&self, user: &str, event: Timestamp) -> bool {
        let erased_at = self.erased.lock().unwrap().get(user).copied();
        may_be_erased(event, now()) && erased_at.is_some_and(|erased_at| is_erased(event, erased_at))
    }

    /// The session items of those who were not erased since the event.
    fn present(
        &self,
        session_items: Vec<(Account, SessionId)>,
        event: Timestamp,
    ) -> Vec<(Account, SessionId)> {
        session_items.into_iter().filter(|(user, _)| !self.is_erased(user.as_str(), event)).collect()
    }

    /// Damages or repairs a user's items of groups.
    pub(super) fn set_damaged(&self, user: Option<&str>) {
        *self.damaged.lock().unwrap() = user.map(str::to_owned);
    }

    /// Deletes everything of the user, except for memberships that are dated later and are not damaged.
    pub(super) fn erase(&self, user: &str, at: Timestamp) {
        self.erased.lock().unwrap().insert(user.to_owned(), at);
        let ids: Vec<SessionId> = {
            let mut session_items = self.session_items.lock().unwrap();
            session_items.retain(|(of, id), _| of != user || id.group().is_some());
            session_items.keys().filter(|(of, _)| of == user).map(|(_, id)| id.clone()).collect()
        };
        let user = user.parse().unwrap();
        for group in ids.iter().filter_map(SessionId::group) {
            let items = ReferenceGroup { items: self, group: group.clone() };
            let erased = erase(&items, &group, &user, at);
            erased.now_or_never().expect("no write waits").expect("no error");
        }
    }

    /// Deletes what the user sees, or what they saw at a version.
    pub(super) fn delete(&self, user: &str, id: &SessionId, version: Option<&Version>) -> Deleted {
        let mut deleted = Deleted::Done;
        self.on_item(user, id, |session_item| {
            deleted = match id.group() {
                None => session_item.delete(version, now()),
                Some(group) => {
                    let group_items = self.group_items.lock().unwrap();
                    let group_item = group_items.get(&group);
                    session_item.delete_in_group(&group, &user.parse().unwrap(), group_item, version, now())
                }
            };
        });
        deleted
    }

    /// Returns what the user sees of the session, in the form of the service's response.
    pub(super) fn seen(&self, user: &str, id: &SessionId) -> Value {
        let session_item = self
            .session_items
            .lock()
            .unwrap()
            .get(&(user.to_owned(), id.clone()))
            .cloned()
            .unwrap_or_default();
        let session = match id.group() {
            None => session_item.into_session(id.clone()),
            Some(group) => {
                let group_item = self.group_items.lock().unwrap().get(&group).cloned();
                session_item.into_group_session(&group, &user.parse().unwrap(), group_item)
            }
        };
        session.map_or(Value::Null, |session| json!(session))
    }
}
