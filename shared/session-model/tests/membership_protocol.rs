//! The membership protocol, explored: small sets of concurrent events, every interleaving of their single-item writes,
//! with crashes, restarts and repeats after any write.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    future::{Future, poll_fn},
    hash::{DefaultHasher, Hash, Hasher},
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use session_model::{
    Account, Entry, GroupId, GroupItems, Head, HeadWrite, Interrupted, LastMsg, MemberList, Position,
    Register, Row, RowWrite, Timestamp, Written, put_list, record, update_members,
};

const USERS: [&str; 3] = ["a", "b", "c"];
/// More writes than any event needs when nobody overtakes it.
const MAX_WRITES_ALONE: usize = 40;

/// An event, at a time of its own or at another's.
#[derive(Clone, Debug)]
enum Event {
    /// A message without a list; whom it says joined and left.
    Message { at: u64, joined: &'static str, left: &'static str },
    /// A message with `tMembers`; the last is whom it says left, who is still in `members`.
    Listed { at: u64, members: &'static str, left: &'static str },
    /// The recall of the message at a time.
    Recall { of: u64, at: u64 },
    /// A whole list from the backend.
    Put { at: u64, members: &'static str },
    /// Changes from the backend.
    Patch { at: u64, add: &'static str, remove: &'static str },
}

fn group() -> GroupId {
    "team|1".parse().unwrap()
}

fn ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn accounts(letters: &str) -> BTreeSet<Account> {
    letters.chars().map(|letter| letter.to_string().parse().unwrap()).collect()
}

fn position(at: u64) -> Position {
    Position { time: ms(at), id: format!("m{at}") }
}

impl Event {
    fn entry(&self) -> Option<Entry> {
        match *self {
            Self::Message { at, .. } | Self::Listed { at, .. } => {
                Some(Entry { position: position(at), last_msg: LastMsg::Message(format!("message {at}")) })
            }
            Self::Recall { of, at } => {
                let last_msg = LastMsg::Recall { at: ms(at), notice: format!("recall of {of}") };
                Some(Entry { position: position(of), last_msg })
            }
            Self::Put { .. } | Self::Patch { .. } => None,
        }
    }

    fn list(&self) -> Option<MemberList> {
        let (at, members) = match *self {
            Self::Listed { at, members, left } => (at, &accounts(members) - &accounts(left)),
            Self::Put { at, members } => (at, accounts(members)),
            _ => return None,
        };
        Some(MemberList::new(&group(), ms(at), &members))
    }

    /// The single changes: when, who joined, who left.
    fn changes(&self) -> (u64, BTreeSet<Account>, BTreeSet<Account>) {
        match *self {
            Self::Message { at, joined, left } => (at, accounts(joined), accounts(left)),
            Self::Listed { at, left, .. } => (at, BTreeSet::new(), accounts(left)),
            Self::Patch { at, add, remove } => (at, accounts(add), accounts(remove)),
            Self::Recall { .. } | Self::Put { .. } => (0, BTreeSet::new(), BTreeSet::new()),
        }
    }

    async fn deliver(&self, items: &Scripted) -> Result<(), Interrupted<()>> {
        let (time, joined, left) = self.changes();
        match self {
            Self::Put { .. } => put_list(items, &self.list().unwrap()).await,
            Self::Patch { .. } => update_members(items, &group(), ms(time), &joined, &left).await,
            _ => record(items, &group(), &self.entry().unwrap(), self.list().as_ref(), &joined, &left).await,
        }
    }
}

#[derive(Clone, Debug)]
enum Write {
    Head(HeadWrite),
    Row(Account, RowWrite),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Done,
    Head(Head),
    Row(Row),
}

/// Answers an event's writes with what was answered before, and stops at the first new one.
struct Scripted {
    answers: Mutex<(usize, Vec<Answer>)>,
    next: Mutex<Option<Write>>,
}

impl Scripted {
    async fn write(&self, write: Write) -> Answer {
        let known = {
            let mut answers = self.answers.lock().unwrap();
            answers.0 += 1;
            answers.1.get(answers.0 - 1).cloned()
        };
        match known {
            Some(answer) => answer,
            None => {
                *self.next.lock().unwrap() = Some(write);
                poll_fn(|_| Poll::Pending).await
            }
        }
    }
}

impl GroupItems for Scripted {
    type Error = ();

