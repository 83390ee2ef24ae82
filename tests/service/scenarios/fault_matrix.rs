//! Every operation under every fault of the database, at each of its requests to DynamoDB, both once and from then on. The
//! operation responds with 200 or 503 in time, nothing is lost or done twice, and a repeat completes it. The outcomes are
//! documented in tests/faults.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Map, Value, json};
use session_local::workspace::workspace;
use uuid::Uuid;

use test_support::{
    copies::{T0, edit, group_message, message, notification, recall},
    fault_proxy::{Aim, Fault, FaultProxy},
    response::Response,
    scenarios,
    test::{Test, User},
};

scenarios![every_operation_under_every_fault_at_every_request];

/// The number of concurrent cases. They spend most of their time waiting.
const CONCURRENCY: usize = 24;
/// The latest time of a message copy or membership change. Any later time is the time of a request.
const LAST: u64 = T0 + 10;
/// The page with the matrix. `UPDATE_FAULTS=1` writes it again.
const DOCUMENT: &str = "tests/faults.md";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    List,
    Changes,
    Get,
    GetOfGroup,
    SetExt,
    SetExtOfGroup,
    Delete,
    DeleteOfGroup,
    BatchDelete,
    Message,
    Recall,
    Edit,
    GroupMessage,
    Kick,
    PatchMembers,
    PutMembers,
    Erase,
}

impl Operation {
    const ALL: [Self; 17] = [
        Self::List,
        Self::Changes,
        Self::Get,
        Self::GetOfGroup,
        Self::SetExt,
        Self::SetExtOfGroup,
        Self::Delete,
        Self::DeleteOfGroup,
        Self::BatchDelete,
        Self::Message,
        Self::Recall,
        Self::Edit,
        Self::GroupMessage,
        Self::Kick,
        Self::PatchMembers,
        Self::PutMembers,
        Self::Erase,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::List => "queryMySessionList",
            Self::Changes => "queryMySessionChanges",
            Self::Get => "queryMySession",
            Self::GetOfGroup => "queryMySession of a group",
            Self::SetExt => "updateMySession",
            Self::SetExtOfGroup => "updateMySession of a group",
            Self::Delete => "deleteMySession",
            Self::DeleteOfGroup => "deleteMySession of a group",
            Self::BatchDelete => "deleteMySession of three",
            Self::Message => "recordMessage",
            Self::Recall => "recordMessage, a recall",
            Self::Edit => "recordMessage, an edit",
            Self::GroupMessage => "recordMessage to a group",
            Self::Kick => "recordMessage, a kick",
            Self::PatchMembers => "updateGroupMembers, PATCH",
            Self::PutMembers => "updateGroupMembers, PUT",
            Self::Erase => "eraseUser",
        }
    }
}

/// The faults, and their names in the page.
const FAULTS: [(Fault, &str); 8] = [
    (Fault::Throttle, "throttled"),
    (Fault::InternalError, "500"),
    (Fault::Hang, "hangs before the write"),
    (Fault::LoseResponse, "hangs after the write"),
    (Fault::CutResponse, "cut in the response"),
    (Fault::HalfUnprocessed, "half a batch unprocessed"),
    (Fault::Slow, "slow by 1 s"),
    (Fault::OtherContent, "other content"),
];

/// The users and the group of one case. No other case's requests concern them.
struct Case {
    /// Sends requests without faults.
    direct: Test,
    /// The users, whose requests reach the database through the proxy.
    alice: User,
    bob: User,
    carol: User,
    group: String,
    mark: String,
    since: String,
}

impl Case {
    async fn new(direct: &Test, proxied: &Test) -> Self {
        let mark = Uuid::new_v4().simple().to_string();
        let user = |name: &str| proxied.known_user(&format!("{name}-{mark}"));
        let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
        let group = format!("team|{mark}");
        direct.deliver([&message(&alice, &bob, 1), &message(&carol, &bob, 2)]).await;
        direct.put_members(&group, 3, &[&alice, &bob]).await;
        direct.deliver([&group_message(&alice, &group, 4)]).await;
        let list = direct.known_user(&bob.account).list("").await;
        let since = list["syncToken"].as_str().expect("a token").to_owned();
        direct.deliver([&edit(&alice, &bob, 1, 5, "before")]).await;
        Self { direct: direct.clone(), alice, bob, carol, group, mark, since }
    }

