//! The exploration of every interleaving of the writes of some events.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use session_model::{Account, group::MemberList, register::Position};

use crate::{
    events::{Event, Outcome, expected, group, outcome},
    world::{Broken, ERASED_AT, Next, Response, UNLUCKY, World, next},
};

/// More writes than any event needs without concurrent writes.
const MAX_WRITES_ALONE: usize = 40;

/// The progress of one delivery of an event.
#[derive(Clone, Debug, Default)]
struct Delivery {
    responses: Vec<Response>,
    /// The digest of the responses. Hashing all of them at each state would take most of the exploration's time.
    digest: u64,
    restarts: u8,
}

impl Delivery {
    fn new(restarts: u8) -> Self {
        Self { restarts, ..Self::default() }
    }

    fn push(&mut self, response: Response) {
        self.digest = hash((self.digest, &response));
        self.responses.push(response);
    }
}

struct Explorer<'a> {
    events: &'a [Event],
    /// The last request to erase the user, if they are erased among the events.
    last_erasure: Option<Event>,
    broken: Broken,
    /// Whether an item may be damaged once, and repaired later.
    may_be_damaged: bool,
    /// What each event does next, by the digest of the responses so far.
    nexts: Vec<HashMap<u64, Next>>,
    /// The states that were visited: a world, and the progress of the deliveries.
    states: HashSet<u64>,
    /// The worlds that were visited. Many states share one.
    worlds: HashSet<u64>,
    /// The messages that come with a list.
    listed: Vec<(&'a Event, Position, MemberList)>,
    expected: Outcome,
}

impl<'a> Explorer<'a> {
    fn new(events: &'a [Event], may_be_damaged: bool, broken: Broken) -> Self {
        let listed =
            events.iter().filter_map(|event| Some((event, event.message()?.position, event.list()?)));
        let is_erased = events.iter().any(|event| matches!(event, Event::Erase { .. }));
        Self {
            events,
            last_erasure: is_erased.then_some(Event::Erase { at: ERASED_AT }),
            broken,
            may_be_damaged,
            nexts: vec![HashMap::new(); events.len()],
            states: HashSet::new(),
            worlds: HashSet::new(),
            listed: listed.collect(),
            expected: expected(events),
        }
    }

    fn next(&mut self, event: usize, delivery: &Delivery) -> Next {
        let events = self.events;
        let next = || next(&events[event], self.last_erasure.is_some(), &delivery.responses);
        self.nexts[event].entry(delivery.digest).or_insert_with(next).clone()
    }

    /// Visits every state that can be reached from here. Returns the first one that is wrong.
    fn explore(&mut self, start: World, restarts: u8) -> Result<(), String> {
        let deliveries = vec![Delivery::new(restarts); self.events.len()];
        let mut open = vec![(start, deliveries, self.may_be_damaged)];
        while let Some((world, deliveries, may_be_damaged)) = open.pop() {
            let of_world = hash(&world);
            let reached: Vec<_> = deliveries.iter().map(|of| (of.digest, of.restarts)).collect();
            if !self.states.insert(hash((of_world, reached, may_be_damaged))) {
                continue;
            }
            if self.worlds.insert(of_world) {
                self.check_world(&world)?;
            }
            if may_be_damaged || world.is_damaged {
                let changed = World { is_damaged: !world.is_damaged, ..world.clone() };
                open.push((changed, deliveries.clone(), false));
            }
            let mut all_ended = !world.is_damaged;
            for event in 0..self.events.len() {
                let delivery = &deliveries[event];
                match self.next(event, delivery) {
                    Next::Write(write) => {
                        all_ended = false;
                        let (mut world, mut deliveries) = (world.clone(), deliveries.clone());
                        let response = world.apply(&write, self.broken);
                        deliveries[event].push(response);
                        open.push((world, deliveries, may_be_damaged));
                    }
                    // Once the item is repaired, the dead letter is replayed.
                    Next::Ended { left_out: true } => {
                        all_ended = false;
                        if !world.is_damaged {
                            let mut deliveries = deliveries.clone();
                            deliveries[event] = Delivery::new(delivery.restarts);
                            open.push((world.clone(), deliveries, may_be_damaged));
                        }
                    }
                    // This is a 503, after which the feed repeats the event.
                    Next::Contended => {
                        all_ended = false;
                        let mut deliveries = deliveries.clone();
                        deliveries[event] = Delivery::new(delivery.restarts);
                        open.push((world.clone(), deliveries, may_be_damaged));
                    }
                    Next::Ended { left_out: false } => {}
                }
                if delivery.restarts > 0 && !delivery.responses.is_empty() {
                    let mut deliveries = deliveries.clone();
                    deliveries[event] = Delivery::new(delivery.restarts - 1);
                    open.push((world.clone(), deliveries, may_be_damaged));
                }
            }
            if all_ended && let Some(last_erasure) = self.last_erasure.clone() {
                self.check_erased(&last_erasure, world)?;
                continue;
            }
            if all_ended && outcome(&world) != self.expected {
                let (actual, expected) = (outcome(&world), &self.expected);
                return Err(format!(
                    "{:?}\nends as {actual:?}\nnot as  {expected:?}\nin {world:?}",
                    self.events
                ));
            }
        }
        Ok(())
    }