    async fn write_head(&self, write: HeadWrite) -> Result<Written<Head>, ()> {
        match self.write(Write::Head(write)).await {
            Answer::Done => Ok(Written::Done),
            Answer::Head(head) => Ok(Written::Refused(head)),
            Answer::Row(_) => Err(()),
        }
    }

    async fn write_rows(&self, writes: Vec<(Account, RowWrite)>) -> Result<Vec<(Account, Written<Row>)>, ()> {
        let mut written = Vec::new();
        for (user, write) in writes {
            let answer = match self.write(Write::Row(user.clone(), write)).await {
                Answer::Done => Written::Done,
                Answer::Row(row) => Written::Refused(row),
                Answer::Head(_) => return Err(()),
            };
            written.push((user, answer));
        }
        Ok(written)
    }
}

/// What an event does after these answers.
#[derive(Clone, Debug)]
enum Next {
    Write(Write),
    Ended,
    Overtaken,
}

fn next(event: &Event, answers: &[Answer]) -> Next {
    let items = Scripted { answers: Mutex::new((0, answers.to_vec())), next: Mutex::default() };
    let outcome = pin!(event.deliver(&items)).poll(&mut Context::from_waker(Waker::noop()));
    match outcome {
        Poll::Ready(Ok(())) => Next::Ended,
        Poll::Ready(Err(_)) => Next::Overtaken,
        Poll::Pending => Next::Write(items.next.lock().unwrap().clone().expect("a write is waited for")),
    }
}

/// A step deliberately broken, to see that the exploration finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    LeaveKeepsTheVersion,
    OlderListsAreStored,
    ListsAdmitWhoLeftLater,
    MessageBeforeItsList,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct World {
    head: Head,
    rows: BTreeMap<Account, Row>,
}

impl World {
    fn apply(&mut self, write: &Write, broken: Broken) -> Answer {
        match write {
            Write::Head(write) => {
                let before = self.head.clone();
                let mut write = write.clone();
                if let (Broken::OlderListsAreStored, HeadWrite::StoreList { time, .. }) = (broken, &write)
                    && self.head.listed_at > Some(*time)
                {
                    self.head.listed_at = None;
                }
                if let (Broken::MessageBeforeItsList, HeadWrite::RecordListed { entry, .. }) =
                    (broken, &write)
                {
                    write = HeadWrite::Record(entry.clone());
                    // Taken for refused, so that the list follows.
                    write.apply(&mut self.head);
                    return Answer::Head(before);
                }
                let holds = write.apply(&mut self.head);
                if broken == Broken::LeaveKeepsTheVersion && matches!(write, HeadWrite::RemoveMembers { .. })
                {
                    self.head.members_version = before.members_version;
                }
                if holds { Answer::Done } else { Answer::Head(before) }
            }
            Write::Row(user, write) => {
                let row = self.rows.entry(user.clone()).or_default();
                if broken == Broken::ListsAdmitWhoLeftLater && matches!(write, RowWrite::Become(_)) {
                    row.membership = None;
                    write.apply(row);
                    return Answer::Done;
                }
                if write.apply(row) { Answer::Done } else { Answer::Row(row.clone()) }
            }
        }
    }

