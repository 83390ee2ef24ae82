//! Random histories: as many as a scenario takes, or as `HISTORIES` says, which follow from `HISTORIES_SEED`.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};

/// From how many histories on several are tried at once.
const MANY: u32 = 100;
const AT_ONCE: u32 = 4;
/// After how many each time a line tells.
const PROGRESS_STEP: u32 = 1_000;

/// Tries histories, and shrinks one that fails.
pub fn explore<S: Strategy>(
    usual: u32,
    histories: impl Fn() -> S + Sync,
    run: impl AsyncFn(S::Value) -> Result<(), String> + Sync,
) {
    let count =
        asked_for("HISTORIES").map_or(usual, |count| u32::try_from(count).expect("a smaller HISTORIES"));
    let seed = asked_for("HISTORIES_SEED").unwrap_or_else(|| RandomState::new().hash_one(count) >> 1);
    let workers = if count < MANY { 1 } else { AT_ONCE };
    let (runtime, begun) = (Handle::current(), AtomicU32::new(0));
    let work = |worker: u32| {
        let config = Config {
            cases: count.div_ceil(workers),
            rng_seed: RngSeed::Fixed(seed.wrapping_add(worker.into())),
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&histories(), |history| {
            let begun = begun.fetch_add(1, Ordering::Relaxed) + 1;
            if begun.is_multiple_of(PROGRESS_STEP) {
                eprintln!("{begun} of {count} histories");
            }
            runtime.block_on(run(history)).map_err(TestCaseError::fail)
        });
        outcome.map_err(|failure| format!("HISTORIES={count} HISTORIES_SEED={seed} repeats it: {failure}"))
    };
    block_in_place(|| {
        thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
            for worker in running {
                if let Err(failure) = worker.join().expect("a worker ends") {
                    panic!("{failure}");
                }
            }
        });
    });
    println!("{count} histories of HISTORIES_SEED={seed}");
}

#[expect(clippy::disallowed_methods, reason = "the test's own switches")]
fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}
