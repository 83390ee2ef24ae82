//! The samples of message copies, each posted by itself: its outcome, and what its users then see.

use futures_util::{StreamExt, stream};
use serde_json::Value;
use session_local::{
    backend::samples::{Cast, Sample, SampleResult},
    emulator::clock,
};
use uuid::Uuid;

use test_support::{scenarios, test::Test};

scenarios![every_sample_has_its_documented_effect];

async fn every_sample_has_its_documented_effect(t: Test) {
    let samples = Sample::all().unwrap();
    stream::iter(&samples).for_each_concurrent(4, |sample| holds(&t, sample)).await;
}

async fn holds(t: &Test, sample: &Sample) {
    // The sample gets its own accounts and groups.
    let mut cast = Cast::at(clock::now_ms());
    for name in ["alice", "bob", "carol", "team", "superTeam"] {
        assert!(cast.set(name, &format!("{name}-{}", Uuid::new_v4().simple())));
    }
    let mut last = None;
    for body in sample.bodies(&cast, &[]).unwrap() {
        let response = t.post_bytes(body.clone()).await;
        last = Some((body, response));
    }
    let (body, response) = last.unwrap();
    let result = SampleResult::of(response.status, &response.body);
    let result = result.unwrap_or_else(|| panic!("{}: {} {}", sample.name, response.status, response.body));
    assert_eq!(result, sample.result, "{}: {}", sample.name, response.body);
    let is_dead_lettered = t.dead_letter(body.as_bytes()).await.is_some();
    assert_eq!(
        is_dead_lettered,
        matches!(result, SampleResult::DeadLettered | SampleResult::Early),
        "{}",
        sample.name
    );
    for (account, session, expected) in sample.seen(&cast) {
        let user = t.known_user(&account);
        let found = user.try_get(&session).await;
        let Some(fields) = expected.as_object() else {
            assert_eq!(found.status, 404, "{}: {account} has {session}: {}", sample.name, found.body);
            continue;
        };
        assert_eq!(found.status, 200, "{}: {account} has no {session}", sample.name);
        let last_msg: Value = found.body["lastMsg"]
            .as_str()
            .map(|text| serde_json::from_str(text).unwrap())
            .unwrap_or_default();
        for (name, value) in fields {
            assert_eq!(&last_msg[name], value, "{}: {name} of {account}'s {session}", sample.name);
        }
        assert!(user.listed().await.contains(&session), "{}: {account} lists {session}", sample.name);
    }
}
