//! recordMessage: `POST` to the feed's own address, or `POST /v1/messages`. One message copy of the messaging backend, a message, a recall
//! or an edit, merged into the sessions it belongs to.
//!
//! What becomes of a copy with a good signature:
//!
//! - it is applied: 200 and `{}`, once every write is durable;
//! - it says nothing of sessions: 200 and `{"ignored": "<why>"}`;
//! - it cannot be taken, or not for all it is about: 200 and `{"kept": "<why>"}`. It lies in `KeptCopies`, and an alarm tells;
//! - it comes from more than 5 minutes ahead: 503, and kept. It may come again, and a feed that gives up loses nothing;
//! - the database is busy or silent: 503.
//!
//! The feed takes 200 and 500 for delivered and repeats what is answered otherwise. So nothing is answered 200 and lost, and nothing
//! that is wrong with a copy is answered 5xx: only what is wrong with the service, until that is mended.

use std::borrow::Cow;

use futures_util::future;
use serde_json::json;
use session_api::{Call, Environment, Method, Note, Operation, Outcome, Problem, Reply, Signature};
use session_model::{Account, Effect, MessageCopy, NotApplied, SessionId};
use session_store::{KeepError, StoreError};

/// The longest copy, in bytes: 1 MB.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The operation.
pub struct RecordMessage {
    signature: Signature,
    kept_copies: String,
}

impl Operation for RecordMessage {
    const NAME: &'static str = "recordMessage";
    const FOR_BACKEND: bool = true;
    const CONNECTIONS: usize = 2;

    fn configure(environment: &mut Environment) -> Self {
        Self {
            signature: Signature::configure(environment),
            kept_copies: environment.required("KEPT_COPIES_TABLE"),
        }
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Reply, Problem> {
        // The feed's own address has no gateway before it, which would tell methods apart.
        if call.method() != Method::POST {
            return Err(Problem::only_post());
        }
        let body = call.body(MAX_BODY_BYTES)?;
        if is_console_check(body) {
            return Ok(Reply::default());
        }
        self.signature.verify(call, body)?;
        // A byte that is no UTF-8 matters only where it is read.
        let text = String::from_utf8_lossy(body);
        let copy = MessageCopy::parse(&text);
        let msg_id = copy.as_ref().ok().and_then(MessageCopy::server_id).map(Cow::into_owned);
        let mut note = Note { msg_id, ..Note::default() };
        let event =
            copy.map_err(NotApplied::from).and_then(|copy| copy.event(call.now(), call.account_case()));
        let fate = match event {
            Ok(event) if event.latest.is_ahead(call.now()) => Fate::Early,
            Ok(event) => {
                note.unknown_notice = event.unknown_notice;
                apply(call, &event.effect).await?
            }
            Err(NotApplied::Ignored(why)) => Fate::Ignored(why),
            Err(NotApplied::Unreadable(refusal)) => Fate::Kept(refusal.to_string()),
        };
        (note.outcome, note.reason) = match &fate {
            Fate::Applied => (None, None),
            Fate::Ignored(why) => (Some(Outcome::Ignored), Some((*why).to_owned())),
            Fate::Kept(why) => (Some(Outcome::Kept), Some(why.clone())),
            Fate::Early => (Some(Outcome::Kept), Some(EARLY.to_owned())),
        };
        if let (Some(Outcome::Kept), Some(why)) = (note.outcome, &note.reason) {
            let kept = call.store().kept_copies(&self.kept_copies).keep(body, why, call.now()).await;
            if let Err(error) = kept {
                return Err(not_kept(call, note, error));
            }
        }
        call.note(note);
        match fate {
            Fate::Applied => Ok(Reply::default()),
            Fate::Ignored(why) => Ok(Reply::json(&json!({ "ignored": why }))),
            Fate::Kept(why) => Ok(Reply::json(&json!({ "kept": why }))),
            Fate::Early => Err(Problem::unavailable(EARLY)),
        }
    }
}

/// Why a copy that cannot be taken is not kept either.
fn not_kept(call: &Call<'_>, note: Note, error: KeepError) -> Problem {
    match error {
        KeepError::TooLong => {
            let reason = note.reason.map(|why| format!("too long to be kept: {why}"));
            call.note(Note { outcome: Some(Outcome::Refused), reason, ..note });
            Problem::too_large_to_keep()
        }
        KeepError::Store(error) => {
            call.note(Note { msg_id: note.msg_id, ..Note::default() });
            error.into()
        }
    }
}

/// What becomes of a signed copy.
#[derive(Debug)]
enum Fate {
    /// It is applied, wholly.
    Applied,
    /// It says nothing of sessions, for this reason.
    Ignored(&'static str),
    /// It is kept, for this reason.
    Kept(String),
    /// It is kept, and may come again when its time has come.
    Early,
}

const EARLY: &str = "a time of the copy is more than 5 minutes ahead; safe to repeat";

/// Applies what can be applied. An item that will never be written, because its partition is full or it is damaged, does not
/// hold up the others.
async fn apply(call: &Call<'_>, effect: &Effect) -> Result<Fate, StoreError> {
    // Of rows all also when one fails: what is written need not be written by the repeat.
    let results: Vec<Result<(), StoreError>> = match effect {
        Effect::P2p { rows, entry } => {
            let record = async |(user, id): &(Account, SessionId)| {
                call.store().sessions_of(user).record(id, entry, call.now()).await
            };
            future::join_all(rows.iter().map(record)).await
        }
        Effect::EditP2p { rows, edit } => {
            let edit = async |(user, id): &(Account, SessionId)| {
                call.store().sessions_of(user).edit(id, edit, call.now()).await
            };
            future::join_all(rows.iter().map(edit)).await
        }
        Effect::EditGroup { group, edit } => vec![call.store().group(group, call.now()).edit(edit).await],
        Effect::Group { group, event } => match call.store().group(group, call.now()).apply(event).await {
            Ok(left_out) => left_out.into_iter().map(|left_out| Err(left_out.error)).collect(),
            Err(error) => vec![Err(error)],
        },
    };
    let (lasting, passing): (Vec<_>, Vec<_>) =
        results.into_iter().filter_map(Result::err).partition(StoreError::is_of_one_item);
    match (passing.into_iter().next(), lasting.first()) {
        (Some(error), _) => Err(error),
        (None, Some(error)) => {
            Ok(Fate::Kept(format!("items that cannot be written: {}; the first is {error}", lasting.len())))
        }
        (None, None) => Ok(Fate::Applied),
    }
}

/// Yunxin's console tries an address with an empty body or `{}`, signed or not, and expects 200.
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
