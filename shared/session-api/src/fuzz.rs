//! A fuzz target for events: no input from a client leads to a 5xx, and nothing panics.

use std::sync::OnceLock;

use serde_json::Value;
use session_model::{
    Account, AccountCase, Timestamp,
    reading::{Cursor, Flag, Limit, UnverifiedToken},
};
use session_store::{Settings, Store};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Context, Environment, HttpRequest, Operation, Problem, Reply,
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

    type Request = Account;

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Account, Problem> {
        let caller = request.caller()?;
        request.body(HttpRequest::MAX_BODY_BYTES)?;
        match request.method().as_str() {
            "GET" => request.query(|query| {
                query.read::<Timestamp>("minTimestamp")?;
                query.read::<Limit>("limit")?;
                query.read::<Flag>("needLastMsg")?;
                query.read::<Cursor>("cursor")?;
                query.read::<UnverifiedToken>("since")?;
                Ok(())
            })?,
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
        Ok(caller)
    }

    async fn handle(&self, caller: Account, _: &Context) -> Result<Reply, Problem> {
        Ok(Reply::json(&caller.to_string())?.compressible())
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
