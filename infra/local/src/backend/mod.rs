//! The messaging backend: signed requests to a local or a deployed service.

pub mod client;
pub mod replay;
pub mod samples;
pub mod signing;
