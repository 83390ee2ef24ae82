//! Each function is allowed exactly what it does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use session_local::emulator::template::Allowed;

use test_support::{
    copies::{edit, group_edit, group_message, group_recall, listing, message, notification, recall},
    fault_proxy::FaultProxy,
    repository::template,
    scenarios,
    test::{Test, team},
};

scenarios![the_policies_allow_what_the_functions_do_and_nothing_else,];

async fn the_policies_allow_what_the_functions_do_and_nothing_else(t: Test) {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    everything(&behind).await;
    let mut seen: BTreeMap<String, BTreeSet<Allowed>> = BTreeMap::new();
    for (user_agent, action, input) in proxy.requests() {
        let operation = user_agent.rsplit(' ').next().unwrap_or_default();
        let action = format!("dynamodb:{action}");
        // The request that opens a connection may not read any other partition.
        let partition = input["Key"]["userId"]["S"].as_str().filter(|user| *user == "/open-connection");
        let allowed = |resource: String| Allowed {
            action: action.clone(),
            attributes: markers(&input, &resource),
            resource,
            partition: partition.map(str::to_owned),
        };
        seen.entry(operation.to_owned()).or_default().extend(resources(&input).into_iter().map(allowed));
    }
    let allowed: BTreeMap<_, _> =
        template().functions.into_values().map(|function| (function.description, function.allowed)).collect();
    assert_eq!(seen, allowed);
}

/// Returns the attributes of a request for markers of erased users, and none for any other request. Attributes of the key are allowed
/// in addition.
fn markers(input: &Value, resource: &str) -> Option<Vec<String>> {
    let wanted = &input["RequestItems"][resource.strip_suffix(".Arn")?];
    let projection = wanted["ProjectionExpression"].as_str()?;
    let is_marker = |key: &Value| key["sessionId"]["S"] == "/erased";
    if !wanted["Keys"].as_array()?.iter().all(is_marker) {
        return None;
    }
    let mut names: BTreeSet<_> = projection.split(", ").map(str::to_owned).collect();
    names.extend(["sessionId".to_owned(), "userId".to_owned()]);
    Some(names.into_iter().collect())
}

/// Returns the tables and indexes of a request, as the template names them.
fn resources(input: &Value) -> Vec<String> {
    let arn = |table: &str| format!("{table}.Arn");
    match (input["TableName"].as_str(), input["IndexName"].as_str()) {
        (Some(table), None) => vec![arn(table)],
        (Some(table), Some(index)) => vec![format!("{}/index/{index}", arn(table))],
        (None, _) => input["RequestItems"].as_object().unwrap().keys().map(|table| arn(table)).collect(),
    }
}

/// Runs every operation on sessions of both kinds, in every way that reads or writes something different.
async fn everything(t: &Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = team();
    t.deliver([&message(&alice, &bob, 1), &recall(&alice, &bob, 1, 2)]).await;
    t.deliver([
        &listing(group_message(&alice, &group, 1), &[&alice, &bob]),
        &group_recall(&alice, &group, 1, 2),
    ])
    .await;
    t.deliver([&edit(&alice, &bob, 1, 2, "x"), &group_edit(&alice, &group, 1, 2, "x")]).await;
    t.deliver([&notification(&bob, &group, 3, 2, &[])]).await;
    assert_eq!(t.post(&json!({"eventType": "1"})).await.ok()["result"], "dead-lettered");
    t.patch_members(&group, 4, &[&bob], &[&alice]).await;
    t.put_members(&group, 5, &[&alice, &bob]).await;
    for id in [alice.session_id(), group] {
        let token = bob.list("").await["syncToken"].take();
        bob.try_changes(&format!("since={}", token.as_str().unwrap())).await.ok();
        bob.try_get(&id).await.ok();
        bob.patch(&id, &json!({"ext": "x"})).await.ok();
        bob.try_delete(&id).await.ok();
        bob.batch_delete(&json!({"sessionIds": [id]})).await.ok();
    }
    t.try_erase(&json!({"account": bob.account})).await.ok();
}
