//! A device that keeps its own copy of the list, as an app does.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{response::Response, test::User};

/// A device of one user.
pub struct Device {
    user: User,
    /// The maximum number of entries per request.
    limit: usize,
    /// The sessions that the device shows, by id.
    pub sessions: BTreeMap<String, Value>,
    /// The sync token for the next request.
    pub token: String,
}

impl Device {
    /// Creates a device that has just fetched the whole list.
    pub async fn new(user: &User, limit: usize) -> Self {
        let mut device = Self { user: user.clone(), limit, sessions: BTreeMap::new(), token: String::new() };
        device.sessions = device.full_list().await;
        let first = user.list("limit=1").await;
        first["syncToken"].as_str().expect("a list without bounds has a token").clone_into(&mut device.token);
        device
    }

    /// Fetches a fresh full list.
    pub async fn full_list(&self) -> BTreeMap<String, Value> {
        let mut sessions = BTreeMap::new();
        let mut query = "limit=100".to_owned();
        loop {
            let page = self.user.list(&query).await;
            sessions.extend(by_id(&page["sessionList"]));
            match page["nextCursor"].as_str() {
                Some(cursor) => query = format!("limit=100&cursor={cursor}"),
                None => return sessions,
            }
        }
    }

    /// Returns this device after it has fetched the whole list again.
    pub async fn begun_again(&self) -> Self {
        Self::new(&self.user, self.limit).await
    }

    /// Fetches and applies one page of changes, or the whole list if the token has expired.
    pub async fn sync_page(&mut self) {
        if self.try_sync_page().await.is_none() {
            *self = self.begun_again().await;
        }
    }

    /// Fetches and applies one page of changes. Returns whether there are more, or `None` if the token has expired.
    async fn try_sync_page(&mut self) -> Option<bool> {
        let response = self.try_page(&self.token).await;
        if response.status == 410 {
            return None;
        }
        let page = response.ok();
        let changes =
            page["updated"].as_array().map_or(0, Vec::len) + page["deleted"].as_array().map_or(0, Vec::len);
        assert!(changes <= self.limit, "{changes} entries");
        assert_ne!(page["syncToken"], self.token.as_str(), "the token moves");
        self.apply(&page);
        Some(page["hasMore"] != false)
    }

    /// Fetches one page of changes since a token.
    pub async fn page(&self, token: &str) -> Value {
        self.try_page(token).await.ok()
    }

    async fn try_page(&self, token: &str) -> Response {
        self.user.try_changes(&format!("since={token}&limit={}", self.limit)).await
    }

    /// Applies a page: upserts `updated` and removes `deleted`, which may contain sessions that the device never had.
    pub fn apply(&mut self, page: &Value) {
        self.sessions.extend(by_id(&page["updated"]));
        for id in page["deleted"].as_array().expect("a list") {
            self.sessions.remove(id.as_str().expect("an id"));
        }
        page["syncToken"].as_str().expect("a token").clone_into(&mut self.token);
    }

    /// Runs one whole sync pass. Returns the number of its pages.
    pub async fn sync(&mut self) -> usize {
        let mut pages = 1;
        while self.try_sync_page().await.expect("the token has not expired") {
            pages += 1;
        }
        pages
    }

    /// Runs one whole sync pass, or begins again if the token has expired.
    pub async fn sync_or_begin_again(&mut self) {
        match self.try_sync_page().await {
            Some(false) => {}
            Some(true) => {
                self.sync().await;
            }
            None => *self = self.begun_again().await,
        }
    }

    /// Syncs, and fails with the difference from a fresh full list.
    pub async fn check(&mut self) -> Result<(), String> {
        self.sync_or_begin_again().await;
        let list = self.full_list().await;
        if self.sessions == list {
            Ok(())
        } else {
            Err(format!("it shows {:?}, not {list:?}", self.sessions))
        }
    }

    /// Syncs, and panics unless the device then shows what a fresh full list shows.
    #[track_caller]
    pub fn is_right(&mut self, when: &str) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            if let Err(wrong) = self.check().await {
                panic!("{when} ({at}): {wrong}");
            }
        }
    }
}

fn by_id(sessions: &Value) -> Vec<(String, Value)> {
    let sessions = sessions.as_array().expect("a list").iter();
    sessions
        .map(|session| (session["sessionId"].as_str().expect("an id").to_owned(), session.clone()))
        .collect()
}
