//! A function that misbehaves as its path requests, for testing the effects: `GET /v1/sessions/p2p|panic`. A `PUT` fails with a
//! 500.

use session_api::{Environment, Method, Operation, Problem, Reply, RequestContext};
use session_store::StoreError;

struct Misbehaving;

impl Operation for Misbehaving {
    const NAME: &'static str = "misbehaving";

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    async fn handle(&self, request: &RequestContext<'_>) -> Result<Reply, Problem> {
        if request.method() == Method::PUT {
            return Err(StoreError::Failed("ResourceNotFoundException".into()).into());
        }
        match request.session_id()?.as_str() {
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
