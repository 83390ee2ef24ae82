//! Small histories: one or two operations around a sync pass, in every interleaving, then a pass after all writes are done.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
    thread,
};

use session_model::{
    Timestamp,
    group::{MemberAt, Rank, SessionWrite},
    reading::{PageRequest, SyncPass, read_changes},
};

use crate::{
    random::at_once,
    world::{Broken, Copy, Found, From, Read, Source, World, at, group, p2p, user},
    writes::{Operation, START, Write, message},
};

/// The time of the pass that the operations surround, the maximum duration of a write, the skew of clocks, and the lag of a group
/// item's read, in half minutes.
const SYNC_PASS: i64 = 2_000;
const DELAY: i64 = 8;
const SKEW: i64 = 1;
const LAG: i64 = 2;

/// The responses to a pass's reads so far, and the next read.
struct Script {
    responses: Mutex<(usize, Vec<Found>)>,
    next: Mutex<Option<Read>>,
    second_first: bool,
}

impl Source for Script {
    async fn find(&self, read: Read) -> Found {
        let known = {
            let mut responses = self.responses.lock().unwrap();
            responses.0 += 1;
            responses.1.get(responses.0 - 1).cloned()
        };
        if let Some(found) = known {
            return found;
        }
        *self.next.lock().unwrap() = Some(read);
        poll_fn(|_| Poll::Pending).await
    }

    fn second_first(&self) -> bool {
        self.second_first
    }
}

/// Reads a whole pass with pages of 1 session, and applies its pages as a device does.
pub(crate) async fn sync_pass<S: Source>(
    source: &S,
    copy: &mut Copy,
    mut sync_pass: SyncPass,
    now: Timestamp,
) -> SyncPass {
    let of = PageRequest { limit: "1".parse().unwrap(), need_last_msg: true };
    loop {
        let page = read_changes(&From(source), &user(), &sync_pass, of, now).await.unwrap().unwrap();
        assert!(!page.has_more || page.next != sync_pass, "the token moves");
        for session in page.updated {
            copy.insert(session.session_id.clone(), session);
        }
        for id in page.deleted {
            copy.remove(&id);
        }
        sync_pass = page.next;
        if !page.has_more {
            return sync_pass;
        }
    }
}

enum Step {
    Read(Read),
    Done(Copy, SyncPass),
}

/// An operation around the pass: when its request read the clock, and its writes.
struct Call {
    began: i64,
    writes: Vec<Write>,
}

struct History<'a> {
    calls: &'a [Call],
    /// What the device shows before the pass.
    copy: Copy,
    since: SyncPass,
    reader: Reader,
    broken: Broken,
    count: usize,
}

impl History<'_> {
    fn step(&self, responses: &[Found]) -> Step {
        let script = Script {
            responses: Mutex::new((0, responses.to_vec())),
            next: Mutex::default(),
            second_first: self.reader.second_first,
        };
        let mut copy = self.copy.clone();
        let outcome = {
            let read = pin!(sync_pass(&script, &mut copy, self.since.clone(), at(self.reader.clock)));
            read.poll(&mut Context::from_waker(Waker::noop()))
        };
        match outcome {
            Poll::Ready(next) => Step::Done(copy, next),
            Poll::Pending => Step::Read(script.next.lock().unwrap().clone().unwrap()),
        }
    }

    /// Explores every order of the reader's steps and the writes that may be done while it reads. The next step follows from the
    /// responses.
    fn explore(
        &mut self,
        world: &World,
        done: &[usize],
        responses: &[Found],
        step: &Step,
    ) -> Result<(), String> {
        for (index, call) in self.calls.iter().enumerate() {
            let may_be_done_now = call.began <= SYNC_PASS;
            if done[index] < call.writes.len() && may_be_done_now {
                let (mut world, mut done) = (world.clone(), done.to_vec());
                world.apply(&call.writes[done[index]], moment(call), self.broken);
                done[index] += 1;
                self.explore(&world, &done, responses, step)?;
            }
        }
        // Writes of requests that began this long ago are done before the reader's next step.
        let overdue =
            |(index, call): (usize, &Call)| done[index] < call.writes.len() && call.began + DELAY < SYNC_PASS;
        if self.calls.iter().enumerate().any(overdue) {
            return Ok(());
        }
        match step {
            Step::Read(read) => {
                let lag = if self.reader.stale { LAG } else { 0 };
                #[expect(clippy::cast_precision_loss, reason = "half minutes")]
                let found = world.read(read, SYNC_PASS as f64, lag as f64, self.broken);
                let responses = [responses, &[found]].concat();
                let step = self.step(&responses);
                self.explore(world, done, &responses, &step)
            }
            Step::Done(copy, next) => self.at_rest(world.clone(), done, copy, next),
        }
    }

    /// Does the rest of the writes, and then another pass: right after them, whether they were done immediately or late, or long
    /// after them.
    fn at_rest(
        &mut self,
        mut world: World,
        done: &[usize],
        copy: &Copy,
        next: &SyncPass,
    ) -> Result<(), String> {
        for (call, done) in self.calls.iter().zip(done) {
            for write in &call.writes[*done..] {
                world.apply(write, moment(call), self.broken);
            }
        }
        let begun = self.calls.iter().map(|call| call.began).max().unwrap_or(SYNC_PASS).max(SYNC_PASS);
        let last = begun.max(SYNC_PASS) + DELAY;
        let next = match self.broken {
            Broken::PositionAtTheEnd => SyncPass::after(at(last + SKEW)),
            Broken::ShortWindow => SyncPass::after(at(self.reader.clock + 4)),
            _ => next.clone(),
        };
        let shown = world.shown();
        for (moment, skew) in [(begun, -SKEW), (last + LAG, SKEW), (last + LAG, -SKEW), (last + 120, SKEW)] {
            self.count += 1;
            let mut copy = copy.clone();
            let reader = AtRest { world: &world, broken: self.broken };
            at_once(sync_pass(&reader, &mut copy, next.clone(), at(moment + skew)));
            if copy != shown {
                return Err(format!("at {moment} it shows {copy:?}, not {shown:?}"));
            }
        }
        Ok(())
    }
}

