//! The template's HTTP API: routes, the authorizer, CORS.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, anyhow};
use serde_json::Value;

use super::values::{list, text_at};

/// A route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The path, with `{parameters}`.
    pub path: String,
    /// The HTTP method.
    pub method: String,
    /// The logical id of the function behind it.
    pub function: String,
    /// Whether the route requires the JWT authorizer.
    pub authorized: bool,
    /// The function's statuses that the gateway replaces, and their replacements.
    pub overwritten: BTreeMap<String, String>,
}

/// The settings of the JWT authorizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// The issuer whose tokens are accepted.
    pub issuer: String,
    /// The accepted audiences. A token must name one of them.
    pub audience: Vec<String>,
}

/// The CORS settings of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The allowed origins, or `*`.
    pub allow_origins: Vec<String>,
    /// The methods that web apps of other origins may use.
    pub allow_methods: Vec<String>,
    /// The request headers that web apps may send.
    pub allow_headers: Vec<String>,
    /// The response headers that web apps may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may cache these settings.
    pub max_age: Duration,
}

impl Route {
    /// The route key, `METHOD /path/{parameter}`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Authorizer {
    pub(super) fn new(authorizer: &Value) -> Result<Self> {
        Ok(Self {
            issuer: text_at(authorizer, "/JwtConfiguration/Issuer")?.to_owned(),
            audience: texts(&authorizer["JwtConfiguration"]["Audience"]),
        })
    }
}

impl Cors {
    pub(super) fn new(configuration: &Value) -> Result<Self> {
        let texts = |name: &str| texts(&configuration[name]);
        let max_age = configuration["MaxAge"].as_u64().ok_or_else(|| anyhow!("no MaxAge"))?;
        Ok(Self {
            allow_origins: texts("AllowOrigins"),
            allow_methods: texts("AllowMethods"),
            allow_headers: texts("AllowHeaders"),
            expose_headers: texts("ExposeHeaders"),
            max_age: Duration::from_secs(max_age),
        })
    }
}

/// The strings of a list. A parameter that is a list arrives as one comma-separated string.
fn texts(value: &Value) -> Vec<String> {
    let texts = list(value).into_iter().filter_map(Value::as_str);
    texts.flat_map(|text| text.split(',')).map(|text| text.trim().to_owned()).collect()
}

/// Reads the statuses that an integration overwrites.
pub(super) fn overwritten(integration: &Value) -> BTreeMap<String, String> {
    let mut overwritten = BTreeMap::new();
    for (status, response) in integration["ResponseParameters"].as_object().into_iter().flatten() {
        for mapping in list(&response["ResponseParameters"]) {
            if let ("overwrite:statuscode", Some(source)) =
                (mapping["Destination"].as_str().unwrap_or_default(), mapping["Source"].as_str())
            {
                overwritten.insert(status.clone(), source.to_owned());
            }
        }
    }
    overwritten
}
