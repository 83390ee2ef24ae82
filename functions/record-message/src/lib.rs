//! recordMessage: `POST /v1/messages`. One message copy of the messaging backend, a message or a recall, merged into the
//! sessions it belongs to. Answers `{}` once every write is durable; anything but 200 (and 500) makes the feed repeat.

use futures_util::future;
use session_api::{Call, Environment, Operation, Problem, Reply, Signature};
use session_model::{Account, Entry, Event, SessionId};

/// The operation.
pub struct RecordMessage {
    signature: Signature,
}

impl Operation for RecordMessage {
    const NAME: &'static str = "recordMessage";
    const FOR_BACKEND: bool = true;
    const CONNECTIONS: usize = 2;

    fn configure(environment: &mut Environment) -> Self {
        Self { signature: Signature::configure(environment) }
    }

    async fn answer(&self, call: &Call) -> Result<Reply, Problem> {
        let body = call.body(Call::MAX_BODY_BYTES)?;
        if is_console_check(body) {
            return Ok(Reply::default());
        }
        self.signature.verify(call, body)?;
        let (sides, entry) = match Event::parse(&call.fields(Call::MAX_BODY_BYTES)?, call.now())? {
            Event::Message(message) => (message.p2p_sides(), message.entry()),
            Event::Recall(recall) => (recall.p2p_sides(), recall.entry()),
            Event::NotOurs => return Ok(Reply::default()),
        };
        // Refused in a way that makes the feed repeat, so that nothing is lost silently.
        let not_yet = "team and super team sessions are not served yet; the feed may repeat this later";
        record(call, &sides.ok_or_else(|| Problem::unavailable(not_yet))?, &entry).await
    }
}

/// Merges the entry into every side's row, and waits for all of them also when one fails: what is written need not be
/// written by the repeat.
async fn record(call: &Call, sides: &[(Account, SessionId)], entry: &Entry) -> Result<Reply, Problem> {
    let writes = sides.iter().map(async |(user, id)| call.store().sessions_of(user).record(id, entry).await);
    for written in future::join_all(writes).await {
        written?;
    }
    Ok(Reply::default())
}

/// Yunxin's console tries an address with an empty body or `{}`, signed or not, and expects 200.
fn is_console_check(body: &[u8]) -> bool {
    let significant: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    matches!(&significant[..], b"" | b"{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_body_or_object_is_a_console_check() {
        for body in ["", " \n", "{}", " { } \n"] {
            assert!(is_console_check(body.as_bytes()), "{body:?}");
        }
        for body in ["[]", "{", r#"{"eventType":"1"}"#, "null"] {
            assert!(!is_console_check(body.as_bytes()), "{body:?}");
        }
    }
}
