//! updateMySession: `PATCH /v1/sessions/{sessionId}` with `{"ext": "…"}`. Sets the caller's custom data of a session, or removes it
//! if `ext` is `""`. A session that does not exist or is deleted is created, without a last message. Returns the session.

use session_api::{Environment, Operation, Problem, Reply, RequestContext};
use session_model::{
    item::Ext,
    json::{Fields, InvalidField},
};

/// The operation updateMySession.
#[derive(Debug)]
pub struct UpdateMySession;

impl Operation for UpdateMySession {
    const NAME: &'static str = "updateMySession";

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    async fn handle(&self, request: &RequestContext<'_>) -> Result<Reply, Problem> {
        let caller = request.caller()?;
        request.reject_unknown_query(&[])?;
        let id = request.session_id()?;
        let ext = ext(&request.patch()?)?;
        Ok(Reply::json(&request.store().sessions_of(&caller).set_ext(&id, &ext, request.now()).await?))
    }
}

fn ext(fields: &Fields) -> Result<Ext, InvalidField> {
    fields.reject_unknown_fields(&["ext"])?;
    fields.parsed("ext")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<Option<String>, String> {
        let ext = Fields::parse(body.as_bytes()).and_then(|fields| ext(&fields));
        ext.map(|ext| ext.text().map(str::to_owned)).map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn the_body_is_an_ext_and_nothing_else() {
        assert_eq!(parsed(r#"{"ext": "pinned"}"#), Ok(Some("pinned".into())));
        assert_eq!(parsed(r#"{"ext": ""}"#), Ok(None));
        assert_eq!(parsed("{}"), Err("ext is required".into()));
        assert_eq!(parsed(r#"{"ext": null}"#), Err("ext is required".into()));
        assert_eq!(parsed(r#"{"ext": 5}"#), Err("ext must be a string".into()));
        assert_eq!(
            parsed(r#"{"ext": "x", "top": 1}"#),
            Err("body must hold no other fields than ext".into())
        );
        let long = format!(r#"{{"ext": "{}"}}"#, "x".repeat(1025));
        assert_eq!(parsed(&long), Err("ext must be at most 1024 characters long".into()));
    }
}
