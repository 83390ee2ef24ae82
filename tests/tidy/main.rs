//! Checks of the repository's own files, without an engine or a function, in a few seconds: `cargo test --test tidy`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alarms;
mod circles;
mod contract;
mod drift;
mod layers;
mod pages;
mod preflight;
mod words;
