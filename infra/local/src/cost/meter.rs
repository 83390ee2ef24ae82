//! Counts what a request of each operation consumes, on the embedded engine.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use flate2::{GzHeader, read::GzDecoder};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::prices::OperationUsage;
use crate::{
    backend::{
        client::{Feed, team_message, text_message},
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    },
    emulator::{
        clock::{self, Clock},
        template::Template,
    },
    http,
    service::{Options, Service, listen},
};

/// Sends one request of every operation to realistic sessions (items of about 700 bytes), and counts the usage.
#[expect(clippy::implicit_hasher, reason = "what `executables::build` gives")]
pub async fn count(executables: HashMap<String, PathBuf>) -> Result<Vec<OperationUsage>> {
    let meter = Meter::start(executables).await?;
    meter.fill().await?;
    let p2p = "/v1/sessions/p2p%7Cfriend-50";
    let group = "/v1/sessions/team%7Cteam-5";
    let ext = || json!({"ext": "pinned"});
    let message = |time| numbered(text_message("friend-50", "bob", &text(7), time), 7);
    let late = numbered(text_message("friend-51", "bob", &text(9), LATER), 9);
    let in_team = numbered(team_message("alice", "team-5", &members(5), &text(8), LATER), 8);
    let joins = json!({"groupId": "super_team|1", "time": LATER, "add": ["bob"]});
    let app = |method, path: &str, user| meter.app(method, path, user);
    let backend = |copy| meter.feed.post(copy);
    let list: Value = app(Method::GET, "/v1/sessions?limit=1", "carol")?.send().await?.json().await?;
    let changes = format!("/v1/sessions/changes?since={}", list["syncToken"].as_str().unwrap_or_default());
    // With `maxTimestamp`: a page without it contains the current time, so that its compressed size would differ in every run.
    let page = format!("/v1/sessions?maxTimestamp={LATER}");
    let new_since = format!("/v1/sessions?minTimestamp={LATER}");
    let mut usages = vec![
        meter.measure("queryMySessionList, 100 sessions", app(Method::GET, &page, "bob")?.send()).await?,
        meter.measure("… and 30 groups among them", app(Method::GET, &page, "alice")?.send()).await?,
        meter.measure("… since a time, nothing new", app(Method::GET, &new_since, "bob")?.send()).await?,
        meter
            .measure("queryMySessionChanges, nothing new", app(Method::GET, &changes, "carol")?.send())
            .await?,
        meter.measure("queryMySession, p2p", app(Method::GET, p2p, "bob")?.send()).await?,
        meter.measure("… of a group", app(Method::GET, group, "alice")?.send()).await?,
        meter.measure("updateMySession, p2p", app(Method::PATCH, p2p, "bob")?.json(&ext()).send()).await?,
        meter.measure("… of a group", app(Method::PATCH, group, "alice")?.json(&ext()).send()).await?,
        meter.measure("recordMessage, p2p, two items", backend(&message(clock::now_ms()))).await?,
        meter.measure("… hours late", backend(&late)).await?,
        meter.measure("… to a group of any size", backend(&in_team)).await?,
        meter.measure("… a copy that came before", backend(&message(FILLED - 1))).await?,
        meter
            .measure(
                "updateGroupMembers, one joins",
                meter.feed.update_members(Method::PATCH, "super_team|1", &joins),
            )
            .await?,
        meter.measure("deleteMySession, p2p", app(Method::DELETE, p2p, "bob")?.send()).await?,
        meter.measure("… of a group", app(Method::DELETE, group, "alice")?.send()).await?,
        meter.measure("eraseUser, 100 sessions", meter.feed.erase(&json!({"account": "bob"}))).await?,
    ];
    // One hour later, none of the writes above are reported as changes any more.
    if !meter.service.clock().advance(Duration::from_hours(1)) {
        bail!("the clock does not move");
    }
    let list: Value = meter.app(Method::GET, "/v1/sessions?limit=1", "alice")?.send().await?.json().await?;
    let changes = format!("/v1/sessions/changes?since={}", list["syncToken"].as_str().unwrap_or_default());
    let of_groups = meter.app(Method::GET, &changes, "alice")?.send();
    usages.insert(4, meter.measure("… with 30 groups", of_groups).await?);
    Ok(usages)
}

/// The time of the first session's message, in ms: 2026-01-01.
const FILLED: u64 = 1_767_225_600_000;
/// One day after [`FILLED`].
const LATER: u64 = FILLED + 86_400_000;

/// Gives the message copy ids that are the same in every run, so that its compressed size is, too.
fn numbered(mut copy: Value, number: u64) -> Value {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    copy["msgidServer"] = mixed.to_string().into();
    copy["msgidClient"] = Uuid::from_u64_pair(mixed, !mixed).to_string().into();
    copy
}

fn members(count: u64) -> Vec<String> {
    ["alice".to_owned()].into_iter().chain((1..count).map(|number| format!("member-{number}"))).collect()
}

