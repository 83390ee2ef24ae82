//! The console: it records what the emulator reports, and serves the page that shows it.

pub(crate) mod dev_routes;
pub mod recorder;
pub mod trace;
