//! The route that a request matches.

use std::collections::HashMap;

use anyhow::{Context, Result};
use axum::http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::emulator::template::Route;

/// The template's routes.
pub(crate) struct Routes {
    by_method: HashMap<Method, matchit::Router<Route>>,
}

/// A matching route, with its path parameters decoded once.
pub(crate) struct Match<'a> {
    pub(super) route: &'a Route,
    pub(super) parameters: Map<String, Value>,
}

impl Routes {
    /// Creates the table to match requests against.
    pub(crate) fn new(routes: &[Route]) -> Result<Self> {
        let mut by_method: HashMap<Method, matchit::Router<Route>> = HashMap::new();
        for route in routes {
            let paths = by_method.entry(route.method.parse()?).or_default();
            paths.insert(&route.path, route.clone()).with_context(|| format!("route {}", route.key()))?;
        }
        Ok(Self { by_method })
    }

    /// Returns the route of a request. As in API Gateway, no route matches if a parameter contains an encoded `/`.
    #[must_use]
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<Match<'_>> {
        let found = self.by_method.get(method)?.at(path).ok()?;
        let decoded = |(name, value): (&str, &str)| {
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            (!value.contains('/') && !value.is_empty()).then(|| (name.to_owned(), value.into()))
        };
        let parameters = found.params.iter().map(decoded).collect::<Option<_>>()?;
        Some(Match { route: found.value, parameters })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn found(method: &Method, path: &str) -> Option<String> {
        let route = |(method, path): (&str, &str)| Route {
            path: path.into(),
            method: method.into(),
            function: "F".into(),
            authorized: true,
            overwritten: BTreeMap::new(),
        };
        let routes = [
            ("GET", "/v1/sessions"),
            ("GET", "/v1/sessions/{sessionId}"),
            ("POST", "/v1/sessions/batch-delete"),
        ];
        let routes = Routes::new(&routes.map(route)).unwrap();
        let found = routes.find(method, path)?;
        Some(format!("{} {}", found.route.key(), Value::Object(found.parameters)))
    }

    #[test]
    fn paths_are_matched_and_decoded_as_the_gateway_does() {
        assert_eq!(found(&Method::GET, "/v1/sessions").as_deref(), Some("GET /v1/sessions {}"));
        for path in ["/v1/sessions/p2p%7Calice", "/v1/sessions/p2p|alice"] {
            let expected = r#"GET /v1/sessions/{sessionId} {"sessionId":"p2p|alice"}"#;
            assert_eq!(found(&Method::GET, path).as_deref(), Some(expected));
        }
        let once = r#"GET /v1/sessions/{sessionId} {"sessionId":"p2p|a%20b"}"#;
        assert_eq!(found(&Method::GET, "/v1/sessions/p2p%7Ca%2520b").as_deref(), Some(once));
        for path in ["/v1/sessions/", "/v1/sessions/a/b", "/v1/sessions/p2p%7Ca%2Fb", "/v1", "/"] {
            assert_eq!(found(&Method::GET, path), None, "{path}");
        }
        assert_eq!(found(&Method::POST, "/v1/sessions"), None);
    }
}
