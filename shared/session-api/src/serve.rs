//! Start-up of a function, and what surrounds every call: deadline, panics, log line.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, resume_unwind},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use lambda_http::{LambdaEvent, Request, RequestExt, lambda_runtime, request::LambdaRequest, service_fn};
use session_store::{Settings, Store, TrustedRoots};
use tokio::time::timeout;

use crate::{Call, Environment, Problem, Reply, clock, log, memory, reply::Answer};

/// When a function answers 503 by itself. The feed waits 5 s, and a gateway's own time-out would be a 500 or 504, which
/// callers may not repeat.
const DEADLINE: Duration = Duration::from_secs(4);

/// One operation of the service: the whole of a function but for what all functions share.
pub trait Operation: Send + Sync + Sized + 'static {
    /// The operation's name in the API.
    const NAME: &'static str;
    /// Whether the feed calls it, which takes a 500 for delivered and would not repeat it.
    const FOR_BACKEND: bool = false;
    /// How many requests one call makes at once: so many connections are opened at start-up.
    const CONNECTIONS: usize = 1;

    /// Reads what the operation needs beyond the store.
    fn configure(environment: &mut Environment) -> Self;

    /// Does one call.
    fn answer(&self, call: &Call) -> impl Future<Output = Result<Reply, Problem>> + Send;
}

/// The `main` of a function: reads the configuration, opens connections to DynamoDB while the start still has a whole
/// CPU, then answers calls from the Lambda Runtime API, one at a time.
#[must_use]
pub fn main<O: Operation>() -> ExitCode {
    log::log_panics(O::NAME);
    match start::<O>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            log::start_failed(O::NAME, &problem);
            ExitCode::FAILURE
        }
    }
}

fn start<O: Operation>() -> Result<(), String> {
    memory::keep_what_is_freed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // As a task: whenever another task wakes the runtime's main future, that costs two system calls.
    let ended = runtime.block_on(runtime.spawn(run::<O>()));
    ended.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()))
}

async fn run<O: Operation>() -> Result<(), String> {
    let mut environment = Environment::of_process();
    let (operation, settings, user_claim) = configure::<O>(&mut environment);
    environment.finish()?;
    let store = Store::connect(settings).map_err(|error| error.to_string())?;
    store.open_connections(O::CONNECTIONS).await;
    let server = Arc::new(Server { operation, store, user_claim });
    let handle = |event: LambdaEvent<LambdaRequest>| {
        let server = Arc::clone(&server);
        // In a box: the runtime's layers would each move a future of many kilobytes.
        Box::pin(async move {
            let request = Request::from(event.payload).with_lambda_context(event.context);
            Ok::<_, Infallible>(server.handle(request).await)
        })
    };
    lambda_runtime::run(service_fn(handle)).await.map_err(|error| error.to_string())
}

fn configure<O: Operation>(environment: &mut Environment) -> (O, Settings, Arc<str>) {
    // `lambda_http` panics without it; said here, it reads as what it is.
    environment.required("AWS_LAMBDA_RUNTIME_API");
    // Read by the SDK.
    environment.required("AWS_ACCESS_KEY_ID");
    environment.required("AWS_SECRET_ACCESS_KEY");
    let ca_bundle = environment.optional("AWS_CA_BUNDLE").and_then(|path| {
        let pem = std::fs::read(&path).map_err(|error| format!("cannot be read: {error}"));
        let roots = pem.and_then(|pem| TrustedRoots::parse(pem).map_err(|invalid| invalid.to_string()));
        roots.map_err(|reason| environment.problem(format!("AWS_CA_BUNDLE {reason}"))).ok()
    });
    let user_claim = environment.optional("USER_CLAIM").unwrap_or_else(|| "sub".to_owned());
    let settings = Settings {
        region: environment.required("AWS_REGION"),
        endpoint: environment
            .url("AWS_ENDPOINT_URL_DYNAMODB")
            .or_else(|| environment.url("AWS_ENDPOINT_URL")),
        fips: environment.flag("AWS_USE_FIPS_ENDPOINT"),
        dual_stack: environment.flag("AWS_USE_DUALSTACK_ENDPOINT"),
        sessions_table: environment.required("SESSIONS_TABLE"),
        groups_table: environment.required("GROUPS_TABLE"),
        ca_bundle,
        operation: O::NAME,
    };
    (O::configure(environment), settings, user_claim.into())
}

struct Server<O> {
    operation: O,
    store: Store,
    user_claim: Arc<str>,
}

impl<O: Operation> Server<O> {
    async fn handle(&self, request: Request) -> Answer {
        let started = Instant::now();
        let call = Call::new(request, self.store.metered(), clock::now(), Arc::clone(&self.user_claim));
        let answer = AssertUnwindSafe(Box::pin(self.operation.answer(&call))).catch_unwind();
        let result = match timeout(DEADLINE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Problem::panicked()),
            Err(_) => Err(Problem::out_of_time()),
        };
        let result = result.map_err(|problem| if O::FOR_BACKEND { problem.repeatable() } else { problem });
        let (status, code, cause) = match &result {
            Ok(_) => (200, 200, None),
            Err(problem) => (problem.status(), problem.code(), problem.cause()),
        };
        let request_id = call.request_id();
        log::Invocation {
            operation: O::NAME,
            status,
            code,
            cause,
            duration: started.elapsed(),
            units: call.store().units(),
            request_id: &request_id,
        }
        .log();
        match result {
            Ok(reply) => reply.into_answer(call.headers()),
            Err(problem) => problem.into_answer(&request_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use session_store::StoreError;

    use super::*;

    struct Failing;

    impl Operation for Failing {
        const NAME: &'static str = "failing";
        const FOR_BACKEND: bool = true;

        fn configure(_: &mut Environment) -> Self {
            Self
        }

        async fn answer(&self, call: &Call) -> Result<Reply, Problem> {
            match call.header("how") {
                Some("panic") => panic!("secret"),
                Some("fail") => Err(StoreError::Failed("AccessDeniedException".into()).into()),
                _ => Ok(Reply::default()),
            }
        }
    }

    async fn answered(how: &str) -> (u64, Value) {
        let server = Server {
            operation: Failing,
            store: Store::connect(Settings::default()).unwrap(),
            user_claim: "sub".into(),
        };
        let mut context = lambda_http::Context::default();
        context.request_id = "lambda-1".into();
        let mut request = Request::default().with_lambda_context(context);
        request.headers_mut().insert("how", how.parse().unwrap());
        let answer = server.handle(request).await;
        let answer = serde_json::to_value(answer).unwrap();
        let status = answer["statusCode"].as_u64().unwrap();
        (status, serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_which_may_be_repeated() {
        let (status, problem) = answered("panic").await;
        assert_eq!((status, &problem["requestId"]), (503, &"lambda-1".into()));
        assert!(!problem.to_string().contains("secret"));
        assert_eq!(answered("").await, (200, serde_json::json!({})));
    }

    #[tokio::test]
    async fn a_backend_never_gets_a_500() {
        assert_eq!(answered("fail").await.0, 503);
    }
}
