//! The service, run locally: the template's routes on a loopback port, token checks, each function's executable run through the
//! Lambda Runtime API, and a DynamoDB engine behind them.

pub mod clock;
pub mod contract;
pub mod copies;
pub mod cost;
pub mod dynamodb;
pub mod executables;
pub mod feed;
mod gateway;
pub mod http;
pub mod jwt;
pub mod lambda;
pub mod replay;
mod service;
mod shell;
pub mod template;
pub mod trace;

pub use gateway::Completed;
pub use service::{Options, Service, listen};