    fn row(&self, user: &str) -> Row {
        self.rows.get(&user.parse::<Account>().unwrap()).cloned().unwrap_or_default()
    }
}

/// Head register, and for each user: does he see the head, and his own register.
type Outcome = (Option<Register>, Vec<(bool, Option<Register>)>);

fn outcome(world: &World) -> Outcome {
    let of_user = |user: &str| {
        let row = world.row(user);
        (world.head.is_seen_by(&group(), &user.parse().unwrap(), &row), row.register)
    };
    (world.head.register.clone(), USERS.map(of_user).to_vec())
}

/// The same as a function of the set of events.
fn expected(events: &[Event]) -> Outcome {
    let merged = |registers: Vec<Register>| {
        registers.into_iter().fold(None, |held, register| Some(Register::merge(held, register)))
    };
    let head = merged(events.iter().filter_map(Event::entry).map(Register::from).collect());
    let newest = events.iter().filter_map(Event::list).max_by_key(MemberList::order);
    let of_user = |user: &str| {
        let user: Account = user.parse().unwrap();
        let mut newest_change = None;
        let mut kept = Vec::new();
        for event in events {
            let (time, joined, left) = event.changes();
            let change = [(joined.contains(&user), 0), (left.contains(&user), 1)];
            for (_, rank) in change.into_iter().filter(|(named, _)| *named) {
                newest_change = newest_change.max(Some((time, rank)));
            }
            if left.contains(&user) {
                let empty = Register::tombstone(Position { time: ms(time), id: String::new() });
                kept.push(event.entry().map_or(empty, Register::from));
            }
        }
        let listed = newest.as_ref().map(|list| (list.time.as_millis(), 2));
        let sees = if listed > newest_change {
            newest.as_ref().is_some_and(|list| list.members().values().any(|member| *member == user))
        } else {
            newest_change.is_some_and(|(_, rank)| rank == 0)
        };
        (sees, merged(kept))
    };
    (head, USERS.map(of_user).to_vec())
}

#[derive(Clone, Debug, Hash)]
struct Delivery {
    answers: Vec<Answer>,
    restarts: u8,
}

struct Explorer<'a> {
    events: &'a [Event],
    broken: Broken,
    nexts: Vec<HashMap<Vec<Answer>, Next>>,
    seen: HashSet<u64>,
}

impl Explorer<'_> {
    fn next(&mut self, event: usize, answers: &Vec<Answer>) -> Next {
        let events = self.events;
        self.nexts[event].entry(answers.clone()).or_insert_with(|| next(&events[event], answers)).clone()
    }

    /// Every state that can be reached from here; the first that is wrong is told.
    fn explore(&mut self, start: World, restarts: u8) -> Result<(), String> {
        let deliveries = vec![Delivery { answers: Vec::new(), restarts }; self.events.len()];
        let mut open = vec![(start, deliveries)];
        while let Some((world, deliveries)) = open.pop() {
            let mut hasher = DefaultHasher::new();
            (&world, &deliveries).hash(&mut hasher);
            if !self.seen.insert(hasher.finish()) {
                continue;
            }
            self.check_head(&world)?;
            let mut all_ended = true;
            for event in 0..self.events.len() {
                let delivery = &deliveries[event];
                let restarted = |restarts| Delivery { answers: Vec::new(), restarts };
                match self.next(event, &delivery.answers) {
                    Next::Write(write) => {
                        all_ended = false;
                        let (mut world, mut deliveries) = (world.clone(), deliveries.clone());
                        let answer = world.apply(&write, self.broken);
                        deliveries[event].answers.push(answer);
                        open.push((world, deliveries));
                    }
                    // A 503, which the feed repeats.
                    Next::Overtaken => {
                        all_ended = false;
                        let mut deliveries = deliveries.clone();
                        deliveries[event] = restarted(delivery.restarts);
                        open.push((world.clone(), deliveries));
                    }
                    Next::Ended => {}
                }
                if delivery.restarts > 0 && !delivery.answers.is_empty() {
                    let mut deliveries = deliveries.clone();
                    deliveries[event] = restarted(delivery.restarts - 1);
                    open.push((world.clone(), deliveries));
                }
                self.ends_alone(event, world.clone())?;
            }
            if all_ended && outcome(&world) != expected(self.events) {
                let (actual, expected) = (outcome(&world), expected(self.events));
                return Err(format!(
                    "{:?}\nends as {actual:?}\nnot as  {expected:?}\nin {world:?}",
                    self.events
                ));
            }
        }
        Ok(())
    }

    /// No message is on the head before its list.
    fn check_head(&self, world: &World) -> Result<(), String> {
        let Some(register) = &world.head.register else { return Ok(()) };
        for event in self.events {
            let (Some(entry), Some(list)) = (event.entry(), event.list()) else { continue };
            if Register::from(entry) == *register && world.head.list_order() < Some(list.order()) {
                return Err(format!("{event:?} is on the head before its list: {world:?}"));
            }
        }
        Ok(())
    }

    /// From every state, every event, delivered once more alone, ends.
    fn ends_alone(&mut self, event: usize, mut world: World) -> Result<(), String> {
        let mut answers = Vec::new();
        for _ in 0..MAX_WRITES_ALONE {
            match self.next(event, &answers) {
                Next::Write(write) => answers.push(world.apply(&write, self.broken)),
                Next::Ended => return Ok(()),
                Next::Overtaken => break,
            }
        }
        Err(format!("{:?}, delivered alone, does not end in {world:?}", self.events[event]))
    }
}

