//! Long random histories: clocks are off, writes are done late, and group items are read late. Passes happen at any moment, and
//! some of them are abandoned.

use std::{
    future::Future,
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use proptest::{collection::vec, prelude::*, sample::select};
use session_model::{Timestamp, reading::SyncPass};

use crate::{
    exhaustive::sync_pass,
    world::{Broken, Copy, Found, Read, Source, World},
    writes::{Operation, Write},
};

/// A random number generator that gives the same numbers on every run (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    #[expect(clippy::cast_precision_loss, reason = "a fraction")]
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn pick<T: Copied>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.next() % from.len() as u64).unwrap()]
    }
}

trait Copied: std::marker::Copy {}
impl<T: std::marker::Copy> Copied for T {}

const SKEW: f64 = 0.5;
const DELAY: f64 = 4.0;
const LAG: f64 = 1.0;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of this century")]
fn ms(minutes: f64) -> Timestamp {
    Timestamp::from_millis((minutes * 60_000.0).round() as u64)
}

/// The world while time passes: each read takes time, in which writes are done.
struct Running(Mutex<State>);

struct State {
    world: World,
    pending: Vec<(f64, Write)>,
    moment: f64,
    dice: Dice,
    broken: Broken,
}

impl State {
    fn advance(&mut self, to: f64) {
        while self.pending.first().is_some_and(|(done, _)| *done <= to) {
            let (done, write) = self.pending.remove(0);
            self.world.apply(&write, done, self.broken);
        }
        self.moment = self.moment.max(to);
    }
}

impl Source for Running {
    async fn find(&self, read: Read) -> Found {
        let mut state = self.0.lock().unwrap();
        let to = state.moment + state.dice.pick(&[0.0, 0.0, 0.1, 0.5]);
        state.advance(to);
        let lag = state.dice.between(0.0, LAG);
        state.world.read(&read, state.moment, lag, state.broken)
    }

    fn second_first(&self) -> bool {
        self.0.lock().unwrap().dice.next().is_multiple_of(2)
    }
}

/// A history, in minutes.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) calls: Vec<Call>,
    /// When the device starts sync passes.
    passes: Vec<f64>,
    /// The seed for what its reads encounter.
    reads: u64,
}

/// A request of a writer: when it began, how far its clock is off, how long ago the event happened, and when each of its writes is
/// done, from immediately to as late as possible.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    operation: Operation,
    began: f64,
    skew: f64,
    age: f64,
    done: [f64; 3],
}

pub(crate) fn histories() -> impl Strategy<Value = History> {
    let age = select(vec![0.0, 0.0, 1.0, 2.0, 4.0, 5.0, 9.0, 20.0]);
    let done = [0.0..1.0, 0.0..1.0, 0.0..1.0];
    let call = (select(&Operation::ALL[..]), 0.0..40.0, -SKEW..SKEW, age, done)
        .prop_map(|(operation, began, skew, age, done)| Call { operation, began, skew, age, done });
    (vec(call, 1..30), vec(0.0..45.0, 1..7), any::<u64>().no_shrink())
        .prop_map(|(calls, passes, reads)| History { calls, passes, reads })
}

/// Runs one history. Returns what the device shows if that is not what it should show.
pub(crate) fn run(history: &History, broken: Broken) -> Result<(), String> {
    const BASE: f64 = 1_000.0;
    let mut pending = Vec::new();
    for Call { operation, began, skew, age, done } in &history.calls {
        let (began, now) = (BASE + began, BASE + began + skew);
        let mut moment = began;
        for (write, late) in operation.writes(ms(now), ms(now - age)).into_iter().zip(done) {
            moment += (began + DELAY - moment) * late;
            pending.push((moment, write));
        }
    }
    pending.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rest = pending.last().map_or(BASE, |(done, _)| *done);
    let mut passes: Vec<f64> = history.passes.iter().map(|moment| BASE + moment).collect();
    passes.sort_by(f64::total_cmp);
    let state = State { world: World::default(), pending, moment: BASE, dice: Dice(history.reads), broken };
    let running = Running(Mutex::new(state));
    let (mut copy, mut position) = (Copy::new(), SyncPass::after(ms(BASE - 30.0)));
    for moment in passes {
        let now = running.clock_at(moment);
        let mut applied = copy.clone();
        let next = at_once(sync_pass(&running, &mut applied, position.clone(), now));
        // A device that is switched off continues from its stored token, with everything that it had applied by then.
        let is_interrupted = running.0.lock().unwrap().dice.next().is_multiple_of(8);
        copy = applied;
        if !is_interrupted {
            position = next;
        }
    }
    let rest = rest.max(running.0.lock().unwrap().moment) + LAG;
    let now = running.clock_at(rest);
    at_once(sync_pass(&running, &mut copy, position, now));
    let state = running.0.lock().unwrap();
    let shown = state.world.shown();
    if copy == shown { Ok(()) } else { Err(format!("it shows {copy:?}, not {shown:?}")) }
}

impl Running {
    /// Advances to a moment. Returns what a reader's clock shows then.
    fn clock_at(&self, moment: f64) -> Timestamp {
        let mut state = self.0.lock().unwrap();
        state.advance(moment);
        let skew = state.dice.between(-SKEW, SKEW);
        ms(state.moment + skew)
    }
}

pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!(),
    }
}
