//! recordMessage: `POST` to the feed endpoint, or `POST /v1/messages`. Accepts one message copy from the messaging backend, which
//! is a message, a recall or an edit, and merges it into the sessions it belongs to.
//!
//! The outcomes for a message copy with a valid signature:
//!
//! - it is applied: 200 and `{"result": "applied"}`, once every write is durable;
//! - it does not concern sessions: 200 and `{"result": "ignored", "reason": "…"}`;
//! - it cannot be applied, or only in part: 200 and `{"result": "dead-lettered", "reason": "…"}`. It is stored in `DeadLetters`,
//!   and an alarm fires;
//! - its time is more than 5 minutes ahead: 503, and it is also stored in `DeadLetters`. The feed may send it again, and a feed
//!   that gives up loses nothing;
//! - the database throttles or does not respond: 503.
//!
//! The feed counts 200 and 500 as delivered, and repeats the copy after any other status. Therefore a copy that got a 200 is never
//! lost. A fault in a copy never leads to a 5xx. Only a fault of the service does, until it is fixed.

use std::borrow::Cow;

use futures_util::future;
use serde::Serialize;
use session_api::{
    Context, Environment, HttpRequest, Method, Note, Operation, Outcome, Problem, Reply, Signature,
};
use session_model::{
    Account, SessionId, Timestamp,
    feed::{Effect, FeedEvent, FeedSettings, MessageCopy, NotApplied},
    register::LastMsgBytes,
};
use session_store::{DeadLetterError, StoreError};

/// The maximum length of a message copy, in bytes: 1 MB.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The operation recordMessage.
pub struct RecordMessage {
    signature: Signature,
    dead_letters: String,
    last_msg_bytes: LastMsgBytes,
}

/// A signed copy.
#[derive(Debug)]
pub struct SignedCopy {
    /// The body as received, which is stored if the copy cannot be applied.
    body: Vec<u8>,
    /// The server id of the message, for the log.
    msg_id: Option<String>,
    /// The event, or the reason why the copy is not applied.
    event: Result<FeedEvent, NotApplied>,
    /// Whether bytes of the body are not UTF-8.
    invalid_utf8: bool,
}

impl Operation for RecordMessage {
    const NAME: &'static str = "recordMessage";
    const FOR_BACKEND: bool = true;
    const CONNECTIONS: usize = 2;

    /// `None` is the test request of Yunxin's console.
    type Request = Option<SignedCopy>;

