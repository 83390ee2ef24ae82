//! The console's page.

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use uuid::Uuid;

const PAGE: &str = include_str!("../page.html");

pub(super) async fn page() -> Response {
    // Only the page's own scripts and styles may run.
    let nonce = Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut page = Html(PAGE.replace("{nonce}", &nonce)).into_response();
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            page.headers_mut().insert(name, value);
        }
    }
    page
}
