//! Explorations of reading: of lists, in `lists`, and of changes.
//!
//! Changes are explored as the single-item writes of writers, against the steps of a reader with pages of 1 session. Clocks are
//! off, writes are done late, and group items are read late. Whatever is interleaved, once no more writes are done, one finished
//! pass makes a device's local list equal to a fresh full list.
//!
//! In minutes, clocks are off by up to 1/2, a write is done up to 4 after its request read the clock, and a group item is read up
//! to 1 old: 2 × 1/2 + 4 + 1 = 6 = W.
//!
//! `HISTORIES` is the number of random histories, and `HISTORIES_SEED` is the seed that they follow from.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exhaustive;
mod lists;
mod random;
mod world;
mod writes;

use std::hash::{BuildHasher, RandomState};

use exhaustive::{explore_all, find_fault};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use random::History;
use world::Broken;
use writes::Kind;

#[test]
fn small_histories_converge() {
    let histories = explore_all().unwrap();
    println!("{histories} histories");
    assert!(histories > 100_000, "{histories}");
}

#[test]
fn every_planted_fault_is_found() {
    let others = [
        Broken::NoAllowance,
        Broken::PositionAtTheEnd,
        Broken::ShortWindow,
        Broken::ChangedAreSkipped,
        Broken::ChangeTimesUpToTheStart,
    ];
    for broken in Kind::ALL.map(Broken::WithoutChangeTime).into_iter().chain(others) {
        let fault = find_fault(broken);
        println!("{broken:?}: {fault:?}");
        assert!(fault.is_some(), "{broken:?} is not detected");
    }
}

fn converge(count: u32, seed: u64, broken: Broken) -> Result<(), TestError<History>> {
    let rng_seed = RngSeed::Fixed(seed);
    let config = Config { cases: count, rng_seed, failure_persistence: None, ..Config::default() };
    let histories = random::histories();
    TestRunner::new(config)
        .run(&histories, |history| random::run(&history, broken).map_err(TestCaseError::fail))
}

#[test]
fn random_histories_converge() {
    let count = asked_for("HISTORIES").unwrap_or(20_000);
    let seed = asked_for("HISTORIES_SEED").unwrap_or_else(|| RandomState::new().hash_one(count) >> 1);
    let outcome = converge(u32::try_from(count).unwrap(), seed, Broken::Nothing);
    outcome.unwrap_or_else(|fault| panic!("HISTORIES={count} HISTORIES_SEED={seed} repeats it: {fault}"));
    println!("{count} histories of HISTORIES_SEED={seed}");
}

#[test]
fn a_fault_is_shrunk_to_its_cause() {
    let Err(TestError::Fail(_, history)) = converge(50_000, 1, Broken::NoAllowance) else {
        panic!("it is not detected")
    };
    assert!(history.calls.len() <= 2, "{history:?}");
}

#[expect(clippy::disallowed_methods, reason = "the test's own switches")]
fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}
