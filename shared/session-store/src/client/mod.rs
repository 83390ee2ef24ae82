//! The DynamoDB client: its connections, and how the SDK is configured.

pub(crate) mod capture;
pub(crate) mod clock_check;
pub(crate) mod connect;
mod dns;
mod prewarm;
mod user_agent;
