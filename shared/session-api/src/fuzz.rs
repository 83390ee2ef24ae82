//! A fuzz target for events: no input from a client leads to a 5xx, and nothing panics.

use std::sync::OnceLock;

use serde_json::Value;
use session_model::{
    AccountCase, Timestamp,
    reading::{Cursor, Flag, Limit, UnverifiedToken},
};
use session_store::{Settings, Store};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Environment, Operation, Problem, Reply, RequestContext,
    event::GatewayEvent,
    request::CallerSettings,
    serve::{Ready, Server},
};

/// A fuzz target: its name, and the function that reads the input.
pub type Target = (&'static str, fn(&[u8]));

/// All fuzz targets of this crate.
pub const TARGETS: &[Target] = &[("event", event)];

/// An operation that reads everything that operations read of a request.
struct Reads;

impl Operation for Reads {
    const NAME: &'static str = "reads";

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    async fn handle(&self, request: &RequestContext<'_>) -> Result<Reply, Problem> {
        let caller = request.caller()?;
        request.body(RequestContext::MAX_BODY_BYTES)?;
        match request.method().as_str() {
            "GET" => {
                request.reject_unknown_query(&["minTimestamp", "limit", "needLastMsg", "cursor", "since"])?;
                request.query::<Timestamp>("minTimestamp")?;
                request.query::<Limit>("limit")?;
                request.query::<Flag>("needLastMsg")?;
                request.query::<Cursor>("cursor")?;
                request.query::<UnverifiedToken>("since")?;
            }
            "PATCH" => {
                let fields = request.patch()?;
                fields.reject_unknown_fields(&["ext"])?;
                fields.optional_text("ext")?;
            }
            "PUT" => {
                request.group_id()?;
                request.fields()?.texts("members")?;
            }
            _ => drop(request.session_id()?),
        }
        Ok(Reply::json(&caller.to_string()).compressible())
    }
}

fn event(input: &[u8]) {
    static SERVER: OnceLock<Option<(Runtime, Server<Reads>)>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let caller_settings = CallerSettings { user_claim: "sub".into(), account_case: AccountCase::Lower };
        let store = Store::connect(Settings::default()).ok()?;
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        Some((runtime, Server::new(Ok(Ready { operation: Reads, store, caller_settings }))))
    });
    let (Some((runtime, server)), Ok(text)) = (server, std::str::from_utf8(input)) else { return };
    let response = runtime.block_on(server.handle(text, "invocation"));
    let status =
        serde_json::to_value(response).ok().and_then(|response: Value| response["statusCode"].as_u64());
    // Input that is not an event of the gateway cannot come from a client.
    assert!(GatewayEvent::parse(text).is_none() || status < Some(500), "{status:?}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_holds() {
        fuzz_corpus::run(super::TARGETS);
    }
}
