//! Random histories. Their number is the scenario's, or `HISTORIES` if that is set. They are determined by `HISTORIES_SEED`.

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

/// The number of histories from which on several are tried concurrently.
const MANY: u32 = 100;
const CONCURRENCY: u32 = 4;
/// The number of histories after which a line of progress is printed.
const PROGRESS_STEP: u32 = 1_000;

/// Tries histories, and shrinks a failing one.
pub fn explore<S: Strategy>(
    usual: u32,
    histories: impl Fn() -> S + Sync,
    run: impl AsyncFn(S::Value) -> Result<(), String> + Sync,
) {
    let count =
        asked_for("HISTORIES").map_or(usual, |count| u32::try_from(count).expect("a smaller HISTORIES"));
    let seed = asked_for("HISTORIES_SEED").unwrap_or_else(|| RandomState::new().hash_one(count) >> 1);
    let workers = if count < MANY { 1 } else { CONCURRENCY };
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
