//! What every function shares, so that a function itself is: parse the input, call the store once, shape the reply.
//! The only crate that names `lambda_http`.

mod clock;
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

pub use environment::Environment;
pub use lambda_http::http::Method;
pub use log::{Note, Outcome};
pub use problem::Problem;
pub use reply::Reply;
pub use request::RequestContext;
pub use serve::{Operation, main};
pub use signature::Signature;
