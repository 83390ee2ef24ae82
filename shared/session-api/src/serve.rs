//! Start-up of a function, and what surrounds every invocation: deadline, panics, log line.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use lambda_http::{LambdaEvent, lambda_runtime, service_fn};
use serde_json::value::RawValue;
use session_store::{ClockCheck, Settings, Store, TrustedRoots};
use tokio::time::timeout;

use crate::{
    Context, Environment, HttpRequest, Note, Outcome, Problem, Reply, clock, event::GatewayEvent, log,
    memory, reply::Response, request::CallerSettings,
};

/// The time after which a function responds 503 by itself. The feed waits 5 s. A timeout in the gateway would lead to a 500 or 504,
/// which callers might not repeat.
const DEADLINE: Duration = Duration::from_secs(4);

/// One operation of the service: everything in a function that functions do not share.
pub trait Operation: Send + Sync + Sized + 'static {
    /// The operation's name in the API.
    const NAME: &'static str;
    /// Whether the messaging backend calls it. The backend's feed counts a 500 as delivered and would not repeat the request.
    const FOR_BACKEND: bool = false;
    /// The number of requests to DynamoDB that one invocation sends concurrently. This many connections are opened at start-up.
    const CONNECTIONS: usize = 1;

    /// Reads the configuration that the operation needs besides that of the store.
    fn configure(environment: &mut Environment) -> Self;

    /// The request as far as the operation needs it, parsed.
    type Request: Send;

    /// Parses and checks a request, without a store.
    fn parse(&self, request: &HttpRequest<'_>) -> Result<Self::Request, Problem>;

    /// Handles one request.
    fn handle(
        &self,
        request: Self::Request,
        context: &Context,
    ) -> impl Future<Output = Result<Reply, Problem>> + Send;
}

/// The `main` of a function: reads the configuration, opens connections to DynamoDB while the start-up still has a whole CPU, then
/// handles invocations from the Lambda Runtime API, one at a time.
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
    memory::raise_mmap_threshold();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // Run as a task, because it costs 2 system calls whenever another task wakes the runtime's main future.
    let ended = runtime.block_on(runtime.spawn(run::<O>()));
    ended.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()))
}

async fn run<O: Operation>() -> Result<(), String> {
    let mut environment = Environment::of_process();
    // Without this variable, there is no Runtime API to respond to.
    let is_on_lambda = !environment.required("AWS_LAMBDA_RUNTIME_API").is_empty();
    let server = Arc::new(Server::new(prepare::<O>(environment).await));
    if let Err(problem) = &server.ready {
        // If a function does not start, the gateway responds 500, which the feed counts as delivered.
        if !(O::FOR_BACKEND && is_on_lambda) {
            return Err(problem.clone());
        }
        log::start_failed(O::NAME, problem);
    }
    let handle = |event: LambdaEvent<Box<RawValue>>| {
        let server = Arc::clone(&server);
        // Boxed, because each of the runtime's layers would otherwise move a future of many kilobytes.
        Box::pin(async move {
            Ok::<_, Infallible>(server.handle(event.payload.get(), &event.context.request_id).await)
        })
    };
    lambda_runtime::run(service_fn(handle)).await.map_err(|error| error.to_string())
}

/// Returns what a function needs to handle requests, or the reason why it cannot handle them.
async fn prepare<O: Operation>(mut environment: Environment) -> Result<Ready<O>, String> {
    let (operation, settings, caller_settings) = configure::<O>(&mut environment);
    environment.finish()?;
    let store = Store::connect(settings).map_err(|error| error.to_string())?;
    store.prewarm(O::CONNECTIONS).await;
    Ok(Ready { operation, store, caller_settings })
}

