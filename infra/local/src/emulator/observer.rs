//! What the emulator reports while it serves requests.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, request::Parts};
use serde_json::Value;

/// Gets reports from the gateway and from the functions' processes.
pub trait Observer: Send + Sync {
    /// A request has arrived at the gateway, which gives it this id.
    fn request(&self, request_id: &str, parts: &Parts) -> Box<dyn RequestObserver>;

    /// A process of this function has written a line.
    fn logged(&self, function: &str, line: &str);

    /// A process is started. Returns the observer of the process, if there is one.
    fn process(&self) -> Option<Box<dyn ProcessObserver>>;
}

/// Gets reports on one request. It is dropped without a response if the client hangs up.
pub trait RequestObserver: Send {
    /// The request has a route, and its token is valid if the route requires one.
    fn routed(&mut self, routed: Routed<'_>);

    /// The function is invoked with this event.
    fn invoked(&mut self, event: &Value);

    /// The response is sent.
    fn responded(self: Box<Self>, response: Responded<'_>);
}

/// Gets reports on one process, which handles one request at a time.
pub trait ProcessObserver: Send + Sync {
    /// The URL at which the process reaches DynamoDB.
    fn dynamodb_endpoint(&self) -> String;

    /// The process handles the request with this id from now on.
    fn handles(&self, request_id: &str);
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    /// The operation of the route.
    pub operation: &'a str,
    /// The name of the function's executable.
    pub function: &'a str,
    /// The function's memory, in MB.
    pub memory_mb: u64,
    /// The user named by the token.
    pub user: Option<&'a str>,
    /// The body, as received.
    pub body: &'a [u8],
}

/// What is sent to the client.
#[derive(Clone, Copy, Debug)]
pub struct Responded<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, as sent.
    pub body: &'a [u8],
    /// The time since the request arrived.
    pub duration: Duration,
}
