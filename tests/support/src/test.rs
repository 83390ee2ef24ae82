//! The vocabulary of scenarios: users, the feed, responses.

use std::{future::Future, pin::Pin, sync::Arc};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use session_local::backend::{
    client::Feed,
    signing::{LOCAL_APP_SECRET, sign},
};
use uuid::Uuid;

use crate::{
    app::App,
    contract::Request,
    copies::T0,
    response::{FEED, Response, signed},
};

type Run = fn(Test) -> Pin<Box<dyn Future<Output = ()>>>;

/// A scenario: its name and its steps.
#[derive(Clone, Copy)]
pub struct Scenario {
    module: &'static str,
    name: &'static str,
    run: Run,
}

impl Scenario {
    pub const fn new(module: &'static str, name: &'static str, run: Run) -> Self {
        Self { module, name, run }
    }

    pub fn name(&self) -> String {
        let module = self.module.rsplit("::").next().unwrap_or_default();
        format!("{module}::{}", self.name)
    }

    pub fn run(self, test: Test) -> Pin<Box<dyn Future<Output = ()>>> {
        (self.run)(test)
    }
}

/// Lists a module's scenarios. One that is not listed is dead code, which the lints reject. A second list with another name
/// contains the scenarios that do not run everywhere.
#[macro_export]
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        $crate::scenarios!(SCENARIOS: $($name),*);
    };
    ($list:ident: $($name:ident),* $(,)?) => {
        pub const $list: &[$crate::test::Scenario] = &[
            $($crate::test::Scenario::new(module_path!(), stringify!($name), |test| Box::pin($name(test)))),*
        ];
    };
}

/// A scenario's view of the service. Each scenario has its own users, so all scenarios run concurrently on the same tables.
#[derive(Clone)]
pub struct Test {
    pub app: Arc<App>,
}

impl Test {
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Creates a view of another service.
    pub fn at(app: App) -> Self {
        Self { app: Arc::new(app) }
    }

    /// Creates a user that no other scenario has.
    pub fn user(&self, name: &str) -> User {
        self.known_user(&self.quiet_user(name).account)
    }

    /// Creates a user that no other scenario has, without a token. Signing a token takes milliseconds.
    pub fn quiet_user(&self, name: &str) -> User {
        let account = format!("{name}-{}", &Uuid::new_v4().simple().to_string()[..12]);
        User { test: self.clone(), account, token: String::new() }
    }

    /// Creates an Alice and a Bob that no other scenario has.
    pub fn alice_and_bob(&self) -> (User, User) {
        (self.user("alice"), self.user("bob"))
    }

    /// Returns the user with this account.
    pub fn known_user(&self, account: &str) -> User {
        let token = self.app.issuer().token(account).expect("a token");
        User { test: self.clone(), account: account.to_owned(), token }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.http.request(method, format!("{}{path}", self.app.url()))
    }

    /// An unsigned request to the feed endpoint.
    pub fn feed_request(&self, method: Method) -> RequestBuilder {
        self.app.http.request(method, self.app.feed_url())
    }

    pub async fn send(&self, request: RequestBuilder) -> Response {
        let request = request.build().expect("a request");
        let url = request.url();
        let is_copy = url.as_str().starts_with(&self.app.feed_url());
        let header = request.headers().get("content-type").and_then(|value| value.to_str().ok());
        let sent = Request {
            method: request.method().clone(),
            path: if is_copy { FEED.to_owned() } else { url.path().to_owned() },
            query: url.query().unwrap_or_default().to_owned(),
            content_type: header.unwrap_or_default().to_owned(),
            body: request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec(),
        };
        Response::of(&sent, self.app.http.execute(request).await.expect("the service responds"), &self.app)
            .await
    }

    /// Posts a signed message copy.
    pub async fn post(&self, copy: &Value) -> Response {
        self.post_bytes(copy.to_string()).await
    }

    /// Signs and posts any bytes.
    pub async fn post_bytes(&self, body: impl Into<Vec<u8>>) -> Response {
        self.post_by(&self.app.feed, body).await
    }

