//! Lists that are read page by page, while others write between the reads.
//!
//! - A session that nobody writes while its user pages is returned exactly once, whatever the size of the pages.
//! - If nobody writes at all, the pages together are the whole list in its order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    sync::Mutex,
};

use session_model::{
    Account, GroupId, GroupItem, MessageId, SessionId, SessionItem, Timestamp,
    group::{MemberAt, Rank, SessionWrite},
    reading::{
        ByUpdateTime, ChangeKeys, IndexKey, Limit, ListQuery, Memberships, SessionReader, StartAt, read_list,
    },
    register::{Message, Position},
};

use crate::random::{Dice, at_once};

/// A deliberate fault of the reader, to check that it is detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// A query that starts behind a position skips all sessions of that time.
    SkipsItsTime,
    /// A query ends one session too early.
    EndsEarly,
    /// Memberships are not read.
    WithoutMemberships,
}

fn p2p(number: u64) -> SessionId {
    format!("p2p|friend-{number}").parse().unwrap()
}

fn group(number: u64) -> GroupId {
    format!("team|{number}").parse().unwrap()
}

fn user() -> Account {
    "alice".parse().unwrap()
}

#[derive(Default)]
struct Tables {
    session_items: BTreeMap<SessionId, SessionItem>,
    group_items: BTreeMap<GroupId, GroupItem>,
    /// The sessions that were written since the user began to page.
    written: BTreeSet<SessionId>,
    clock: u64,
}

impl Tables {
    /// One random write. Times are few, so that sessions often have the same one.
    fn write(&mut self, dice: &mut Dice) {
        self.clock += 1;
        let now = Timestamp::from_millis(1_000 + self.clock);
        let message = Message {
            position: Position {
                time: Timestamp::from_millis(1 + dice.next() % 6),
                id: MessageId::from(&*self.clock.to_string()),
            },
            text: format!("message {}", self.clock).into(),
        };
        let (of_group, number) = (dice.next().is_multiple_of(2), dice.next() % 8);
        let (id, what) =
            (if of_group { group(number).session_id().clone() } else { p2p(number) }, dice.next() % 8);
        self.written.insert(id.clone());
        let session_item = self.session_items.entry(id).or_default();
        let at = MemberAt { time: now, rank: Rank::Join };
        match (of_group, what) {
            (true, 0..4) => drop(self.group_items.entry(group(number)).or_default().record(&message, now)),
            (true, 4..6) => drop(SessionWrite::Become(at).apply(session_item, now)),
            (true, 6) => {
                SessionWrite::Leave(now).apply(session_item, now);
                SessionWrite::Record(message.clone()).apply(session_item, now);
            }
            (false, 0..6) => drop(session_item.record(&message, now)),
            (false, 6) => drop(session_item.delete(None, now)),
            _ => session_item.set_ext("x".parse().unwrap(), message.position.time),
        }
    }

    /// The whole list in its order.
    fn list(&self) -> Vec<SessionId> {
        let mut shown: Vec<_> = self
            .session_items
            .iter()
            .filter_map(|(id, session_item)| {
                let is_member = session_item.is_member();
                let session = match id.group() {
                    Some(group) => {
                        let group_item = self.group_items.get(&group).cloned();
                        session_item.clone().into_group_session(&group, &user(), group_item)
                    }
                    None => session_item.clone().into_session(id.clone()),
                }?;
                Some((session.update_time, is_member, session.session_id))
            })
            .collect();
        // At equal times, own session items come first, in the reverse order of their ids, as in the index.
        shown.sort_by(|a, b| {
            b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then_with(|| if a.1 { a.2.cmp(&b.2) } else { b.2.cmp(&a.2) })
        });
        shown.into_iter().map(|(_, _, id)| id).collect()
    }
}

/// Reads the tables, and has others write between the reads.
struct Shared {
    state: Mutex<(Tables, Dice)>,
    are_written: bool,
    broken: Broken,
}

impl Shared {
    fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> T {
        let (tables, dice) = &mut *self.state.lock().unwrap();
        if self.are_written {
            for _ in 0..dice.next() % 3 {
                tables.write(dice);
            }
        }
        read(tables)
    }
}

impl SessionReader for Shared {
    type Error = Infallible;
    type Next = IndexKey;

    async fn both<A: Send, B: Send>(
        &self,
        one: impl Future<Output = Result<A, Infallible>> + Send,
        other: impl Future<Output = Result<B, Infallible>> + Send,
    ) -> Result<(A, B), Infallible> {
        if self.read(|tables| tables.clock.is_multiple_of(2)) {
            return Ok((one.await?, other.await?));
        }
        let other = other.await?;
        Ok((one.await?, other))
    }