fn configure<O: Operation>(environment: &mut Environment) -> (O, Settings, CallerSettings) {
    // Only developers set this, so that they need not wait for a month.
    clock::move_ahead(environment.parsed("CLOCK_OFFSET_MS").unwrap_or_default());
    // These are read by the SDK.
    environment.required("AWS_ACCESS_KEY_ID");
    environment.required("AWS_SECRET_ACCESS_KEY");
    let ca_bundle = environment.optional("AWS_CA_BUNDLE").and_then(|path| {
        let pem = std::fs::read(&path).map_err(|error| format!("cannot be read: {error}"));
        let roots = pem.and_then(|pem| TrustedRoots::parse(pem).map_err(|invalid| invalid.to_string()));
        roots.map_err(|reason| environment.problem(format!("AWS_CA_BUNDLE {reason}"))).ok()
    });
    let caller_settings = CallerSettings {
        user_claim: environment.optional("USER_CLAIM").unwrap_or_else(|| "sub".to_owned()),
        account_case: environment.parsed("ACCOUNT_CASE").unwrap_or_default(),
    };
    let region = environment.required("AWS_REGION");
    let endpoint =
        environment.url("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| environment.url("AWS_ENDPOINT_URL"));
    let settings = Settings {
        region,
        // An engine other than DynamoDB runs on a developer's machine, and its clock does not matter.
        clock_check: endpoint.is_none().then(|| ClockCheck::new(clock::now, log::clock_skew)),
        endpoint,
        fips: environment.parsed("AWS_USE_FIPS_ENDPOINT").unwrap_or_default(),
        dual_stack: environment.parsed("AWS_USE_DUALSTACK_ENDPOINT").unwrap_or_default(),
        sessions_table: environment.required("SESSIONS_TABLE"),
        groups_table: environment.required("GROUPS_TABLE"),
        last_msg_bytes: environment.parsed("LAST_MSG_BYTES").unwrap_or_default(),
        ca_bundle,
        operation: O::NAME,
    };
    (O::configure(environment), settings, caller_settings)
}

pub(crate) struct Server<O> {
    ready: Result<Ready<O>, String>,
    has_been_called: AtomicBool,
}

pub(crate) struct Ready<O> {
    pub(crate) operation: O,
    pub(crate) store: Store,
    pub(crate) caller_settings: CallerSettings,
}

impl<O: Operation> Server<O> {
    pub(crate) fn new(ready: Result<Ready<O>, String>) -> Self {
        Self { ready, has_been_called: AtomicBool::new(false) }
    }

    /// Handles the request in an event, and logs the result. `invocation` is Lambda's request id.
    pub(crate) async fn handle(&self, event: &str, invocation: &str) -> Response {
        let started = Instant::now();
        let event = catch_unwind(|| GatewayEvent::parse(event)).ok().flatten();
        // The client gets the gateway's id as `apigw-requestid`.
        let request_id = event.as_ref().and_then(GatewayEvent::request_id).unwrap_or(invocation.into());
        let request = self.request(event);
        let result = match &request {
            Ok((ready, request, context)) => ready.handle(request, context).await,
            Err(problem) => Err(problem.clone()),
        };
        let (request, context) = match &request {
            Ok((_, request, context)) => (Some(request), Some(context)),
            Err(_) => (None, None),
        };
        let (status, code, cause) = match &result {
            Ok(_) => (200, 200, None),
            Err(problem) => (problem.status(), problem.code(), Some(problem.cause())),
        };
        log::Invocation {
            operation: O::NAME,
            status,
            code,
            cause,
            duration: started.elapsed(),
            units: context.map(|context| context.store().units()).unwrap_or_default(),
            request_id: &request_id,
            cold_start: !self.has_been_called.swap(true, Ordering::Relaxed),
            unreadable: context.and_then(|context| context.store().unreadable()),
            note: result.as_ref().map_or_else(Problem::note, Reply::note),
        }
        .log();
        match result {
            Ok(reply) => {
                let accept_encoding = request.and_then(|request| request.header("accept-encoding"));
                reply.into_response(accept_encoding.as_deref().unwrap_or_default())
            }
            Err(problem) => problem.into_response(&request_id),
        }
    }

    fn request<'a>(
        &'a self,
        event: Option<GatewayEvent<'a>>,
    ) -> Result<(&'a Ready<O>, HttpRequest<'a>, Context), Problem> {
        let ready = self.ready.as_ref().map_err(|reason| Problem::misconfigured(reason))?;
        let event = event.ok_or_else(Problem::unreadable_event)?;
        let now = clock::now();
        let request = HttpRequest::new(event, now, &ready.caller_settings);
        Ok((ready, request, Context::new(ready.store.metered(), now)))
    }
}

