//! CORS as configured by the template's `CorsConfiguration`, for preflights, responses and the gateway's own errors.

use anyhow::{Context, Result};
use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::emulator::template::Cors;

/// Returns the layer that responds to preflights and adds the CORS headers to all other responses.
pub(super) fn layer(cors: &Cors) -> Result<CorsLayer> {
    let headers = |names: &[String]| -> Result<Vec<HeaderName>> {
        names
            .iter()
            .map(|name| name.parse().with_context(|| format!("{name} is not a header name")))
            .collect()
    };
    let methods: Vec<Method> = cors
        .allow_methods
        .iter()
        .map(|name| name.parse().with_context(|| format!("{name} is not an HTTP method")))
        .collect::<Result<_>>()?;
    let (origins, vary) = if cors.allow_origins.iter().any(|origin| origin == "*") {
        (AllowOrigin::any(), Vec::new())
    } else {
        let origins = cors.allow_origins.iter().map(|origin| HeaderValue::from_str(origin));
        (AllowOrigin::list(origins.collect::<Result<Vec<_>, _>>()?), vec![header::ORIGIN])
    };
    Ok(CorsLayer::new()
        .allow_origin(origins)
        .vary(vary)
        .allow_methods(methods)
        .allow_headers(headers(&cors.allow_headers)?)
        .expose_headers(headers(&cors.expose_headers)?)
        .max_age(cors.max_age))
}

/// Removes the CORS headers from responses to requests without an `Origin` header, because API Gateway does not send them.
pub(super) async fn browser_only(request: Request, next: Next) -> Response {
    let of_browser = request.headers().contains_key(header::ORIGIN);
    let mut response = next.run(request).await;
    if !of_browser {
        for name in [header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS] {
            response.headers_mut().remove(name);
        }
    }
    response
}