    async fn call(&self, operation: Operation) -> Response {
        let Self { alice, bob, group, .. } = self;
        let proxied = &bob.test;
        let (id, ext) = (alice.session_id(), json!({"ext": "mine"}));
        match operation {
            Operation::List => bob.try_list("").await,
            Operation::Changes => bob.try_changes(&format!("since={}", self.since)).await,
            Operation::Get => bob.try_get(&id).await,
            Operation::GetOfGroup => bob.try_get(group).await,
            Operation::SetExt => bob.patch(&id, &ext).await,
            Operation::SetExtOfGroup => bob.patch(group, &ext).await,
            Operation::Delete => bob.try_delete(&id).await,
            Operation::DeleteOfGroup => bob.try_delete(group).await,
            Operation::BatchDelete => {
                bob.batch_delete(&json!({"sessionIds": [id, self.carol.session_id(), group]})).await
            }
            Operation::Message => proxied.post(&message(alice, bob, 10)).await,
            Operation::Recall => proxied.post(&recall(alice, bob, 1, 10)).await,
            Operation::Edit => proxied.post(&edit(alice, bob, 1, 10, "after")).await,
            Operation::GroupMessage => proxied.post(&group_message(alice, group, 10)).await,
            Operation::Kick => proxied.post(&notification(alice, group, 10, 1, &[bob])).await,
            Operation::PatchMembers => {
                let body = self.change(&json!({"add": [self.carol.account], "remove": [bob.account]}));
                proxied.try_update_members(Method::PATCH, group, &body).await
            }
            Operation::PutMembers => {
                let body = self.change(&json!({"members": [alice.account, self.carol.account]}));
                proxied.try_update_members(Method::PUT, group, &body).await
            }
            Operation::Erase => proxied.try_erase(&json!({"account": bob.account})).await,
        }
    }

    fn change(&self, more: &Value) -> Value {
        let mut body = json!({"groupId": self.group, "time": LAST});
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        body
    }

    /// Returns everything that the engine stores for the case, except change times and expiry times.
    async fn state(&self) -> Value {
        let mut state = Map::new();
        for user in [&self.alice, &self.bob, &self.carol] {
            for id in
                [self.alice.session_id(), self.bob.session_id(), self.carol.session_id(), self.group.clone()]
            {
                let item = self.direct.session_item(&user.account, &id).await;
                state.insert(format!("{} {id}", user.account), item.map_or(Value::Null, without_times));
            }
        }
        state.insert(
            "groupItem".into(),
            self.direct.group_item(&self.group).await.map_or(Value::Null, without_times),
        );
        self.plain(&Value::Object(state))
    }

    /// Removes everything that differs between cases.
    fn plain(&self, value: &Value) -> Value {
        let mut value: Value =
            serde_json::from_str(&value.to_string().replace(&self.mark, "X")).expect("JSON");
        if let Some(members) = value.as_object_mut() {
            for name in ["syncToken", "minTimestamp"] {
                members.remove(name);
            }
            if members.get("updateTime").and_then(Value::as_u64) > Some(LAST) {
                members.remove("updateTime");
            }
        }
        value
    }
}

/// Keeps whether an item has a change time and expires, but not when. The values that represent members depend on the members'
/// names, and a repeated membership change is counted once more.
fn without_times(mut item: Value) -> Value {
    for name in
        ["changeTime", "expiresAt", "memberHashes", "listId", "listDigest", "listKey", "membersVersion"]
    {
        if let Some(value) = item.get_mut(name) {
            *value = match value["BS"].as_array() {
                Some(hashes) => hashes.len().into(),
                None => true.into(),
            };
        }
    }
    let time = item["updateTime"]["N"].as_str().and_then(|time| time.parse::<u64>().ok());
    if time > Some(LAST) {
        item["updateTime"] = "the time of the request".into();
    }
    item
}

/// The result of an operation without a fault.
struct Undisturbed {
    requests: usize,
    body: Value,
    state: Value,
}

/// Returns the items in which two states differ.
fn difference(found: &Value, wanted: &Value) -> String {
    let of = |state: &Value| state.as_object().cloned().unwrap_or_default();
    let (found, wanted) = (of(found), of(wanted));
    let differ = found.iter().filter(|(name, item)| wanted.get(*name) != Some(item));
    let outcome = differ.map(|(name, item)| format!("{name} is {item}, not {}", wanted[name]));
    outcome.collect::<Vec<_>>().join("; ")
}

/// Whether a request was done completely. A batch and an erasure may be done in part. An erasure after which nothing is left is
/// repeated after minutes.
fn is_done(response: &Response) -> bool {
    let in_part = (response.body["remaining"] == true && response.retry_after < Some(60))
        || response.body["failed"].as_array().is_some_and(|failed| !failed.is_empty());
    response.status == 200 && !in_part
}

/// Runs one case. Returns the outcome of the first request.
async fn disturbed(
    case: &Case,
    proxy: &FaultProxy,
    operation: Operation,
    aim: Aim,
    undisturbed: &Undisturbed,
) -> Result<&'static str, String> {
    proxy.aim_at(&case.mark, Some(aim));
    let first = case.call(operation).await;
    let line = case.bob.test.app.logs.of(&first.request_id).await;
    if line["durationMs"].as_f64().is_none_or(|took| took > 4_700.0) {
        return Err(format!("it takes too long: {line}"));
    }
    if first.body.to_string().contains("internal text") || line.to_string().contains("internal text") {
        return Err(format!("it shows internal text: {} {line}", first.body));
    }
    let outcome = match first.status {
        200 if is_done(&first) => "200",
        200 => "in part",
        503 if first.body["detail"].as_str().is_some_and(|detail| detail.ends_with("safe to retry")) => "503",
        other => return Err(format!("it responds {other}: {}", first.body)),
    };
    if outcome == "200" && operation != Operation::Erase && case.plain(&first.body) != undisturbed.body {
        return Err(format!("it responds {}, not {}", first.body, undisturbed.body));
    }
    let state = case.state().await;
    if outcome == "200" && state != undisturbed.state {
        return Err(format!("it was not done: {}", difference(&state, &undisturbed.state)));
    }
    // Requests that the proxy still holds back may arrive before or with the repeat.
    proxy.aim_at(&case.mark, None);
    let again = case.call(operation).await;
    if !is_done(&again) {
        return Err(format!("the retry responds {}: {}", again.status, again.body));
    }
    let state = case.state().await;
    if state != undisturbed.state {
        return Err(format!("after the repeat, {}", difference(&state, &undisturbed.state)));
    }
    Ok(outcome)
}