/// Explores the events from an empty group, and tells how many states there are.
fn explore(events: &[Event], restarts: u8, broken: Broken) -> Result<usize, String> {
    let nexts = vec![HashMap::new(); events.len()];
    let mut explorer = Explorer { events, broken, nexts, seen: HashSet::new() };
    explorer.explore(World::default(), restarts)?;
    Ok(explorer.seen.len())
}

fn pool() -> Vec<Event> {
    vec![
        Event::Message { at: 2, joined: "", left: "" },
        Event::Message { at: 3, joined: "a", left: "" },
        Event::Message { at: 3, joined: "", left: "a" },
        Event::Listed { at: 1, members: "ab", left: "" },
        Event::Listed { at: 2, members: "ab", left: "" },
        Event::Listed { at: 2, members: "bc", left: "" },
        Event::Listed { at: 3, members: "abc", left: "a" },
        Event::Listed { at: 4, members: "ab", left: "ab" },
        Event::Recall { of: 2, at: 9 },
        Event::Put { at: 2, members: "ac" },
        Event::Put { at: 3, members: "" },
        Event::Patch { at: 1, add: "a", remove: "" },
        Event::Patch { at: 2, add: "", remove: "a" },
        Event::Patch { at: 3, add: "a", remove: "b" },
    ]
}

/// Events of one kind and time but other content would be two things said of one position, which no feed does.
fn compatible(events: &[Event]) -> bool {
    let messages: Vec<_> = events.iter().filter(|event| !matches!(event, Event::Recall { .. })).collect();
    let positions: BTreeSet<_> =
        messages.iter().filter_map(|event| event.entry()).map(|entry| entry.position).collect();
    positions.len() == messages.iter().filter(|event| event.entry().is_some()).count()
}

#[test]
fn any_two_events_converge_with_crashes_and_repeats() {
    let mut states = 0;
    for (index, first) in pool().iter().enumerate() {
        for second in &pool()[index..] {
            let events = [first.clone(), second.clone()];
            if compatible(&events) {
                states += explore(&events, 1, Broken::Nothing).unwrap();
            }
        }
    }
    assert!(states > 5_000, "{states}");
}

#[test]
fn any_three_events_converge() {
    let pool = pool();
    let mut states = 0;
    for a in 0..pool.len() {
        for b in a + 1..pool.len() {
            for c in b + 1..pool.len() {
                let events = [pool[a].clone(), pool[b].clone(), pool[c].clone()];
                if compatible(&events) {
                    states += explore(&events, 0, Broken::Nothing).unwrap();
                }
            }
        }
    }
    assert!(states > 100_000, "{states}");
}

#[test]
fn four_events_converge_where_most_meets() {
    for events in [
        [
            Event::Listed { at: 2, members: "ab", left: "" },
            Event::Listed { at: 3, members: "bc", left: "" },
            Event::Patch { at: 2, add: "c", remove: "a" },
            Event::Recall { of: 3, at: 9 },
        ],
        [
            Event::Listed { at: 2, members: "ab", left: "a" },
            Event::Put { at: 2, members: "a" },
            Event::Patch { at: 3, add: "a", remove: "" },
            Event::Message { at: 3, joined: "", left: "b" },
        ],
    ] {
        explore(&events, 0, Broken::Nothing).unwrap();
    }
}

#[test]
fn a_broken_step_is_found() {
    let listed = Event::Listed { at: 2, members: "ab", left: "" };
    let removed = Event::Patch { at: 3, add: "", remove: "a" };
    for (broken, events) in [
        (
            Broken::LeaveKeepsTheVersion,
            vec![listed.clone(), removed.clone(), Event::Put { at: 4, members: "ab" }],
        ),
        (Broken::OlderListsAreStored, vec![listed.clone(), Event::Put { at: 3, members: "bc" }]),
        (Broken::ListsAdmitWhoLeftLater, vec![listed.clone(), removed]),
        (Broken::MessageBeforeItsList, vec![listed]),
    ] {
        assert_eq!(explore(&events, 0, Broken::Nothing).err(), None);
        assert!(explore(&events, 0, broken).is_err(), "{broken:?} goes unnoticed");
    }
}
