//! An exploration of the store's single-item steps on one session item: messages, recalls, edits, and what the user does. It starts
//! from every kind of session item, and covers every interleaving of up to 3 operations.
//!
//! Whatever is interleaved, the session item ends as if its operations had been done one after the other in some order. Each
//! attribute in the condition of a merged write, and each part of the conditions of the blind writes, is needed: without it the
//! exploration finds a fault.

mod item;
mod operations;

use std::collections::HashSet;

use session_model::SessionItem;

use item::{Broken, Item};
use operations::{Next, Operation, Response, next, operations, starts};

/// An exploration of every interleaving of these operations from an item on.
struct Exploration<'a> {
    operations: &'a [Operation],
    broken: Broken,
    /// The allowed final states: the results of doing the operations one after the other, in any order.
    allowed: Vec<SessionItem>,
    seen: HashSet<(Item, Vec<Vec<Response>>)>,
}

impl Exploration<'_> {
    fn from(&mut self, item: &Item, responses: &[Vec<Response>]) -> Result<(), String> {
        if !self.seen.insert((item.clone(), responses.to_vec())) {
            return Ok(());
        }
        let mut all_ended = true;
        for (index, operation) in self.operations.iter().enumerate() {
            match next(operation, &responses[index]) {
                Next::Ended => {}
                Next::Contended => return Err(format!("{operation:?} is overtaken too often")),
                Next::Step(step) => {
                    all_ended = false;
                    let mut item = item.clone();
                    let response = item.apply(&step, self.broken);
                    item.check().map_err(|fault| format!("{fault}: {item:?} after {step:?}"))?;
                    let mut responses = responses.to_vec();
                    responses[index].push(response);
                    self.from(&item, &responses)?;
                }
            }
        }
        let session_item = item.session_item();
        if all_ended && !self.allowed.contains(&session_item) {
            return Err(format!("no order of {:?} ends as {session_item:?}", self.operations));
        }
        Ok(())
    }
}

/// All orders of `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    match count {
        0 => vec![Vec::new()],
        _ => orders(count - 1)
            .into_iter()
            .flat_map(|order| {
                (0..count).map(move |place| {
                    let mut order = order.clone();
                    order.insert(place, count - 1);
                    order
                })
            })
            .collect(),
    }
}

/// Returns the number of states, or the first fault.
fn explore(start: &Item, operations: &[Operation], broken: Broken) -> Result<usize, String> {
    let in_order = |order: Vec<usize>| {
        let mut session_item = start.session_item();
        for index in order {
            operations[index].apply(&mut session_item);
        }
        session_item
    };
    let allowed = orders(operations.len()).into_iter().map(in_order).collect();
    let mut exploration = Exploration { operations, broken, allowed, seen: HashSet::new() };
    exploration.from(start, &vec![Vec::new(); operations.len()])?;
    Ok(exploration.seen.len())
}

/// Explores every choice of 3 operations, including repeated ones, from every start.
fn explore_all(broken: Broken) -> Result<usize, String> {
    let (operations, mut states) = (operations(), 0);
    for start in starts() {
        for (first, a) in operations.iter().enumerate() {
            for (second, b) in operations.iter().enumerate().skip(first) {
                for c in operations.iter().skip(second) {
                    states += explore(&start, &[a.clone(), b.clone(), c.clone()], broken)
                        .map_err(|fault| format!("from {start:?}: {fault}"))?;
                }
            }
        }
    }
    Ok(states)
}

#[test]
fn any_three_operations_are_serializable() {
    let states = explore_all(Broken::Nothing).unwrap();
    println!("{states} states");
    assert!(states > 100_000, "{states}");
}

#[test]
fn every_part_of_a_condition_is_needed() {
    for broken in [
        Broken::WithoutMsgId,
        Broken::WithoutLastMsgType,
        Broken::WithoutUpdateTime,
        Broken::WithoutAmendments,
        Broken::ExpiresAtStays,
        Broken::MessageIgnoresAmendments,
        Broken::RecallIgnoresAmendments,
        Broken::RecallIgnoresMsgId,
        Broken::RecallIgnoresTombstones,
        Broken::RecallIgnoresTime,
        Broken::RecallIgnoresNotice,
    ] {
        let fault = explore_all(broken);
        println!("{broken:?}: {fault:?}");
        assert!(fault.is_err(), "{broken:?} is not detected");
    }
}
