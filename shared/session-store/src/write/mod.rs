//! Writes. Each writes one item on one condition.

pub(crate) mod dead_letters;
pub(crate) mod erase;
pub(crate) mod group;
mod optimistic;
pub(crate) mod session;
mod update;