    /// Checks what holds in every world, whatever the progress of the deliveries.
    fn check_world(&mut self, world: &World) -> Result<(), String> {
        self.check_group_item(world)?;
        (0..self.events.len()).try_for_each(|event| self.ends_alone(event, world.clone()).map(drop))
    }

    /// Checks that no message is in the group item before its list.
    fn check_group_item(&self, world: &World) -> Result<(), String> {
        for (event, position, list) in &self.listed {
            if world.group_item.register.as_ref().is_some_and(|held| held.position == *position)
                && world.group_item.list_order().as_ref() < Some(list.order())
            {
                return Err(format!("{event:?} is in the group item before its list: {world:?}"));
            }
        }
        Ok(())
    }

    /// Checks that after the last request of the erasure nothing of the user is left or comes back, however late events are repeated,
    /// and that all others see what they should.
    fn check_erased(&mut self, last_erasure: &Event, mut world: World) -> Result<(), String> {
        let events = self.events;
        let mut delivery = Delivery::default();
        while let Next::Write(write) = next(last_erasure, true, &delivery.responses) {
            delivery.push(world.apply(&write, self.broken));
        }
        let is_erase = |event: &usize| matches!(events[*event], Event::Erase { .. });
        for event in (0..events.len()).filter(|event| !is_erase(event)) {
            world = self.ends_alone(event, world)?;
        }
        let user: Account = UNLUCKY.parse().map_err(|_| "an account")?;
        let is_back = world.session_items.contains_key(&user)
            || world.group_item.member_hashes.contains(&group().member_hash(&user));
        let (mut actual, mut expected) = (outcome(&world), self.expected.clone());
        actual.1.remove(0);
        expected.1.remove(0);
        if is_back || actual != expected {
            return Err(format!("{events:?}\nleave {world:?}\nothers see {actual:?}\nnot {expected:?}"));
        }
        Ok(())
    }

    /// Checks that an event ends when it is delivered once more alone. Returns the world after it.
    fn ends_alone(&mut self, event: usize, mut world: World) -> Result<World, String> {
        let mut delivery = Delivery::default();
        for _ in 0..MAX_WRITES_ALONE {
            match self.next(event, &delivery) {
                Next::Write(write) => delivery.push(world.apply(&write, self.broken)),
                Next::Ended { .. } => return Ok(world),
                Next::Contended => break,
            }
        }
        Err(format!("{:?}, delivered alone, does not end in {world:?}", self.events[event]))
    }
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Explores the events from an empty group. Returns the number of states.
pub(crate) fn explore(events: &[Event], restarts: u8, broken: Broken) -> Result<usize, String> {
    explore_from(events, restarts, false, broken)
}

/// Explores the events while a session item is damaged at any moment, and repaired at any later moment.
pub(crate) fn explore_damaged(events: &[Event], broken: Broken) -> Result<usize, String> {
    explore_from(events, 0, true, broken)
}

fn explore_from(
    events: &[Event],
    restarts: u8,
    may_be_damaged: bool,
    broken: Broken,
) -> Result<usize, String> {
    let mut explorer = Explorer::new(events, may_be_damaged, broken);
    explorer.explore(World::default(), restarts)?;
    Ok(explorer.states.len())
}
