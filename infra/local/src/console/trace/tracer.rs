//! The record of the last requests.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{
    exchange::{RecordedExchange, Summary, TracedRequest, TracedResponse},
    request::DbRequest,
    text,
};
use crate::{
    cost::prices::Prices,
    emulator::{clock::Clock, observer::ProcessObserver},
};

/// The number of requests kept.
const MAX_EXCHANGES: usize = 1_000;

/// Records the last 1,000 requests.
pub struct Tracer {
    /// The URL of the proxy.
    endpoint: String,
    prices: Prices,
    /// The names of the functions that have a Function URL when the template is deployed.
    behind_urls: BTreeSet<String>,
    clock: Clock,
    exchanges: Mutex<Exchanges>,
}

#[derive(Default)]
struct Exchanges {
    last: u64,
    recorded: VecDeque<RecordedExchange>,
    /// The id of the request that each process is handling, by its seat.
    seats: HashMap<u64, String>,
    last_seat: u64,
}

impl Tracer {
    pub(super) fn new(
        endpoint: String,
        prices: Prices,
        behind_urls: BTreeSet<String>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self { endpoint, prices, behind_urls, clock, exchanges: Mutex::default() })
    }

    /// Records a request that has arrived, and returns its number.
    pub(crate) fn arrived(&self, exchange: TracedRequest) -> u64 {
        let mut exchanges = self.exchanges();
        exchanges.last += 1;
        let number = exchanges.last;
        if exchanges.recorded.len() == MAX_EXCHANGES {
            exchanges.recorded.pop_front();
        }
        exchanges.recorded.push_back(RecordedExchange::new(number, self.clock.now_ms(), exchange));
        number
    }

    /// Records the response to a request.
    pub(crate) fn responded(&self, number: u64, responded: TracedResponse) {
        self.change(|exchange| exchange.number() == number, |exchange| exchange.responded(responded));
    }

    /// Records a line that a function has logged.
    pub(crate) fn logged(&self, line: &str) {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return };
        let Some(request_id) = line["requestId"].as_str().map(str::to_owned) else { return };
        self.change(|exchange| exchange.request_id() == request_id, |exchange| exchange.logged(line));
    }

    /// Whether requests to this function come through the HTTP API when the template is deployed.
    pub(crate) fn is_through_api(&self, function: &str) -> bool {
        !self.behind_urls.contains(function)
    }

    /// The requests after this number, oldest first.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<Summary> {
        self.exchanges()
            .recorded
            .iter()
            .filter(|exchange| exchange.number() > number)
            .map(RecordedExchange::summary)
            .collect()
    }

    /// Returns the request with this number.
    #[must_use]
    pub fn exchange(&self, number: u64) -> Option<RecordedExchange> {
        self.exchanges().recorded.iter().find(|exchange| exchange.number() == number).cloned()
    }

    /// Returns a request as JSON, with the costs of a million such requests and of a million of each request to DynamoDB, in US
    /// dollars.
    #[must_use]
    pub fn shown(&self, exchange: &RecordedExchange) -> Value {
        let mut shown = serde_json::to_value(exchange).unwrap_or_default();
        shown["dollarsOfAMillion"] = exchange.dollars_of_a_million(&self.prices).into();
        for (request, shown) in
            exchange.requests().iter().zip(shown["requests"].as_array_mut().into_iter().flatten())
        {
            let dollars = self.prices.of_units(request.read_units(), request.write_units());
            shown["dollarsOfAMillion"] = dollars.into();
        }
        shown
    }

    /// Formats a request as a few lines of text.
    #[must_use]
    pub fn text(&self, exchange: &RecordedExchange) -> String {
        text::text(&self.shown(exchange))
    }

    /// Creates an address of DynamoDB for one process.
    pub(crate) fn seat(self: &Arc<Self>) -> Seat {
        let mut exchanges = self.exchanges();
        exchanges.last_seat += 1;
        Seat { number: exchanges.last_seat, tracer: Arc::clone(self) }
    }

    /// Records a request to DynamoDB by the process in this seat.
    pub(super) fn requested(&self, seat: u64, request: DbRequest) {
        let Some(request_id) = self.exchanges().seats.get(&seat).cloned() else { return };
        self.change(|exchange| exchange.request_id() == request_id, |exchange| exchange.requested(request));
    }

    fn change(&self, which: impl Fn(&RecordedExchange) -> bool, change: impl FnOnce(&mut RecordedExchange)) {
        if let Some(exchange) = self.exchanges().recorded.iter_mut().rev().find(|exchange| which(exchange)) {
            change(exchange);
        }
    }

    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address at which one process reaches DynamoDB.
pub(crate) struct Seat {
    number: u64,
    tracer: Arc<Tracer>,
}

impl ProcessObserver for Seat {
    fn dynamodb_endpoint(&self) -> String {
        format!("{}/{}", self.tracer.endpoint, self.number)
    }

    fn handles(&self, request_id: &str) {
        self.tracer.exchanges().seats.insert(self.number, request_id.to_owned());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.tracer.exchanges().seats.remove(&self.number);
    }
}