/// The moment at which a request's writes of the group item count as done. It is as late as possible, because a group item is read
/// with a lag.
#[expect(clippy::cast_precision_loss, reason = "half minutes")]
fn moment(call: &Call) -> f64 {
    (call.began + DELAY).min(SYNC_PASS) as f64
}

struct AtRest<'a> {
    world: &'a World,
    broken: Broken,
}

impl Source for AtRest<'_> {
    async fn find(&self, read: Read) -> Found {
        self.world.read(&read, f64::MAX, 0.0, self.broken)
    }

    fn second_first(&self) -> bool {
        false
    }
}

/// The states from long before the pass:
///
/// - nothing;
/// - a group of others;
/// - a group without a message, which the user has joined lately, after a list without them;
/// - sessions that are shown;
/// - a group that the user joined after a list without them;
/// - a session that is deleted, and a group of which the user deleted an older message.
fn starts() -> [World; 6] {
    let long_ago = START;
    let mut others = World::default();
    others.group_item.record(&message(START, "group"), long_ago);
    let mut joined_lately = World::default();
    for write in Operation::ListWithoutUser.writes(long_ago, at(SYNC_PASS + 9)) {
        joined_lately.apply(&write, 0.0, Broken::Nothing);
    }
    joined_lately.group_item_before.clear();
    let joined = SessionWrite::Become(MemberAt { time: at(SYNC_PASS + 10), rank: Rank::Join });
    joined.apply(joined_lately.session_item(group().session_id()), long_ago);
    let mut live = others.clone();
    live.session_item(&p2p()).record(&message(START, "start"), long_ago);
    let joined = SessionWrite::Become(MemberAt { time: START, rank: Rank::Join });
    joined.apply(live.session_item(group().session_id()), long_ago);
    let mut joined_after_a_list = others.clone();
    for write in Operation::ListWithoutUser.writes(long_ago, START) {
        joined_after_a_list.apply(&write, 0.0, Broken::Nothing);
    }
    let joined = SessionWrite::Become(MemberAt { time: at(SYNC_PASS - 60), rank: Rank::Join });
    joined.apply(joined_after_a_list.session_item(group().session_id()), long_ago);
    joined_after_a_list.group_item_before.clear();
    let mut deleted = live.clone();
    deleted.session_item(&p2p()).delete(None, long_ago);
    for write in Operation::DeleteGroup.writes(long_ago, START) {
        deleted.apply(&write, 0.0, Broken::Nothing);
    }
    // The tombstone is newer than what late notices report, and the group item is newer than the tombstone.
    let tombstone = message(at(SYNC_PASS - 2), "deleted");
    let session_item = deleted.session_item(group().session_id());
    session_item.register = Some(session_model::register::Register::tombstone(tombstone.position));
    deleted.group_item.record(&message(at(SYNC_PASS), "newer"), long_ago);
    deleted.group_item_before.clear();
    [World::default(), others, joined_lately, live, joined_after_a_list, deleted]
}

