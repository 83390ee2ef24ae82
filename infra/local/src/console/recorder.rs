//! The emulator's observer: it announces completed requests, traces them, and passes the functions' lines on.

use std::sync::Arc;

use axum::http::request::Parts;
use serde_json::Value;
use tokio::sync::broadcast;

use super::trace::{TracedRequest, TracedResponse, Tracer};
use crate::emulator::{
    gateway::event,
    observer::{Observer, ProcessObserver, RequestObserver, Responded, Routed},
};

/// The header that marks requests which the console sends in the background.
const IN_BACKGROUND: &str = "x-console-in-background";
/// The number of completed requests by which a slow listener may lag.
const REQUESTS_QUEUED: usize = 1_000;

/// A sink for the lines that functions write to standard output and standard error. It gets the function's name and the line.
pub type LogSink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// A completed request.
#[derive(Clone, Copy, Debug)]
pub struct Completed {
    /// The request's number in the tracer.
    pub number: Option<u64>,
    /// Whether the console sent it in the background, to show new data.
    pub in_background: bool,
}

/// Records what happens.
pub struct Recorder {
    tracer: Option<Arc<Tracer>>,
    completed: broadcast::Sender<Completed>,
    log: LogSink,
}

impl Recorder {
    /// Creates a recorder that traces requests if it has a tracer.
    #[must_use]
    pub fn new(tracer: Option<Arc<Tracer>>, log: LogSink) -> Self {
        Self { tracer, completed: broadcast::Sender::new(REQUESTS_QUEUED), log }
    }

    /// The tracer, which keeps the last requests.
    #[must_use]
    pub fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.tracer.as_ref()
    }

    /// Subscribes to completed requests.
    #[must_use]
    pub fn completed(&self) -> broadcast::Receiver<Completed> {
        self.completed.subscribe()
    }
}

impl Observer for Recorder {
    fn request(&self, request_id: &str, parts: &Parts) -> Box<dyn RequestObserver> {
        let in_background = parts.headers.contains_key(IN_BACKGROUND);
        let trace = self.tracer.as_ref().map(|tracer| {
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let number = tracer.arrived(TracedRequest {
                request_id: request_id.to_owned(),
                method: parts.method.to_string(),
                path: path.to_owned(),
                headers: event::headers(&parts.headers),
                in_background,
            });
            Trace { tracer: Arc::clone(tracer), number, response: TracedResponse::default() }
        });
        Box::new(RecordedRequest { in_background, trace, completed: self.completed.clone() })
    }

    fn logged(&self, function: &str, line: &str) {
        if let Some(tracer) = &self.tracer {
            tracer.logged(line);
        }
        (self.log)(function, line);
    }

    fn process(&self) -> Option<Box<dyn ProcessObserver>> {
        let tracer = self.tracer.as_ref()?;
        Some(Box::new(tracer.seat()))
    }
}

/// A request that is being handled.
struct RecordedRequest {
    in_background: bool,
    trace: Option<Trace>,
    completed: broadcast::Sender<Completed>,
}

struct Trace {
    tracer: Arc<Tracer>,
    number: u64,
    response: TracedResponse,
}

impl RequestObserver for RecordedRequest {
    fn routed(&mut self, routed: Routed<'_>) {
        let Some(Trace { tracer, response, .. }) = &mut self.trace else { return };
        response.operation = Some(routed.operation.to_owned());
        response.user = routed.user.map(str::to_owned);
        response.body = routed.body.to_vec();
        response.memory_mb = routed.memory_mb;
        response.through_api = tracer.is_through_api(routed.function);
    }

    fn invoked(&mut self, event: &Value) {
        if let Some(trace) = &mut self.trace {
            trace.response.event = Some(event.clone());
        }
    }

    fn responded(self: Box<Self>, responded: Responded<'_>) {
        let number = self.trace.map(|Trace { tracer, number, mut response }| {
            response.status = responded.status.as_u16();
            response.headers = event::headers(responded.headers);
            response.response = responded.body.to_vec();
            response.duration = responded.duration;
            tracer.responded(number, response);
            number
        });
        // There may be no listener.
        let _ = self.completed.send(Completed { number, in_background: self.in_background });
    }
}
