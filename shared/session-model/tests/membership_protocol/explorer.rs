//! Every interleaving of the writes of some events.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use session_model::Register;

use crate::{
    events::{Event, expected, outcome},
    world::{Answer, Broken, Next, World, next},
};

/// More writes than any event needs when nobody overtakes it.
const MAX_WRITES_ALONE: usize = 40;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Delivery {
    pub(crate) answers: Vec<Answer>,
    pub(crate) restarts: u8,
}

pub(crate) struct Explorer<'a> {
    pub(crate) events: &'a [Event],
    pub(crate) broken: Broken,
    pub(crate) nexts: Vec<HashMap<Vec<Answer>, Next>>,
    pub(crate) seen: HashSet<u64>,
}

impl Explorer<'_> {
    pub(crate) fn next(&mut self, event: usize, answers: &[Answer]) -> Next {
        let events = self.events;
        self.nexts[event].entry(answers.to_vec()).or_insert_with(|| next(&events[event], answers)).clone()
    }

    /// Every state that can be reached from here; the first that is wrong is told.
    pub(crate) fn explore(&mut self, start: World, restarts: u8) -> Result<(), String> {
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
    pub(crate) fn check_head(&self, world: &World) -> Result<(), String> {
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
    pub(crate) fn ends_alone(&mut self, event: usize, mut world: World) -> Result<(), String> {
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
pub(crate) fn explore(events: &[Event], restarts: u8, broken: Broken) -> Result<usize, String> {
    let nexts = vec![HashMap::new(); events.len()];
    let mut explorer = Explorer { events, broken, nexts, seen: HashSet::new() };
    explorer.explore(World::default(), restarts)?;
    Ok(explorer.seen.len())
}