    /// Posts any bytes, signed by this feed.
    pub async fn post_by(&self, feed: &Feed, body: impl Into<Vec<u8>>) -> Response {
        let body = body.into();
        let sent = signed(Method::POST, FEED.to_owned(), body.clone());
        let response = feed.post_bytes(body).await.expect("the service responds");
        Response::of(&sent, response, &self.app).await
    }

    /// Posts signed message copies, each of which must be applied.
    pub async fn deliver<'a>(&self, copies: impl IntoIterator<Item = &'a Value>) {
        for copy in copies {
            assert_eq!(self.post(copy).await.ok(), json!({"result": "applied"}));
        }
    }

    /// Sends a signed request to updateGroupMembers.
    pub async fn try_update_members(&self, method: Method, group: &str, body: &Value) -> Response {
        let sent = signed(method.clone(), members_of(group), body.to_string().into_bytes());
        let response = self.app.feed.update_members(method, group, body).await.expect("the service responds");
        Response::of(&sent, response, &self.app).await
    }

    /// Sends a signed request to eraseUser.
    pub async fn try_erase(&self, body: &Value) -> Response {
        let sent = signed(Method::POST, "/v1/users/erase".to_owned(), body.to_string().into_bytes());
        let response = self.app.feed.erase(body).await.expect("the service responds");
        Response::of(&sent, response, &self.app).await
    }

    /// Reports who joined and left a group, `at` ms after [`T0`].
    pub async fn patch_members(&self, group: &str, at: u64, add: &[&User], remove: &[&User]) {
        let body =
            json!({"groupId": group, "time": T0 + at, "add": accounts(add), "remove": accounts(remove)});
        self.try_update_members(Method::PATCH, group, &body).await.ok();
    }

    /// Reports a group's complete member list, `at` ms after [`T0`].
    pub async fn put_members(&self, group: &str, at: u64, members: &[&User]) {
        let body = json!({"groupId": group, "time": T0 + at, "members": accounts(members)});
        self.try_update_members(Method::PUT, group, &body).await.ok();
    }

    /// Moves the service's clock ahead by a time such as `31d`. Returns the response.
    pub async fn advance(&self, by: &str) -> Value {
        let request = self.request(Method::POST, "/local-clock").json(&json!({ "advance": by }));
        let response = request.send().await.expect("the service responds");
        assert_eq!(response.status(), 200, "{by}");
        response.json().await.expect("the clock")
    }
}

/// Returns a team that no other scenario has.
pub fn team() -> String {
    format!("team|{}", Uuid::new_v4().simple())
}

/// Returns a super team that no other scenario has.
pub fn super_team() -> String {
    format!("super_team|{}", Uuid::new_v4().simple())
}

/// A user and their token.
#[derive(Clone)]
pub struct User {
    pub test: Test,
    pub account: String,
    pub token: String,
}

impl User {
    /// The id of another user's session with this one.
    pub fn session_id(&self) -> String {
        format!("p2p|{}", self.account)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.test.request(method, path).bearer_auth(&self.token)
    }

    async fn fetch(&self, method: Method, path: &str) -> Response {
        self.test.send(self.request(method, path)).await
    }

    /// Requests one page of the list with this query.
    pub async fn try_list(&self, query: &str) -> Response {
        self.fetch(Method::GET, &format!("/v1/sessions?{query}")).await
    }

    /// Requests one page of changes with this query.
    pub async fn try_changes(&self, query: &str) -> Response {
        self.fetch(Method::GET, &format!("/v1/sessions/changes?{query}")).await
    }

    /// Returns one page of the list. The request must succeed.
    pub async fn list(&self, query: &str) -> Value {
        self.try_list(query).await.ok()
    }

    /// Returns the ids of the first page's sessions.
    pub async fn listed(&self) -> Vec<String> {
        ids(&self.list("").await)
    }

    pub async fn try_get(&self, session_id: &str) -> Response {
        self.fetch(Method::GET, &path_of(session_id)).await
    }

    /// Returns the session with another user.
    pub async fn get(&self, other: &Self) -> Value {
        self.try_get(&other.session_id()).await.ok()
    }

