//! Parsing requests as functions do, for tests of operations: no store is needed.

use session_model::{AccountCase, Timestamp};

use crate::{Environment, HttpRequest, Operation, Problem, event::GatewayEvent, request::CallerSettings};

/// Creates an operation for which every environment variable is `1`.
#[must_use]
pub fn operation<O: Operation>() -> O {
    O::configure(&mut Environment::of_ones())
}

/// Parses the request in an event of API Gateway, which arrives at `now`.
pub fn parse<O: Operation>(operation: &O, event: &str, now: Timestamp) -> Result<O::Request, Problem> {
    let caller_settings = CallerSettings { user_claim: "sub".into(), account_case: AccountCase::Keep };
    let event = GatewayEvent::parse(event).ok_or_else(Problem::unreadable_event)?;
    operation.parse(&HttpRequest::new(event, now, &caller_settings))
}
