//! What operators configure: secrets, the case of accounts, and what is wrong.

use serde_json::json;
use session_local::backend::signing::LOCAL_APP_KEY;

use test_support::{
    copies::{T0, group_message, listing, message},
    scenarios,
    test::{Test, team},
};

scenarios![
    a_misconfigured_backend_function_responds,
    no_short_secret_verifies_anything,
    accounts_may_be_lower_cased,
];

async fn a_misconfigured_backend_function_responds(t: Test) {
    let t = Test::at(t.app.with_parameters(&[("MaxCurTimeAgeDays", "soon")]).await);
    let (alice, bob) = t.alice_and_bob();
    let copy = t.post(&message(&alice, &bob, 1)).await;
    let check = t.send(t.feed_request(reqwest::Method::POST).body("{}")).await;
    let change = json!({"groupId": "team|1", "time": T0, "add": ["a"]});
    let members = t.try_update_members(reqwest::Method::PATCH, "team|1", &change).await;
    for response in [copy, check, members] {
        response.is_problem(503, "the service is not configured; safe to retry");
        let line = t.app.logs.of(&response.request_id).await;
        assert_eq!(line["cause"], "MAX_CUR_TIME_AGE_DAYS is not valid: invalid digit found in string");
    }
    bob.list("").await;
}

/// Neither a default, nor a word that stands for no secret, nor one that is too short, in any function that verifies signatures.
async fn no_short_secret_verifies_anything(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let copy = message(&alice, &bob, 1);
    let statuses = async |t: &Test, secret: &str| {
        let feed = t.app.feed.signed_by(LOCAL_APP_KEY, secret);
        let change = json!({"groupId": "team|1", "time": T0, "add": ["a"]});
        let responses = [
            feed.post(&copy).await.unwrap(),
            feed.update_members(reqwest::Method::PATCH, "team|1", &change).await.unwrap(),
            feed.erase(&json!({"account": "nobody"})).await.unwrap(),
        ];
        responses.map(|response| response.status().as_u16())
    };
    for guessed in ["", "none", "x", "secret", "undefined"] {
        assert_eq!(statuses(&t, guessed).await, [403; 3], "{guessed:?}");
    }
    for name in ["MessageCopyAppSecret", "MessageCopyPreviousAppSecret"] {
        for short in ["11_of_them!", "nil"] {
            let configured = Test::at(t.app.with_parameters(&[(name, short)]).await);
            assert_eq!(statuses(&configured, short).await, [503; 3], "{name}: {short}");
        }
    }
    let of_12 = Test::at(t.app.with_parameters(&[("MessageCopyPreviousAppSecret", "12_of_them!!")]).await);
    assert_eq!(statuses(&of_12, "12_of_them!!").await, [200; 3]);
    assert_eq!(statuses(&of_12, "none").await, [403; 3]);
}

async fn accounts_may_be_lower_cased(t: Test) {
    let lower = Test::at(t.app.with_parameters(&[("AccountCase", "lower")]).await);
    let (alice, bob) = lower.alice_and_bob();
    let (loud_alice, loud_bob) =
        (lower.known_user(&alice.account.to_uppercase()), lower.known_user(&bob.account.to_uppercase()));
    lower.deliver([&message(&loud_alice, &loud_bob, 1)]).await;
    assert_eq!(bob.last_msg(&alice).await["from"], alice.account);
    assert_eq!(loud_bob.listed().await, [alice.session_id()], "the token's account");
    loud_bob.set_ext(&alice, "x").await;
    let session = bob.try_get(&loud_alice.session_id()).await.ok();
    assert_eq!((&session["sessionId"], &session["ext"]), (&json!(alice.session_id()), &json!("x")));
    let twice = json!({"sessionIds": [alice.session_id(), loud_alice.session_id()]});
    bob.batch_delete(&twice).await.is_problem(400, "sessionIds must hold valid ids: number 2 is there twice");
    let group = team();
    let loud_group = format!("team|{}", group.trim_start_matches("team|").to_uppercase());
    lower.patch_members(&loud_group, 1, &[&loud_bob], &[]).await;
    lower.deliver([&listing(group_message(&loud_alice, &loud_group, 2), &[&loud_alice, &loud_bob])]).await;
    assert_eq!(bob.time_of(&group).await, Some(T0 + 2));
    assert_eq!(loud_bob.try_get(&loud_group).await.ok()["sessionId"], group);
}
