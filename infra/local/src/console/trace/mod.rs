//! Traces of the last requests, each with its event, its response, its log line and its requests to DynamoDB.
//!
//! A process handles one request at a time, and reaches DynamoDB at its own address, through a proxy. Every request to DynamoDB
//! therefore belongs to the request that the process is handling at that moment. Traces never show a token or a key.

mod exchange;
mod proxy;
mod request;
mod shortened;
mod text;
mod tracer;

use std::sync::Arc;

use anyhow::Result;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    cost::prices::Prices,
    emulator::{clock::Clock, template::Template},
};

pub use exchange::{RecordedExchange, Summary, TracedRequest, TracedResponse};
pub use request::DbRequest;
pub use tracer::Tracer;

/// Starts tracing the requests to the engine at this URL. The proxy before it runs in `tasks`.
pub async fn start(
    engine: &str,
    prices: Prices,
    clock: Clock,
    tasks: &mut JoinSet<()>,
) -> Result<Arc<Tracer>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let tracer = Tracer::new(endpoint, prices, Template::behind_urls()?, clock);
    let proxy = proxy::router(engine.to_owned(), Arc::clone(&tracer));
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, proxy).await {
            eprintln!("the proxy before DynamoDB failed: {error}");
        }
    });
    Ok(tracer)
}
