//! A function that misbehaves as its path requests, for testing the effects: `GET /v1/sessions/p2p|panic`. A `PUT` fails with a
//! 500.

use session_api::{Context, Environment, HttpRequest, Method, Operation, Problem, Reply};
use session_model::SessionId;
use session_store::StoreError;

struct Misbehaving;

impl Operation for Misbehaving {
    const NAME: &'static str = "misbehaving";

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    /// The session that the path names; `None` for a `PUT`.
    type Request = Option<SessionId>;

    fn parse(&self, request: &HttpRequest<'_>) -> Result<Option<SessionId>, Problem> {
        Ok(if request.method() == Method::PUT { None } else { Some(request.session_id()?) })
    }

    async fn handle(&self, id: Option<SessionId>, _: &Context) -> Result<Reply, Problem> {
        let Some(id) = id else {
            return Err(StoreError::Failed("ResourceNotFoundException".into()).into());
        };
        match id.as_str() {
            "p2p|panic" => panic!("a secret"),
            "p2p|exit" => std::process::exit(3),
            "p2p|wait" => std::future::pending().await,
            "p2p|block" => loop {
                std::thread::park();
            },
            _ => Ok(Reply::default()),
        }
    }
}

fn main() -> std::process::ExitCode {
    session_api::main::<Misbehaving>()
}
