//! recordMessage: `POST /v1/messages`. One message copy of the messaging backend, a message or a recall, merged into the
//! sessions it belongs to. Answers `{}` once every write is durable; anything but 200 (and 500) makes the feed repeat.

use futures_util::future;
use session_api::{Call, Environment, Operation, Problem, Reply, Signature};
use session_model::{Account, Conversation, Entry, Event, SessionId};
use session_store::StoreError;

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
        match Event::parse(&call.fields(Call::MAX_BODY_BYTES)?, call.now())? {
            Event::Message(message) => match message.in_group() {
                Some(message) => call.store().group(&message.group, call.now()).record(&message).await?,
                None => record_p2p(call, &message.p2p_sides(), &message.entry()).await?,
            },
            Event::Recall(recall) => match &recall.conversation {
                Conversation::Group(group) => {
                    call.store().group(group, call.now()).recall(&recall.entry()).await?;
                }
                Conversation::P2p { .. } => record_p2p(call, &recall.p2p_sides(), &recall.entry()).await?,
            },
            Event::NotOurs => {}
        }
        Ok(Reply::default())
    }
}

/// Merges the entry into every side's row, and waits for all of them also when one fails: what is written need not be
/// written by the repeat.
async fn record_p2p(call: &Call, sides: &[(Account, SessionId)], entry: &Entry) -> Result<(), StoreError> {
    let writes = sides.iter().map(async |(user, id)| call.store().sessions_of(user).record(id, entry).await);
    future::join_all(writes).await.into_iter().collect()
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
