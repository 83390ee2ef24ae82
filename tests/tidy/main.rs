//! What holds of the repository's files alone: no engine, no function, a few seconds. `cargo test --test tidy`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alarms;
mod contract;
mod drift;
mod layers;
mod pages;
mod words;