/// Returns the number of histories, or one that does not converge. The starts share the machine's cores.
pub(crate) fn explore_all() -> Result<usize, String> {
    let starts = starts();
    thread::scope(|scope| {
        let from = |(number, world)| {
            scope.spawn(move || {
                let count = singles(number, world, Broken::Nothing)?;
                Ok(count + pairs(number, world, Broken::Nothing)?)
            })
        };
        let running: Vec<_> = starts.iter().enumerate().map(from).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Returns the first history that does not converge with this fault.
pub(crate) fn find_fault(broken: Broken) -> Option<String> {
    let starts = starts();
    let from = || starts.iter().enumerate();
    let single = from().find_map(|(number, world)| singles(number, world, broken).err());
    single.or_else(|| from().find_map(|(number, world)| pairs(number, world, broken).err()))
}

fn singles(number: usize, world: &World, broken: Broken) -> Result<usize, String> {
    let of =
        |operation| single(world, operation, broken).map_err(|fault| format!("from start {number}, {fault}"));
    Operation::ALL.into_iter().map(of).sum()
}

fn pairs(number: usize, world: &World, broken: Broken) -> Result<usize, String> {
    let mut count = 0;
    for first in Operation::ALL {
        for second in Operation::ALL {
            let two = pair(world, first, second, broken);
            count += two.map_err(|fault| format!("from start {number}, {fault}"))?;
        }
    }
    Ok(count)
}

/// Explores one operation, which begins after the pass, during it, or as long before it as a write may take, with every skew. What
/// it reports happened right then, barely in the window, barely late, or long ago.
fn single(world: &World, operation: Operation, broken: Broken) -> Result<usize, String> {
    let mut count = 0;
    for began in [SYNC_PASS + 2, SYNC_PASS, SYNC_PASS - 2, SYNC_PASS - DELAY, SYNC_PASS - DELAY - 1] {
        for skew in [SKEW, -SKEW] {
            for late in [0, 8, 9, 40] {
                let now = began + skew;
                let calls = [Call { began, writes: operation.writes(at(now), at(now - late)) }];
                let described = || format!("{operation:?} begun {began}, skew {skew}, {late} late");
                let explored = around_a_sync_pass(world, &calls, &Reader::ALL, broken);
                count += explored.map_err(|fault| format!("{}: {fault}", described()))?;
            }
        }
    }
    Ok(count)
}

/// Explores two operations in progress during the pass, with their clocks off in different directions.
fn pair(world: &World, first: Operation, second: Operation, broken: Broken) -> Result<usize, String> {
    let mut count = 0;
    for (skew, late) in [(SKEW, 0), (-SKEW, 9)] {
        let call = |operation: Operation, began: i64, skew: i64| Call {
            began,
            writes: operation.writes(at(began + skew), at(began + skew - late)),
        };
        let calls = [call(first, SYNC_PASS - DELAY, skew), call(second, SYNC_PASS - 2, -skew)];
        let explored = around_a_sync_pass(world, &calls, &Reader::ALL[1..3], broken);
        count += explored
            .map_err(|fault| format!("{first:?} and {second:?}, skew {skew}, {late} late: {fault}"))?;
    }
    Ok(count)
}

/// How a pass reads: by which clock, in which order at its start, and whether group items are read as they are or as they were.
#[derive(Clone, Copy)]
struct Reader {
    clock: i64,
    second_first: bool,
    stale: bool,
}

impl Reader {
    const ALL: [Self; 4] = [
        Self { clock: SYNC_PASS + SKEW, second_first: false, stale: false },
        Self { clock: SYNC_PASS + SKEW, second_first: true, stale: true },
        Self { clock: SYNC_PASS - SKEW, second_first: false, stale: true },
        Self { clock: SYNC_PASS - SKEW, second_first: true, stale: false },
    ];
}

fn around_a_sync_pass(
    world: &World,
    calls: &[Call],
    readers: &[Reader],
    broken: Broken,
) -> Result<usize, String> {
    let mut count = 0;
    for reader in readers {
        let since = SyncPass::after(at(SYNC_PASS - 60));
        let mut history = History { calls, copy: world.shown(), since, reader: *reader, broken, count: 0 };
        let first = history.step(&[]);
        history.explore(world, &vec![0; calls.len()], &[], &first)?;
        count += history.count;
    }
    Ok(count)
}