/// About 470 bytes of words, which depend only on the number.
fn text(number: u64) -> String {
    const WORDS: [&str; 16] = [
        "lunch", "tomorrow", "the", "photos", "thanks", "contract", "changed", "before", "we", "train",
        "late", "weekend", "could", "you", "meeting", "again",
    ];
    let mut text = String::new();
    let mut mixed = number;
    while text.len() < 470 {
        mixed = mixed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        text.push_str(WORDS[usize::try_from(mixed >> 60).unwrap_or_default()]);
        text.push(' ');
    }
    text
}

/// A service that reports the usage of each request.
struct Meter {
    service: Service,
    http: Client,
    feed: Feed,
    lines: Arc<Mutex<HashMap<String, (String, String)>>>,
    /// The functions that have a Function URL when the template is deployed.
    behind_urls: BTreeSet<String>,
}

impl Meter {
    async fn start(executables: HashMap<String, PathBuf>) -> Result<Self> {
        let lines: Arc<Mutex<HashMap<String, (String, String)>>> = Arc::default();
        let sink = Arc::clone(&lines);
        let service = Service::start(Options {
            listener: listen(0).await?,
            data: None,
            dynamodb_endpoint: None,
            functions_endpoint: None,
            parameters: HashMap::new(),
            executables,
            clock: Clock::default(),
            tracing: None,
            log: Arc::new(move |function, line| {
                let parsed: Value = serde_json::from_str(line).unwrap_or_default();
                if let Some(request) = parsed["requestId"].as_str() {
                    let entry = (function.to_owned(), line.to_owned());
                    sink.lock().unwrap_or_else(PoisonError::into_inner).insert(request.to_owned(), entry);
                }
            }),
        })
        .await?;
        let feed = Feed::new(service.url(), LOCAL_APP_KEY, LOCAL_APP_SECRET);
        Ok(Self { service, http: http::client(), feed, lines, behind_urls: Template::behind_urls()? })
    }

    /// Creates 100 p2p sessions each for Bob and Alice, and 30 groups for Alice.
    async fn fill(&self) -> Result<()> {
        for number in 0..100 {
            for user in ["alice", "bob"] {
                let friend = format!("friend-{number}");
                let copy = text_message(&friend, user, &text(number), FILLED + number * 60_000);
                self.feed.deliver(&numbered(copy, number)).await?;
            }
        }
        for number in 0..30 {
            let team = format!("team-{number}");
            let copy = team_message("alice", &team, &members(5), &text(number), FILLED + number * 90_000);
            self.feed.deliver(&numbered(copy, number)).await?;
        }
        Ok(())
    }

    fn app(&self, method: Method, path: &str, user: &str) -> Result<RequestBuilder> {
        let token = self.service.issuer().token(user)?;
        let request = self.http.request(method, format!("{}{path}", self.service.url()));
        Ok(request.bearer_auth(token).header("Accept-Encoding", "gzip"))
    }

    async fn measure<E: Into<anyhow::Error>>(
        &self,
        name: &'static str,
        response: impl Future<Output = Result<Response, E>>,
    ) -> Result<OperationUsage> {
        let response = response.await.map_err(Into::into)?;
        if !response.status().is_success() {
            bail!("{name}: {}", response.status());
        }
        let headers = response.headers().clone();
        let request_id = headers.get("apigw-requestid").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let header_bytes: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let response_bytes = header_bytes + without_padding(&response.bytes().await?);
        let (function, line) = self.line(request_id).await.with_context(|| name.to_owned())?;
        let counted: Value = serde_json::from_str(&line)?;
        let units = |name: &str| counted[name].as_f64().with_context(|| format!("no {name} in {line}"));
        Ok(OperationUsage {
            name,
            read_units: units("readUnits")?,
            write_units: units("writeUnits")?,
            response_bytes: hundreds(response_bytes),
            logged_bytes: hundreds(line.len()),
            through_api: !self.behind_urls.contains(&function),
            memory_mb: self
                .service
                .memory_mb(&function)
                .with_context(|| format!("no function {function}"))?,
        })
    }

    /// Waits for a function's log line, which arrives separately from its response.
    async fn line(&self, request_id: &str) -> Result<(String, String)> {
        let give_up = Instant::now() + Duration::from_secs(10);
        loop {
            let found = self.lines.lock().unwrap_or_else(PoisonError::into_inner).remove(request_id);
            match found {
                Some(line) => return Ok(line),
                None if Instant::now() > give_up => bail!("no log line"),
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// The length of a body without the comment by which compressed pages are padded, which is another one in each process.
fn without_padding(body: &[u8]) -> usize {
    let decoder = GzDecoder::new(body);
    let comment = decoder.header().and_then(GzHeader::comment);
    // A zero ends it.
    body.len() - comment.map_or(0, |comment| comment.len() + 1)
}

fn hundreds(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(100) * 100).unwrap_or(u64::MAX)
}
