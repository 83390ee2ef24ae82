//! Changes, explored: writers' single-item writes against a reader's steps at page size 1, clocks off, writes that are done late, heads
//! that are read late. Whatever is interleaved: once writes rest, one finished pass makes a device's copy equal to a fresh full list.
//!
//! In minutes: clocks are off by up to 1/2, a write is done up to 4 after its call read the clock, a head is read up to 1 old:
//! 2 × 1/2 + 4 + 1 = 6 = W.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exhaustive;
mod random;
mod world;
mod writes;

use exhaustive::explore;
use world::Broken;
use writes::Kind;

#[test]
fn small_histories_converge() {
    let histories = explore(Broken::Nothing).unwrap();
    println!("{histories} histories");
    assert!(histories > 100_000, "{histories}");
}

#[test]
fn every_way_of_breaking_it_is_found() {
    let others = [
        Broken::NoAllowance,
        Broken::PositionAtTheEnd,
        Broken::ShortWindow,
        Broken::StampedArePassedOver,
        Broken::StampsUpToTheStart,
    ];
    for broken in Kind::ALL.map(Broken::Unstamped).into_iter().chain(others) {
        let fault = explore(broken);
        assert!(fault.is_err(), "{broken:?} goes unnoticed");
        println!("{broken:?}: {}", fault.unwrap_err());
    }
}

#[test]
fn a_hundred_thousand_random_histories_converge() {
    for seed in 0..100_000 {
        random::run(seed).unwrap_or_else(|fault| panic!("history {seed}: {fault}"));
    }
}