    /// Whether there is a session with another user. Get and list must agree.
    pub async fn has(&self, other: &Self) -> bool {
        let response = self.try_get(&other.session_id()).await;
        let listed = self.listed().await.contains(&other.session_id());
        assert_eq!(response.status == 200, listed, "get and list agree");
        if !listed {
            response.is_problem(404, "sessionId");
        }
        listed
    }

    /// Returns the last message of the session with another user, parsed.
    pub async fn last_msg(&self, other: &Self) -> Value {
        self.last_msg_of(&other.session_id()).await
    }

    /// Returns the last message of any of the user's sessions, parsed.
    pub async fn last_msg_of(&self, session_id: &str) -> Value {
        let session = self.try_get(session_id).await.ok();
        serde_json::from_str(session["lastMsg"].as_str().expect("a last message")).expect("lastMsg is JSON")
    }

    /// Sends a request to updateMySession with this body.
    pub async fn patch(&self, session_id: &str, body: &Value) -> Response {
        let request = self.request(Method::PATCH, &path_of(session_id)).json(body);
        self.test.send(request).await
    }

    /// Returns the time of a session, if it exists. Get and list must agree.
    pub async fn time_of(&self, session_id: &str) -> Option<u64> {
        let got = self.try_get(session_id).await;
        let got = (got.status == 200).then_some(got.body);
        let listed = self.list("").await["sessionList"].take();
        let listed =
            listed.as_array().expect("a list").iter().find(|session| session["sessionId"] == session_id);
        assert_eq!(got.as_ref(), listed, "get and list agree on {session_id}");
        got.map(|session| session["updateTime"].as_u64().expect("a time"))
    }

    /// Sets the ext of the session with another user, and returns the session.
    pub async fn set_ext(&self, other: &Self, ext: &str) -> Value {
        self.patch(&other.session_id(), &json!({ "ext": ext })).await.ok()
    }

    pub async fn try_delete(&self, session_id: &str) -> Response {
        self.fetch(Method::DELETE, &path_of(session_id)).await
    }

    /// Deletes a session unless it is newer than this version.
    pub async fn try_delete_version(&self, session_id: &str, version: &str) -> Response {
        self.fetch(Method::DELETE, &format!("{}?version={version}", path_of(session_id))).await
    }

    /// Deletes the session with another user.
    pub async fn delete(&self, other: &Self) {
        let outcome = self.try_delete(&other.session_id()).await.ok();
        assert_eq!(outcome, json!({"deleted": [other.session_id()], "newer": [], "failed": []}));
    }

    /// Sends a request to the batch form of deleteMySession with this body.
    pub async fn batch_delete(&self, body: &Value) -> Response {
        let request = self.request(Method::POST, "/v1/sessions/batch-delete").json(body);
        self.test.send(request).await
    }
}

fn accounts(users: &[&User]) -> Vec<String> {
    users.iter().map(|user| user.account.clone()).collect()
}

/// Returns the path of a session, with its id percent-encoded as an app does.
pub fn path_of(session_id: &str) -> String {
    let encoded: String = session_id
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("/v1/sessions/{encoded}")
}

/// Returns the path of a group's members.
pub fn members_of(group: &str) -> String {
    path_of(group).replace("/v1/sessions/", "/v1/groups/") + "/members"
}

/// Adds this body and its signature at this time to a request, without an AppKey and without a content type.
pub fn with_signature(request: RequestBuilder, body: &str, cur_time: u64) -> RequestBuilder {
    let cur_time = cur_time.to_string();
    let (md5, check_sum) = sign(LOCAL_APP_SECRET, body, &cur_time);
    let request = request.header("CurTime", cur_time).header("MD5", md5).header("CheckSum", check_sum);
    request.body(body.to_owned())
}

/// Returns the ids of a page's sessions.
pub fn ids(list: &Value) -> Vec<String> {
    let sessions = list["sessionList"].as_array().expect("a sessionList");
    sessions.iter().map(|session| session["sessionId"].as_str().expect("a sessionId").to_owned()).collect()
}
