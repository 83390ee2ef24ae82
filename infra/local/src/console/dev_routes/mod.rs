//! Routes that only a local service has: its clock, and the console with the data that it shows. Only pages and programs of this
//! machine may use them.

mod clock;
mod items;
mod page;
mod requests;
mod samples;
mod state;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};

use crate::emulator::gateway::message;

pub(crate) use state::LocalService;

pub(crate) fn router(local: LocalService) -> Router {
    let port = local.gateway.url.rsplit(':').next().unwrap_or_default().to_owned();
    let hosts: Arc<[String]> = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{port}")).into();
    Router::new()
        .route("/local-clock", get(clock::read).post(clock::advance))
        .route("/console", get(page::page))
        .route("/console/events", get(requests::events))
        .route("/console/requests", get(requests::list))
        .route("/console/requests/{number}", get(requests::one))
        .route("/console/requests/{number}/repeat", post(requests::repeat))
        .route("/console/items", get(items::items))
        .route("/console/samples", get(samples::list))
        .route("/console/samples/{name}", get(samples::one))
        .route("/console/signed", post(requests::signed))
        .route_layer(middleware::from_fn_with_state(hosts, of_this_machine))
        .with_state(Arc::new(local))
}

/// Rejects requests that another site's page may have made a browser send.
async fn of_this_machine(State(hosts): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    if is_of_this_machine(&hosts, request.headers()) {
        next.run(request).await
    } else {
        message(StatusCode::FORBIDDEN, "Only for pages and programs of this machine")
    }
}

/// Whether the request names this machine and comes from no other origin. A name that was made to resolve to this machine is not
/// accepted.
fn is_of_this_machine(hosts: &[String], headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = header("host").unwrap_or_default();
    hosts.iter().any(|known| known == host)
        && header("origin").is_none_or(|origin| origin == format!("http://{host}"))
        && header("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site))
}
