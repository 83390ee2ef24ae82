//! The parts that scenarios, benchmarks and checks share.

#![expect(missing_docs, reason = "only tests import it")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(
    clippy::implicit_hasher,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::new_without_default,
    reason = "only tests import it"
)]

pub mod alarms;
pub mod app;
pub mod bench;
pub mod cargo_local;
pub mod cloud_watch;
pub mod contract;
pub mod copies;
pub mod deployment;
pub mod device;
pub mod dynamodb_local;
pub mod fault_proxy;
pub mod histories;
mod items;
pub mod pages;
pub mod repository;
pub mod response;
pub mod runner;
pub mod terminal;
pub mod test;
pub mod tools;