    fn configure(environment: &mut Environment) -> Self {
        Self {
            signature: Signature::configure(environment),
            dead_letters: environment.required("DEAD_LETTERS_TABLE"),
            last_msg_bytes: environment.parsed("LAST_MSG_BYTES").unwrap_or_default(),
        }
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Option<SignedCopy>, Problem> {
        // The feed endpoint has no gateway in front of it that would distinguish methods.
        if request.method() != Method::POST {
            return Err(Problem::only_post());
        }
        let body = request.body(MAX_BODY_BYTES)?;
        if is_console_check(body) {
            return Ok(None);
        }
        self.signature.verify(request, body)?;
        // A byte that is not UTF-8 matters only in a field that is read.
        let text = String::from_utf8_lossy(body);
        let copy = MessageCopy::parse(&text);
        let msg_id = copy.as_ref().ok().and_then(MessageCopy::server_id).map(Cow::into_owned);
        let settings =
            FeedSettings { account_case: request.account_case(), last_msg_bytes: self.last_msg_bytes };
        let event = copy.map_err(NotApplied::from).and_then(|copy| copy.event(request.now(), settings));
        let invalid_utf8 = matches!(text, Cow::Owned(_));
        Ok(Some(SignedCopy { body: body.to_vec(), msg_id, event, invalid_utf8 }))
    }

    async fn handle(&self, copy: Option<SignedCopy>, context: &Context) -> Result<Reply, Problem> {
        let Some(SignedCopy { body, msg_id, event, invalid_utf8 }) = copy else {
            return Ok(Reply::default());
        };
        let mut note = Note { msg_id, invalid_utf8, ..Note::default() };
        let mut is_early = false;
        let (outcome, reason) = match event {
            Ok(event) if event.latest.is_ahead(context.now()) => {
                is_early = true;
                (Outcome::DeadLettered, Some(EARLY.to_owned()))
            }
            Ok(event) => {
                note.unknown_notice = event.unknown_notice;
                apply(context, &event.effect).await?
            }
            Err(NotApplied::Ignored(why)) => (Outcome::Ignored, Some(why.to_owned())),
            Err(NotApplied::Unreadable(error)) => (Outcome::DeadLettered, Some(error.to_string())),
        };
        note.outcome = Some(outcome).filter(|outcome| *outcome != Outcome::Applied);
        note.reason.clone_from(&reason);
        if let (Outcome::DeadLettered, Some(why)) = (outcome, &reason) {
            let stored =
                context.store().dead_letters(&self.dead_letters).put(&body, why, context.now()).await;
            if let Err(error) = stored {
                return Err(not_stored(note, error));
            }
        }
        if is_early {
            return Err(Problem::unavailable(EARLY).with_note(note));
        }
        let response = RecordMessageResponse { result: outcome, reason };
        Ok(Reply::json(&response)?.with_note(note))
    }
}

/// What came of a copy.
#[derive(Debug, Serialize)]
struct RecordMessageResponse {
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The problem when a copy that cannot be applied cannot be stored as a dead letter either.
fn not_stored(note: Note, error: DeadLetterError) -> Problem {
    match error {
        DeadLetterError::TooLong => {
            let reason = note.reason.as_ref().map(|why| format!("too long for a dead letter: {why}"));
            Problem::too_large_to_store().with_note(Note { outcome: Some(Outcome::Rejected), reason, ..note })
        }
        DeadLetterError::Store(error) => {
            Problem::from(error).with_note(Note { msg_id: note.msg_id, ..Note::default() })
        }
    }
}

const EARLY: &str = "a time of the copy is more than 5 minutes ahead; safe to retry";

/// Applies as much of the effect as possible. An item that can never be written, because its partition is full or the item is
/// damaged, does not hold up the others.
async fn apply(context: &Context, effect: &Effect) -> Result<(Outcome, Option<String>), StoreError> {
    // All session items are written even if one fails, so that the repeat only has to write those that failed.
    let results: Vec<Result<(), StoreError>> = match effect {
        Effect::P2p { session_items, message } => {
            let record = async |(user, id): &(Account, SessionId)| {
                context.store().sessions_of(user).record(id, message, context.now()).await
            };
            write_present(context, session_items, message.position.time, record).await?
        }
        Effect::AmendP2p { session_items, amendment } => {
            let amend = async |(user, id): &(Account, SessionId)| {
                context.store().sessions_of(user).amend(id, amendment, context.now()).await
            };
            write_present(context, session_items, amendment.time(), amend).await?
        }
        Effect::AmendGroup { group, amendment } => {
            vec![context.store().group(group, context.now()).amend(amendment).await]
        }
        Effect::Group { group, event } => {
            match context.store().group(group, context.now()).apply(event).await {
                Ok(applied) => applied.left_out.into_iter().map(|left_out| Err(left_out.error)).collect(),
                Err(error) => vec![Err(error)],
            }
        }
    };
    let (lasting, passing): (Vec<_>, Vec<_>) =
        results.into_iter().filter_map(Result::err).partition(StoreError::is_of_one_item);
    match (passing.into_iter().next(), lasting.first()) {
        (Some(error), _) => Err(error),
        (None, Some(error)) => {
            let reason = format!("items that cannot be written: {}; the first is {error}", lasting.len());
            Ok((Outcome::DeadLettered, Some(reason)))
        }
        (None, None) => Ok((Outcome::Applied, None)),
    }
}

/// Writes the session items of those users who were not erased since the time of the event. Returns one result for each item. A user
/// whose marker is malformed has an item that cannot be written.
async fn write_present<'a, F: Future<Output = Result<(), StoreError>>>(
    context: &Context,
    session_items: &'a [(Account, SessionId)],
    event: Timestamp,
    write: impl Fn(&'a (Account, SessionId)) -> F,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let users = session_items.iter().map(|(user, _)| user);
    let erased = context.store().erased(users, event, context.now()).await?;
    let present = session_items.iter().filter(|(user, _)| !erased.contains_key(user));
    let mut results = future::join_all(present.map(write)).await;
    results.extend(erased.into_values());
    Ok(results)
}

/// Whether the body is the test request of Yunxin's console. The console tries an address with an empty body or `{}`, signed or
/// not, and expects 200.
fn is_console_check(body: &[u8]) -> bool {
    let significant = body.iter().filter(|byte| !byte.is_ascii_whitespace());
    let first: Vec<u8> = significant.take(3).copied().collect();
    matches!(&first[..], b"" | b"{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_body_or_object_is_a_console_check() {
        for body in ["", " \n", "{}", " { } \n"] {
            assert!(is_console_check(body.as_bytes()), "{body:?}");
        }
        for body in ["[]", "{", r#"{"eventType":"1"}"#, "null", "{} {}"] {
            assert!(!is_console_check(body.as_bytes()), "{body:?}");
        }
    }
}
