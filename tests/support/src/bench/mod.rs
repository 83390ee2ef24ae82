//! The parts that benchmarks share.

pub mod command;
pub mod events;
pub mod local;
pub mod processes;
pub mod runtime_api;
pub mod store;