    async fn by_update_time(
        &self,
        (min, max): (Timestamp, Timestamp),
        start: StartAt<IndexKey>,
        limit: usize,
    ) -> Result<ByUpdateTime<IndexKey>, Infallible> {
        let before = match start {
            StartAt::Beginning => None,
            StartAt::Behind(key) if self.broken == Broken::SkipsItsTime => {
                Some(IndexKey { session_id: "p2p|!".parse().unwrap(), ..key })
            }
            StartAt::Behind(key) | StartAt::Next(key) => Some(key),
        };
        Ok(self.read(|tables| {
            let mut found: Vec<_> = tables
                .session_items
                .iter()
                .filter_map(|(id, session_item)| {
                    let key = IndexKey { time: session_item.stored_update_time()?, session_id: id.clone() };
                    Some((key, session_item.clone()))
                })
                .filter(|(key, _)| {
                    (min..=max).contains(&key.time) && before.as_ref().is_none_or(|before| key < before)
                })
                .collect();
            found.sort_by(|a, b| b.0.cmp(&a.0));
            let more = found.len() > limit && self.broken != Broken::EndsEarly;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|(key, _)| key.clone());
            let session_items = found.into_iter().map(|(key, item)| (key.session_id, item)).collect();
            ByUpdateTime { session_items, next }
        }))
    }

    async fn change_keys(
        &self,
        _: (Timestamp, Timestamp),
        _: Option<&IndexKey>,
        _: usize,
    ) -> Result<ChangeKeys, Infallible> {
        unreachable!("a list does not need them")
    }

    async fn session_items(
        &self,
        _: Vec<SessionId>,
    ) -> Result<HashMap<SessionId, Option<SessionItem>>, Infallible> {
        unreachable!("a list does not need them")
    }

    async fn memberships(&self) -> Result<Memberships, Infallible> {
        if self.broken == Broken::WithoutMemberships {
            return Ok(Memberships::new());
        }
        Ok(self.read(|tables| {
            let of = |(id, session_item): (&SessionId, &SessionItem)| {
                Some((id.group()?, session_item.clone())).filter(|_| session_item.is_member())
            };
            tables.session_items.iter().filter_map(of).collect()
        }))
    }

    fn group_items_at_once(&self) -> usize {
        2
    }

    async fn group_items(&self, groups: Vec<GroupId>) -> Result<HashMap<GroupId, GroupItem>, Infallible> {
        Ok(self.read(|tables| {
            let of = |group: GroupId| Some((group.clone(), tables.group_items.get(&group)?.clone()));
            groups.into_iter().filter_map(of).collect()
        }))
    }
}

/// Pages through a random list. Returns what is wrong.
fn run(seed: u64, limit: Limit, are_written: bool, broken: Broken) -> Result<(), String> {
    let (mut tables, mut dice) = (Tables::default(), Dice(seed));
    for _ in 0..dice.next() % 60 {
        tables.write(&mut dice);
    }
    tables.written.clear();
    let expected = tables.list();
    let shared = Shared { state: Mutex::new((tables, dice)), are_written, broken };
    let (mut cursor, mut listed) = (None, Vec::new());
    loop {
        let query = ListQuery::new(None, None, cursor.take(), limit, true).unwrap();
        let page = at_once(read_list(&shared, &user(), &query, Timestamp::from_millis(9_000))).unwrap();
        let sessions = page.session_list.len();
        if sessions > limit.get() || (page.has_more && sessions != limit.get()) {
            return Err(format!("a page of {sessions}, has_more: {}", page.has_more));
        }
        listed.extend(page.session_list.into_iter().map(|session| session.session_id));
        cursor = page.next_cursor;
        if cursor.is_some() != page.has_more {
            return Err("a cursor without more, or more without a cursor".into());
        }
        if !page.has_more {
            break;
        }
    }
    if !are_written && listed != expected {
        return Err(format!("it lists {listed:?}, not {expected:?}"));
    }
    let (tables, _) = &*shared.state.lock().unwrap();
    for id in expected.iter().filter(|id| !tables.written.contains(*id)) {
        let times = listed.iter().filter(|listed| *listed == id).count();
        if times != 1 {
            return Err(format!("{id} is listed {times} times in {listed:?}"));
        }
    }
    Ok(())
}

/// Runs histories with pages of 1, 2 and 7 sessions, with and without writers. Returns the first fault.
fn explore(seeds: std::ops::Range<u64>, broken: Broken) -> Result<(), String> {
    for seed in seeds {
        for limit in ["1", "2", "7"] {
            for are_written in [false, true] {
                run(seed, limit.parse().unwrap(), are_written, broken)
                    .map_err(|fault| format!("seed {seed}, pages of {limit}, {are_written}: {fault}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn every_session_at_rest_is_listed_exactly_once() {
    explore(0..3_000, Broken::Nothing).unwrap();
}

#[test]
fn every_planted_fault_of_a_list_is_found() {
    for broken in [Broken::SkipsItsTime, Broken::EndsEarly, Broken::WithoutMemberships] {
        let fault = explore(0..1_000, broken);
        println!("{broken:?}: {fault:?}");
        assert!(fault.is_err(), "{broken:?} is not detected");
    }
}