impl<O: Operation> Ready<O> {
    async fn handle(&self, request: &HttpRequest<'_>, context: &Context) -> Result<Reply, Problem> {
        let handled = Box::pin(async {
            let parsed = self.operation.parse(request)?;
            self.operation.handle(parsed, context).await
        });
        let result = match timeout(DEADLINE, AssertUnwindSafe(handled).catch_unwind()).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Problem::panicked()),
            Err(_) => Err(Problem::out_of_time()),
        };
        if !O::FOR_BACKEND {
            return result;
        }
        result.map_err(|problem| {
            // Anyone who finds the address may send requests. Only a request that is signed in some way shows that the feed has a
            // problem.
            let is_rejected = [403, 413].contains(&problem.status()) && problem.note().is_none();
            if is_rejected && request.header("CheckSum").is_some() {
                let note = Note { outcome: Some(Outcome::Rejected), ..Note::default() };
                return problem.with_note(note);
            }
            problem.repeatable()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use session_store::StoreError;

    use super::*;

    struct Failing;

    impl Operation for Failing {
        const NAME: &'static str = "failing";
        const FOR_BACKEND: bool = true;

        fn configure(_: &mut Environment) -> Self {
            Self
        }

        type Request = Option<String>;

        fn parse(&self, request: &HttpRequest<'_>) -> Result<Option<String>, Problem> {
            Ok(request.header("how").map(Into::into))
        }

        async fn handle(&self, how: Option<String>, _: &Context) -> Result<Reply, Problem> {
            match how.as_deref() {
                Some("panic") => panic!("secret"),
                Some("fail") => Err(StoreError::Failed("AccessDeniedException".into()).into()),
                _ => Ok(Reply::default()),
            }
        }
    }

    async fn responded(ready: Result<Ready<Failing>, String>, event: &Value) -> (u64, Value) {
        let response = Server::new(ready).handle(&event.to_string(), "lambda-1").await;
        let response = serde_json::to_value(response).unwrap();
        let status = response["statusCode"].as_u64().unwrap();
        (status, serde_json::from_str(response["body"].as_str().unwrap()).unwrap())
    }

    fn ready() -> Ready<Failing> {
        let caller_settings =
            CallerSettings { user_claim: "sub".into(), account_case: session_model::AccountCase::Keep };
        Ready { operation: Failing, store: Store::connect(Settings::default()).unwrap(), caller_settings }
    }

    fn event(how: &str) -> Value {
        json!({"requestContext": {"http": {"method": "GET"}}, "headers": {"how": how}})
    }

    #[tokio::test]
    async fn a_panic_becomes_a_503() {
        let (status, problem) = responded(Ok(ready()), &event("panic")).await;
        assert_eq!((status, &problem["requestId"]), (503, &"lambda-1".into()));
        assert!(!problem.to_string().contains("secret"));
        assert_eq!(responded(Ok(ready()), &event("")).await, (200, json!({})));
    }

    #[tokio::test]
    async fn a_backend_never_gets_a_500() {
        assert_eq!(responded(Ok(ready()), &event("fail")).await.0, 503);
    }

    #[tokio::test]
    async fn an_unreadable_event_is_not_a_500() {
        assert_eq!(responded(Ok(ready()), &json!({"Records": []})).await.0, 503);
        assert_eq!(responded(Ok(ready()), &json!("text")).await.0, 503);
    }

    #[tokio::test]
    async fn a_misconfigured_function_responds_503() {
        let (status, problem) = responded(Err("TABLE is not set".into()), &event("")).await;
        assert_eq!((status, &problem["requestId"]), (503, &"lambda-1".into()));
        assert!(!problem.to_string().contains("TABLE"));
    }
}