async fn every_operation_under_every_fault_at_every_request(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let proxied = Test::at(t.app.behind(proxy.endpoint()).await);
    let (t, proxied, proxy) = (&t, &proxied, &proxy);
    let mut undisturbed = BTreeMap::new();
    for operation in Operation::ALL {
        let case = Case::new(t, proxied).await;
        proxy.aim_at(&case.mark, None);
        let body = case.plain(&case.call(operation).await.ok());
        let requests = proxy.aim_at(&case.mark, None);
        undisturbed.insert(operation, Undisturbed { requests, body, state: case.state().await });
    }
    let undisturbed = &undisturbed;
    let cases = undisturbed.iter().flat_map(|(operation, of)| {
        let at = (0..of.requests).flat_map(|after| [false, true].map(|lasts| (after, lasts)));
        at.flat_map(move |(after, lasts)| {
            FAULTS.map(move |(fault, name)| (*operation, Aim { fault, after, lasts }, name))
        })
    });
    let outcomes = stream::iter(cases).map(|(operation, aim, fault)| async move {
        let case = Case::new(t, proxied).await;
        let outcome = disturbed(&case, proxy, operation, aim, &undisturbed[&operation]).await;
        outcome
            .map(|outcome| ((operation, fault, aim.lasts), outcome))
            .map_err(|wrong| format!("{operation:?}, {aim:?}: {wrong}"))
    });
    let mut matrix: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    let (mut wrong, mut count) = (Vec::new(), 0);
    let mut outcomes = outcomes.buffer_unordered(CONCURRENCY);
    while let Some(outcome) = outcomes.next().await {
        count += 1;
        match outcome {
            Ok((cell, outcome)) => drop(matrix.entry(cell).or_default().insert(outcome)),
            Err(fault) => wrong.push(fault),
        }
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "{} of {count} cases: {}", wrong.len(), wrong.join("\n"));
    let document = document(undisturbed, &matrix);
    let path = workspace().join(DOCUMENT);
    if is_to_be_written() {
        fs::write(&path, &document).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == document, "{DOCUMENT} differs; UPDATE_FAULTS=1 rewrites it:\n{document}");
}

/// Formats the matrix as a page. A cell has two outcomes: that of operations in which one request met the fault, and that of
/// operations in which all requests from there on did.
fn document(
    undisturbed: &BTreeMap<Operation, Undisturbed>,
    matrix: &BTreeMap<(Operation, &str, bool), BTreeSet<&str>>,
) -> String {
    let mut page = String::from(
        "# Faults\n\n\
         The response to a request when the database fails, written by the test `fault_matrix`. Each operation meets each fault at \
         every DynamoDB request: at a single request, and from that request on. A cell lists the responses of both cases, for all \
         positions of the fault.\n\n\
         Every response arrives within 4.7 seconds. A 200 was completed. A 503 may have been completed, and is safe to retry. After \
         one retry the tables contain what they contain without a fault. `in part` is a 200 that lists what is left (`failed`, \
         `remaining`). A function tries a request 3 times, each for up to 0.9 seconds, so a single fault usually has no effect. Only \
         requests for several items can be half unprocessed. Other content is an HTML page with status 200, as a proxy might send.\n\n",
    );
    let names: Vec<_> = FAULTS.iter().map(|(_, name)| *name).collect();
    let _ = writeln!(page, "| operation | requests | {} |", names.join(" | "));
    let _ = writeln!(page, "|---|---|{}", "---|".repeat(names.len()));
    for (operation, of) in undisturbed {
        let outcome = |fault, lasts| {
            let outcome = matrix.get(&(*operation, fault, lasts)).into_iter().flatten().copied();
            outcome.collect::<Vec<_>>().join(" or ")
        };
        let fields: Vec<_> = names
            .iter()
            .map(|fault| format!("{}, {}", outcome(*fault, false), outcome(*fault, true)))
            .collect();
        let _ = writeln!(page, "| {} | {} | {} |", operation.name(), of.requests, fields.join(" | "));
    }
    page
}

#[expect(clippy::disallowed_methods, reason = "the test's own switch")]
fn is_to_be_written() -> bool {
    std::env::var("UPDATE_FAULTS").is_ok_and(|value| value == "1")
}
