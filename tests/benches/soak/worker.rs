//! One user under load: the events that the feed delivers, the user's actions, what their devices show, and the expected result.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use session_local::{
    backend::client::{team_message, text_message},
    emulator::clock,
};
use session_model::{
    GroupItem, SessionId, SessionItem, Timestamp,
    feed::{Effect, FeedSettings, MessageCopy},
    register::LastMsg,
};
use tokio::{sync::watch, time::sleep};

use test_support::bench::local::Local;

/// The number of people who write to a user.
const FRIENDS: u64 = 20;
/// How long a request may be retried, in seconds.
const PATIENCE: u64 = 90;
/// Longer than an abandoned attempt of a function may still take.
const SETTLED: Duration = Duration::from_millis(1_500);

/// Random numbers determined by a seed.
pub(crate) struct Dice(TestRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The number of requests of all workers.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) writes: AtomicU64,
    pub(crate) reads: AtomicU64,
    repeated: AtomicU64,
}

impl Counts {
    pub(crate) fn acknowledged(&self) -> u64 {
        self.writes.load(Ordering::Relaxed) + self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }
}

/// A device's copy of the list, and the token for its next request.
#[derive(Default)]
struct Device {
    sessions: BTreeMap<String, Value>,
    token: Option<String>,
}

/// A user, and the state of their sessions according to the pure rules.
pub(crate) struct Worker {
    number: u64,
    dice: Dice,
    http: Client,
    front: Arc<RwLock<Arc<Local>>>,
    counts: Arc<Counts>,
    session_items: BTreeMap<SessionId, SessionItem>,
    group_item: GroupItem,
    /// Message copies that may be repeated, recalled or edited.
    recent: VecDeque<Value>,
    devices: [Device; 2],
}

