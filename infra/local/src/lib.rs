//! The service, run locally, and tools for using it.
//!
//! - [`emulator`] stands for the cloud: the template's routes on a loopback port, token checks, each function's executable run
//!   through the Lambda Runtime API, and a DynamoDB engine. It reports what happens to an
//!   [`Observer`](emulator::observer::Observer).
//! - [`console`] is that observer: it records requests, and serves the console page.
//! - [`backend`] acts as the messaging backend, towards local and deployed services: it signs, sends samples, and replays files.
//! - [`cost`] counts what requests consume and multiplies it by prices.
//! - [`service`] puts these parts together.

pub mod backend;
pub mod console;
pub mod cost;
pub mod emulator;
pub mod executables;
pub mod http;
pub mod service;
mod shell;
pub mod workspace;
