//! The code that all functions share, so that a function itself only parses the input, calls the store once and builds the reply.
//! This is the only crate that uses `lambda_http`.

mod clock;
mod context;
mod environment;
mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod log;
pub mod memory;
mod problem;
mod reply;
mod request;
mod serve;
mod signature;
pub mod testing;

pub use context::Context;
pub use environment::Environment;
pub use lambda_http::http::Method;
pub use log::{Note, Outcome};
pub use problem::Problem;
pub use reply::Reply;
pub use request::{HttpRequest, Query};
pub use serve::{Operation, main};
pub use signature::Signature;
