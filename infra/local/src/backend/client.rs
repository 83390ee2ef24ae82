//! A client that signs message copies and posts them, as the messaging backend Yunxin does.

use anyhow::{Context, Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::signing::sign;
use crate::{emulator::clock::Clock, http, shell};

/// A client that posts to one service with one key pair.
#[derive(Clone, Debug)]
pub struct Feed {
    http: Client,
    url: String,
    posts_to: String,
    app_key: String,
    app_secret: String,
    clock: Clock,
}

impl Feed {
    /// Creates a feed to the API at this URL, which also accepts message copies.
    #[must_use]
    pub fn new(url: &str, app_key: &str, app_secret: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self {
            http: http::client(),
            posts_to: feed_url(&url),
            url,
            app_key: app_key.into(),
            app_secret: app_secret.into(),
            clock: Clock::default(),
        }
    }

    /// Posts message copies to this URL instead of the API's.
    #[must_use]
    pub fn posting_to(self, feed_url: &str) -> Self {
        Self { posts_to: feed_url.to_owned(), ..self }
    }

    /// Signs with the time of this clock.
    #[must_use]
    pub fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Signs with this key pair.
    #[must_use]
    pub fn signed_by(&self, app_key: &str, app_secret: &str) -> Self {
        Self { app_key: app_key.to_owned(), app_secret: app_secret.to_owned(), ..self.clone() }
    }

    /// Sends requests through this client, which may resolve names in its own way.
    #[must_use]
    pub fn through(self, http: Client) -> Self {
        Self { http, ..self }
    }

    /// The time of the clock that it signs with.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Signs and posts a message copy.
    pub async fn post(&self, copy: &Value) -> Result<Response> {
        self.post_bytes(copy.to_string().into_bytes()).await
    }

    /// Signs and posts any bytes.
    pub async fn post_bytes(&self, body: Vec<u8>) -> Result<Response> {
        self.send(Method::POST, &self.posts_to, body).await
    }

    /// Checks the feed endpoint as a backend's console does: with an empty body.
    pub async fn try_address(&self) -> Result<()> {
        let response = self.http.post(&self.posts_to).body("").send().await;
        let status = response.with_context(|| no_service(&self.posts_to))?.status();
        // A throttled service (429) exists.
        if status.is_client_error() && !is_transient(status) {
            bail!("{} responds {status}: it is not a feed endpoint", self.posts_to);
        }
        Ok(())
    }

    /// Sends joins and leaves of a group (`PATCH`) or its complete member list (`PUT`), signed.
    pub async fn update_members(&self, method: Method, group_id: &str, body: &Value) -> Result<Response> {
        self.update_members_bytes(method, group_id, body.to_string().into_bytes()).await
    }

    /// Sends a request to updateGroupMembers with these bytes as the body, signed.
    pub async fn update_members_bytes(
        &self,
        method: Method,
        group_id: &str,
        body: Vec<u8>,
    ) -> Result<Response> {
        let group_id = utf8_percent_encode(group_id, NON_ALPHANUMERIC);
        let url = format!("{}/v1/groups/{group_id}/members", self.url);
        self.send(method, &url, body).await
    }

    /// The request that posts a message copy, signed with the current time, as a shell command.
    #[must_use]
    pub fn curl(&self, url: &str, copy: &Value) -> String {
        let (body, cur_time) = (copy.to_string(), self.clock.now_ms().to_string());
        let (md5, check_sum) = sign(&self.app_secret, &body, &cur_time);
        let headers = [
            ("Content-Type", "application/json"),
            ("AppKey", &self.app_key),
            ("CurTime", &cur_time),
            ("MD5", &md5),
            ("CheckSum", &check_sum),
        ];
        shell::curl("POST", url, &headers.map(|(name, value)| (name, value.to_owned())), Some(&body))
    }

    /// Sends one request to eraseUser, signed. It erases a part of the user's data.
    pub async fn erase(&self, body: &Value) -> Result<Response> {
        let url = format!("{}/v1/users/erase", self.url);
        self.send(Method::POST, &url, body.to_string().into_bytes()).await
    }

    async fn send(&self, method: Method, url: &str, body: Vec<u8>) -> Result<Response> {
        let cur_time = self.clock.now_ms().to_string();
        let (md5, check_sum) = sign(&self.app_secret, &body, &cur_time);
        let request = self
            .http
            .request(method, url)
            .header("Content-Type", "application/json")
            .header("AppKey", &self.app_key)
            .header("CurTime", cur_time)
            .header("MD5", md5)
            .header("CheckSum", check_sum)
            .body(body);
        request.send().await.with_context(|| no_service(url))
    }

    /// Posts a message copy and retries it on a 5xx, as the feed does, with at most 3 attempts. Fails if it is not applied.
    pub async fn deliver(&self, copy: &Value) -> Result<()> {
        self.until_applied(async || self.post(copy).await).await
    }

    /// Adds members to a group, with this time.
    pub async fn add_members(&self, group_id: &str, members: &[String], time_ms: u64) -> Result<()> {
        for add in members.chunks(1_000) {
            let body = json!({"groupId": group_id, "time": time_ms, "add": add});
            self.until_applied(async || self.update_members(Method::PATCH, group_id, &body).await).await?;
        }
        Ok(())
    }

    async fn until_applied(&self, send: impl AsyncFn() -> Result<Response>) -> Result<()> {
        let mut last = String::new();
        for _ in 0..3 {
            let response = send().await?;
            let status = response.status();
            let text = response.text().await.unwrap_or_default();
            // A 200 is also returned, with the reason, for a message copy that was not applied or not fully applied.
            if status.is_success() && (text == "{}" || text == r#"{"result":"applied"}"#) {
                return Ok(());
            }
            last = format!("{status}: {text}");
            if !status.is_server_error() {
                break;
            }
        }
        bail!("the service did not apply it: {last}")
    }
}

/// Whether a retry of the request may get a different response.
#[must_use]
pub fn is_transient(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The URL at which a service with a single address accepts message copies.
#[must_use]
pub fn feed_url(url: &str) -> String {
    format!("{url}/v1/messages")
}

/// The error message for an address at which no service responds.
#[must_use]
pub fn no_service(url: &str) -> String {
    format!("no response from {url}: start a service with cargo local, or pass its address with --url")
}

/// The message copy of a text message from one account to another, sent at this time.
#[must_use]
pub fn text_message(from: &str, to: &str, text: &str, time_ms: u64) -> Value {
    json!({
        "eventType": "1",
        "convType": "PERSON",
        "fromAccount": from,
        "to": to,
        "msgTimestamp": time_ms.to_string(),
        "msgType": "TEXT",
        "msgidClient": Uuid::new_v4().to_string(),
        "msgidServer": Uuid::new_v4().as_u64_pair().0.to_string(),
        "fromClientType": "REST",
        "body": text,
    })
}

/// The largest number of members with which a team's message copies contain the member list.
pub const MAX_LISTED: usize = 200;

/// The message copy of a text message in a team. It contains the member list if that has 1 to [`MAX_LISTED`] members.
#[must_use]
pub fn team_message(from: &str, team: &str, members: &[String], text: &str, time_ms: u64) -> Value {
    let mut copy = text_message(from, team, text, time_ms);
    copy["convType"] = "TEAM".into();
    if (1..=MAX_LISTED).contains(&members.len()) {
        copy["tMembers"] = format!("[{}]", members.join(", ")).into();
    }
    copy
}

/// The message copy of a text message in a super team.
#[must_use]
pub fn super_team_message(from: &str, team: &str, text: &str, time_ms: u64) -> Value {
    let mut copy = text_message(from, team, text, time_ms);
    copy["convType"] = "SUPER_TEAM".into();
    copy
}