impl Worker {
    pub(crate) fn new(number: u64, seed: u64, front: Arc<RwLock<Arc<Local>>>, counts: Arc<Counts>) -> Self {
        Self {
            number,
            dice: Dice::new(seed.wrapping_mul(1_000).wrapping_add(number)),
            http: session_local::http::client(),
            front,
            counts,
            session_items: BTreeMap::new(),
            group_item: GroupItem::default(),
            recent: VecDeque::new(),
            devices: Default::default(),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn user(&self) -> String {
        format!("user-{}", self.number)
    }

    fn team(&self) -> String {
        format!("team-{}", self.number)
    }

    /// Works until it is asked to stop.
    pub(crate) async fn run(mut self, stopped: watch::Receiver<bool>) -> Result<Self> {
        while !*stopped.borrow() {
            self.step().await.with_context(|| format!("user {}", self.number))?;
        }
        Ok(self)
    }

    async fn step(&mut self) -> Result<()> {
        let friend = format!("friend-{}", self.dice.below(FRIENDS));
        // Some messages arrive late, and therefore not in the order in which they were sent.
        let time = clock::now_ms() - self.dice.below(4) * 700;
        let text = format!("message {} to user {}", self.dice.next(), self.number);
        match self.dice.below(100) {
            0..40 => self.post(text_message(&friend, &self.user(), &text, time)).await,
            40..55 => {
                let members = [self.user(), "somebody".to_owned()];
                self.post(team_message("somebody", &self.team(), &members, &text, time)).await
            }
            55..65 => match self.any_recent() {
                Some(copy) => self.post(copy).await,
                None => Ok(()),
            },
            65..72 => match self.any_recent() {
                Some(copy) => self.post(recall(&copy, time)).await,
                None => Ok(()),
            },
            72..78 => match self.any_recent() {
                Some(copy) => self.post(edit(&copy, time, &text)).await,
                None => Ok(()),
            },
            78..83 => self.set_ext(&text).await,
            83..86 => self.delete().await,
            86..93 => {
                let list = self.read("/v1/sessions?limit=100").await?;
                ensure!(list["sessionList"].is_array(), "no list: {list}");
                Ok(())
            }
            _ => {
                let device = usize::try_from(self.dice.below(2))?;
                self.sync(device).await.map(drop)
            }
        }
    }

    fn any_recent(&mut self) -> Option<Value> {
        let index = self.dice.below(self.recent.len().max(1) as u64);
        self.recent.get(usize::try_from(index).ok()?).cloned()
    }

    /// Has the feed post a message copy until it is applied, then applies it to the expected state.
    async fn post(&mut self, copy: Value) -> Result<()> {
        let response = self.until_accepted(async |local| local.feed().post(&copy).await).await?;
        ensure!(response["result"] == "applied", "{copy} got {response}");
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        let (now, text) = (Timestamp::from_millis(clock::now_ms()), copy.to_string());
        let read = MessageCopy::parse(&text).map_err(|rejection| anyhow::anyhow!("{rejection}"))?;
        let event =
            read.event(now, FeedSettings::default()).map_err(|why| anyhow::anyhow!("{copy}: {why:?}"))?;
        let user = self.user();
        match event.effect {
            Effect::P2p { session_items, message } => {
                for (_, id) in session_items.into_iter().filter(|(account, _)| account.as_str() == user) {
                    self.session_items.entry(id).or_default().record(&message, now);
                }
            }
            Effect::AmendP2p { session_items, amendment } => {
                for (_, id) in session_items.into_iter().filter(|(account, _)| account.as_str() == user) {
                    self.session_items.entry(id).or_default().amend(&amendment, now);
                }
            }
            Effect::Group { event, .. } => {
                if let Some(message) = event.message {
                    self.group_item.record(&message, now);
                }
            }
            Effect::AmendGroup { amendment, .. } => drop(self.group_item.amend(&amendment, now)),
        }
        if copy["eventType"] == "1" {
            self.recent.push_front(copy);
            self.recent.truncate(8);
        }
        Ok(())
    }

    /// Returns one of the p2p sessions that are listed.
    fn any_shown(&mut self) -> Option<SessionId> {
        let shown: Vec<_> = self
            .session_items
            .iter()
            .filter(|(_, session_item)| session_item.update_time().is_some())
            .collect();
        let index = self.dice.below(shown.len().max(1) as u64);
        shown.get(usize::try_from(index).ok()?).map(|(id, _)| (*id).clone())
    }

    async fn set_ext(&mut self, text: &str) -> Result<()> {
        let Some(id) = self.any_shown() else { return Ok(()) };
        let (path, body) = (path(&id), json!({ "ext": text }));
        self.call(Method::PATCH, &path, Some(&body)).await?;
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        let (ext, now) = (text.parse().map_err(|reason| anyhow::anyhow!("{reason}"))?, clock::now_ms());
        self.session_items.entry(id).or_default().set_ext(ext, Timestamp::from_millis(now));
        Ok(())
    }

    async fn delete(&mut self) -> Result<()> {
        let Some(id) = self.any_shown() else { return Ok(()) };
        let session = self.session_items.get(&id).cloned().and_then(|item| item.into_session(id.clone()));
        let version = session.context("a shown session")?.version;
        let path = format!("{}?version={version}", path(&id));
        self.call(Method::DELETE, &path, None).await?;
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::from_millis(clock::now_ms());
        self.session_items.entry(id).or_default().delete(Some(&version), now);
        Ok(())
    }

    async fn read(&self, path: &str) -> Result<Value> {
        let response = self.call(Method::GET, path, None).await?;
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        Ok(response)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let user = self.user();
        let send = async |local: &Local| {
            let request = self.http.request(method.clone(), format!("{}{path}", local.url));
            let request = request.bearer_auth(local.token(&user).await?);
            Ok(body
                .map_or_else(|| request.try_clone(), |body| Some(request.try_clone()?.json(body)))
                .context("a request")?
                .send()
                .await?)
        };
        self.until_accepted(send).await
    }

    /// Repeats a request until the response is a 200. A 5xx, a 401 and a connection failure are retried; any other result is an
    /// error.
    async fn until_accepted(&self, send: impl AsyncFn(&Local) -> Result<Response>) -> Result<Value> {
        let mut tries = 0;
        loop {
            let front = Arc::clone(&self.front.read().unwrap_or_else(PoisonError::into_inner));
            let response = match send(&front).await {
                Ok(response) => Ok((response.status(), response.text().await)),
                Err(error) => Err(error),
            };
            let why = match response {
                Ok((StatusCode::OK, Ok(text))) => {
                    if tries > 0 {
                        // An abandoned attempt may still be in progress.
                        sleep(SETTLED).await;
                    }
                    return Ok(serde_json::from_str(&text)?);
                }
                // A killed function results in a 500 or a 502, a killed service in no response.
                Ok((status, _)) if status.is_server_error() => status.to_string(),
                // A restarted service has another token issuer.
                Ok((StatusCode::UNAUTHORIZED, _)) => "another issuer".into(),
                Ok((_, Err(error))) => error.to_string(),
                Err(error) => format!("{error:#}"),
                Ok((status, Ok(text))) => bail!("{status}: {text}"),
            };
            tries += 1;
            ensure!(tries < PATIENCE * 4, "still not accepted: {why}");
            self.counts.repeated.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// Fetches the whole list, as a device does first, and its sync token.
    async fn list(&self) -> Result<(BTreeMap<String, Value>, Option<String>)> {
        let list = self.read("/v1/sessions?limit=100").await?;
        ensure!(list["hasMore"] == false, "more than a page");
        Ok((by_id(&list["sessionList"]), list["syncToken"].as_str().map(str::to_owned)))
    }

    /// Fetches one page of changes for a device. Returns whether there are more.
    async fn sync(&mut self, device: usize) -> Result<bool> {
        let Some(token) = self.devices[device].token.clone() else {
            let (sessions, token) = self.list().await?;
            self.devices[device] = Device { sessions, token };
            return Ok(true);
        };
        let limit = if device == 0 { 3 } else { 100 };
        let page = self.read(&format!("/v1/sessions/changes?since={token}&limit={limit}")).await?;
        let device = &mut self.devices[device];
        device.sessions.extend(by_id(&page["updated"]));
        for id in page["deleted"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            device.sessions.remove(id);
        }
        device.token = page["syncToken"].as_str().map(str::to_owned);
        Ok(page["hasMore"] == true)
    }

    /// Checks that every acknowledged write is present and that the devices show it. Returns the number of sessions.
    pub(crate) async fn check(&mut self) -> Result<usize> {
        let (listed, _) = self.list().await?;
        let mut expected = BTreeMap::new();
        for (id, session_item) in &self.session_items {
            if let Some(session) = session_item.clone().into_session(id.clone()) {
                expected.insert(id.to_string(), json!(session));
            }
        }
        let team = format!("team|{}", self.team());
        if let Some(LastMsg::Message(text) | LastMsg::Recall { notice: text, .. }) =
            self.group_item.register.clone().and_then(|held| held.last_msg)
        {
            let of_team = listed.get(&team).with_context(|| format!("{team} is lost"))?;
            ensure!(of_team["lastMsg"] == *text.plain(), "{team} shows {of_team}, not {text:?}");
            expected.insert(team.clone(), of_team.clone());
        }
        for (id, session) in &expected {
            ensure!(listed.get(id) == Some(session), "{id} is {:?}, not {session}", listed.get(id));
        }
        ensure!(
            listed.len() == expected.len(),
            "{:?} are listed, {:?} expected",
            listed.keys(),
            expected.keys()
        );
        for device in 0..2 {
            // The first loop completes a sync pass that is in progress. The second one fetches what that pass missed.
            for _ in 0..2 {
                while self.sync(device).await? {}
            }
            ensure!(
                self.devices[device].sessions == listed,
                "device {device} shows {:?}, not {listed:?}",
                self.devices[device].sessions
            );
        }
        Ok(listed.len())
    }
}

fn by_id(sessions: &Value) -> BTreeMap<String, Value> {
    let sessions = sessions.as_array().into_iter().flatten();
    sessions
        .filter_map(|session| Some((session["sessionId"].as_str()?.to_owned(), session.clone())))
        .collect()
}

fn path(id: &SessionId) -> String {
    format!("/v1/sessions/{}", id.as_str().replace('|', "%7C"))
}

/// The recall of a text message.
fn recall(copy: &Value, time: u64) -> Value {
    let event_type = if copy["convType"] == "TEAM" { "8" } else { "7" };
    json!({
        "eventType": event_type, "from": copy["fromAccount"], "to": copy["to"], "msgId": copy["msgidServer"], "clientId": copy["msgidClient"],
        "sendTime": copy["msgTimestamp"], "deleteTime": time.to_string(), "fromClientType": "IOS", "selfMsg": "1",
    })
}

/// The edit of a text message.
fn edit(copy: &Value, time: u64, text: &str) -> Value {
    let event_type = if copy["convType"] == "TEAM" { "90" } else { "89" };
    json!({
        "eventType": event_type, "from": copy["fromAccount"], "to": copy["to"], "msgId": copy["msgidServer"], "clientId": copy["msgidClient"],
        "modifyAccountId": copy["fromAccount"], "modifyTime": time, "text": text,
    })
}
