//! An exploration of the membership protocol: small sets of concurrent events, in every interleaving of their single-item writes,
//! with crashes, restarts and repeats after any write, with an item that cannot be written for a while, and with a user who is erased.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod events;
mod explorer;
mod world;

use std::{collections::BTreeSet, thread};

use events::Event;
use explorer::{explore, explore_damaged};
use world::{Broken, ERASED_AT};

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
        Event::Intercepted { at: 3, members: "ab", left: "b" },
        Event::Recall { of: 2, at: 9 },
        Event::Put { at: 2, members: "ac" },
        Event::Put { at: 3, members: "" },
        Event::Patch { at: 1, add: "a", remove: "" },
        Event::Patch { at: 2, add: "", remove: "a" },
        Event::Patch { at: 3, add: "a", remove: "b" },
    ]
}

/// Whether no two messages have the same position. Events of one kind and time but different content would be two reports about one
/// position, which no feed sends.
fn compatible(events: &[Event]) -> bool {
    let messages: Vec<_> = events.iter().filter_map(Event::message).collect();
    let positions: BTreeSet<_> = messages.iter().map(|message| message.position.clone()).collect();
    positions.len() == messages.len()
}

/// Explores every pair of compatible events of the pool, an event with itself included. Returns the number of states.
fn every_pair(explore: impl Fn([Event; 2]) -> Result<usize, String>) -> usize {
    let pool = pool();
    let mut states = 0;
    for (index, first) in pool.iter().enumerate() {
        for second in &pool[index..] {
            let events = [first.clone(), second.clone()];
            if compatible(&events) {
                states += explore(events).unwrap();
            }
        }
    }
    states
}

#[test]
fn any_two_events_converge_with_crashes_and_repeats() {
    let states = every_pair(|events| explore(&events, 1, Broken::Nothing));
    assert!(states > 5_000, "{states}");
}

#[test]
fn any_two_events_converge_while_an_item_is_damaged_and_repaired() {
    let states = every_pair(|events| explore_damaged(&events, Broken::Nothing));
    assert!(states > 5_000, "{states}");
}

#[test]
fn nothing_of_an_erased_user_comes_back() {
    // Events are dated before, at and after the first request.
    for at in [2, ERASED_AT] {
        let states =
            every_pair(|[first, second]| explore(&[first, second, Event::Erase { at }], 0, Broken::Nothing));
        assert!(states > 5_000, "{states}");
    }
}

#[test]
fn nothing_of_an_erased_user_whose_item_is_damaged_comes_back() {
    let mut states = 0;
    for event in pool() {
        for at in [2, ERASED_AT] {
            states += explore_damaged(&[event.clone(), Event::Erase { at }], Broken::Nothing).unwrap();
        }
    }
    assert!(states > 1_000, "{states}");
}

#[test]
fn any_three_events_converge() {
    let pool = pool();
    let from = |a: usize| {
        let mut states = 0;
        for b in a + 1..pool.len() {
            for c in b + 1..pool.len() {
                let events = [pool[a].clone(), pool[b].clone(), pool[c].clone()];
                if compatible(&events) {
                    states += explore(&events, 0, Broken::Nothing).unwrap();
                }
            }
        }
        states
    };
    let states: usize = thread::scope(|scope| {
        let running: Vec<_> = (0..pool.len())
            .map(|a| {
                scope.spawn({
                    let from = &from;
                    move || from(a)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(states > 100_000, "{states}");
}

#[test]
fn four_events_converge_in_the_densest_case() {
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
        assert!(explore(&events, 0, broken).is_err(), "{broken:?} is not detected");
    }
    let listed = [Event::Listed { at: 2, members: "ab", left: "" }];
    for broken in [Broken::UnwritableCountsAsWritten, Broken::IncompleteListsAreNotStoredAgain] {
        assert!(explore_damaged(&listed, broken).is_err(), "{broken:?} is not detected");
    }
    let erased = [Event::Listed { at: 2, members: "ab", left: "" }, Event::Erase { at: ERASED_AT }];
    assert_eq!(explore(&erased, 0, Broken::Nothing).err(), None);
    for broken in [Broken::MarkersAreNotRead, Broken::ErasedUsersStayInTheGroupItem] {
        assert!(explore(&erased, 0, broken).is_err(), "{broken:?} is not detected");
    }
    let listed_again = [
        Event::Listed { at: 1, members: "ab", left: "" },
        Event::Listed { at: 2, members: "ab", left: "" },
        Event::Erase { at: 2 },
    ];
    assert_eq!(explore(&listed_again, 0, Broken::Nothing).err(), None);
    assert!(explore(&listed_again, 0, Broken::MembersAreDeleted).is_err(), "it is not detected");
}
