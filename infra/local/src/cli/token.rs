//! Tokens of a running service.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use session_local::{backend::client::no_service, http};

/// Fetches a token for a user.
pub(crate) async fn token(user: &str, url: &str) -> Result<String> {
    let endpoint = format!("{}/local-issuer/token", url.trim_end_matches('/'));
    let request = http::client().post(&endpoint).query(&[("user", user)]);
    let response = request.send().await.with_context(|| no_service(url))?;
    if !response.status().is_success() {
        bail!("{endpoint} responds {}: is it a service started by cargo local?", response.status());
    }
    let response: Value = response.json().await?;
    response["access_token"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("{endpoint} returns no token"))
}
