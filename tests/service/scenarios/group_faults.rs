//! The database fails at every step of the membership protocol: the response is a 503, and a repeat completes it.

use reqwest::Method;
use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, listing, notification},
    fault_proxy::{Fault, FaultProxy},
    response::Response,
    scenarios,
    test::{Test, User, team},
};

scenarios![LOCAL_ONLY:
    a_message_that_changes_the_list_survives_a_fault_at_every_step,
    a_removal_by_the_backend_survives_a_fault_at_every_step,
    reading_groups_survives_a_throttling_database,
    a_member_sees_a_group_whose_item_was_just_written,
];

/// The first read of the group item does not find it yet.
async fn a_member_sees_a_group_whose_item_was_just_written(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    let group = team();
    t.deliver([&listing(group_message(&alice, &group, 1), &[&alice, &bob])]).await;
    proxy.set(Fault::Lag);
    let [here, stranger] = [&bob, &t.user("stranger")].map(|user| behind.known_user(&user.account));
    assert_eq!(here.last_msg_of(&group).await["body"], "text 1");
    let session = here.patch(&group, &json!({"ext": "mine"})).await.ok();
    assert_eq!((&session["updateTime"], &session["ext"]), (&json!(T0 + 1), &json!("mine")));
    let before = proxy.requests().len();
    assert_eq!(stranger.try_get(&group).await.status, 404);
    assert_eq!(proxy.requests().len() - before, 2, "nothing more is read for a stranger");
}

/// Returns the times that Alice, Bob and Carol see.
async fn seen(users: [&User; 3], group: &str) -> Vec<Option<u64>> {
    let mut times = Vec::new();
    for user in users {
        times.push(user.time_of(group).await.map(|time| time - T0));
    }
    times
}

/// Makes the request fail at each of its steps in turn, in a new group each time, until it needs no more steps. Each failed request
/// is then repeated without a fault. Returns the number of steps.
async fn at_every_step(
    t: &Test,
    prepare: impl AsyncFn(&str),
    call: impl AsyncFn(&Test, &str) -> Response,
    check: impl AsyncFn(&str),
) -> usize {
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await);
    // This starts the function, so that later requests to the database are those of the steps.
    call(&behind, &team()).await;
    for steps in 0..40 {
        let group = team();
        prepare(&group).await;
        proxy.set_after(steps, if steps % 2 == 0 { Fault::InternalError } else { Fault::Throttle });
        let response = call(&behind, &group).await;
        proxy.set_after(0, Fault::None);
        if response.status == 200 {
            check(&group).await;
            return steps;
        }
        response.is_problem(503, "the database");
        let repeated = call(&behind, &group).await.ok();
        assert!(repeated == json!({}) || repeated["result"] == "applied", "{repeated}");
        check(&group).await;
    }
    panic!("it never ends");
}

async fn a_message_that_changes_the_list_survives_a_fault_at_every_step(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let copy = |group: &str| listing(notification(&alice, group, 3, 1, &[&bob]), &[&alice, &bob, &carol]);
    let steps = at_every_step(
        &t,
        async |group| t.deliver([&listing(group_message(&alice, group, 2), &[&alice, &bob])]).await,
        async |behind, group| behind.post(&copy(group)).await,
        async |group| {
            assert_eq!(seen([&alice, &bob, &carol], group).await, [Some(3); 3], "Bob sees the notice");
        },
    )
    .await;
    assert!(steps >= 7, "group item, Carol's item, list, message, Bob's item twice, group item: {steps}");
}

async fn a_removal_by_the_backend_survives_a_fault_at_every_step(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let body = |group: &str| json!({"groupId": group, "time": T0 + 3, "add": [carol.account], "remove": [bob.account]});
    let steps = at_every_step(
        &t,
        async |group| t.deliver([&listing(group_message(&alice, group, 2), &[&alice, &bob])]).await,
        async |behind, group| behind.try_update_members(Method::PATCH, group, &body(group)).await,
        async |group| {
            assert_eq!(seen([&alice, &bob, &carol], group).await, [Some(2), Some(3), Some(2)]);
            assert_eq!(bob.try_get(group).await.ok()["lastMsg"], Value::Null);
        },
    )
    .await;
    assert!(steps >= 4, "Carol's item, Bob's twice, group item: {steps}");
}

async fn reading_groups_survives_a_throttling_database(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 2), &[&alice, &bob])]).await;
    let proxy = FaultProxy::before(t.app.dynamodb().endpoint()).await;
    let behind = Test::at(t.app.behind(proxy.endpoint()).await).known_user(&bob.account);
    for user in [&bob, &behind] {
        assert_eq!(user.time_of(&team).await, Some(T0 + 2));
    }
    for steps in 0..3 {
        proxy.set_after(steps, Fault::Throttle);
        behind.try_list("").await.is_problem(503, "the database throttled the request");
        proxy.set_after(0, Fault::None);
    }
    proxy.set_after(1, Fault::Throttle);
    behind.try_get(&team).await.is_problem(503, "the database throttled the request");
    proxy.set_after(1, Fault::Throttle);
    behind.try_delete(&team).await.is_problem(503, "the database throttled the request");
    proxy.set_after(0, Fault::None);
    behind.try_delete(&team).await.ok();
    assert_eq!(bob.time_of(&team).await, None);
}
