//! updateMySession: `PATCH /v1/sessions/{sessionId}` with `{"ext": "…"}`. Sets the caller's custom data of a session, or removes it
//! if `ext` is `""`. A session that does not exist or is deleted is created, without a last message. Returns the session, or 404 to a
//! user whom a newer list of the group's members has dropped.

use session_api::{Context, Environment, HttpRequest, Operation, Problem, Reply};
use session_model::{
    Account, SessionId,
    item::Ext,
    json::{Fields, InvalidField},
};

/// The field with the custom data.
const EXT: &str = "ext";

/// The operation updateMySession.
#[derive(Debug)]
pub struct UpdateMySession;

/// The custom data of one session of the caller.
#[derive(Debug)]
pub struct Request {
    caller: Account,
    id: SessionId,
    ext: Ext,
}

impl Operation for UpdateMySession {
    const NAME: &'static str = "updateMySession";

    type Request = Request;

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Request, Problem> {
        let caller = request.caller()?;
        request.no_query()?;
        Ok(Request {
            caller,
            id: request.session_id()?,
            ext: ext(&request.patch()?, request.is_merge_patch())?,
        })
    }

    async fn handle(
        &self,
        Request { caller, id, ext }: Request,
        context: &Context,
    ) -> Result<Reply, Problem> {
        let session = context.store().sessions_of(&caller).set_ext(&id, &ext, context.now()).await?;
        Reply::json(&session.ok_or_else(Problem::no_such_session)?)
    }
}

fn ext(fields: &Fields, is_merge_patch: bool) -> Result<Ext, InvalidField> {
    fields.reject_unknown_fields(&[EXT])?;
    if is_merge_patch && fields.is_null(EXT) { Ok(Ext::default()) } else { fields.parsed(EXT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<Option<String>, String> {
        parsed_as(body, false)
    }

    fn parsed_as(body: &str, is_merge_patch: bool) -> Result<Option<String>, String> {
        let ext = Fields::parse(body.as_bytes()).and_then(|fields| ext(&fields, is_merge_patch));
        ext.map(|ext| ext.text().map(str::to_owned)).map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn the_body_is_an_ext_and_nothing_else() {
        assert_eq!(parsed(r#"{"ext": "pinned"}"#), Ok(Some("pinned".into())));
        assert_eq!(parsed(r#"{"ext": ""}"#), Ok(None));
        assert_eq!(parsed("{}"), Err("ext is required".into()));
        assert_eq!(parsed(r#"{"ext": null}"#), Err("ext is required".into()));
        assert_eq!(parsed_as(r#"{"ext": null}"#, true), Ok(None), "a merge patch removes it");
        assert_eq!(parsed_as("{}", true), Err("ext is required".into()));
        assert_eq!(parsed(r#"{"ext": 5}"#), Err("ext must be a string".into()));
        assert_eq!(
            parsed(r#"{"ext": "x", "top": 1}"#),
            Err("body must hold no other fields than ext".into())
        );
        let long = format!(r#"{{"ext": "{}"}}"#, "x".repeat(1025));
        assert_eq!(parsed(&long), Err("ext must be at most 1024 characters long".into()));
    }
}
