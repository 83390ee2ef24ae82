//! What has changed: a device's copy that stays right.

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use session_local::clock;
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    copies::{
        T0, edit, group_edit, group_message, group_recall, listing, message, notification, on_time, recall,
    },
    device::Device,
    scenarios,
    test::{Answer, Test, User, super_team, team},
};

scenarios![
    two_devices_of_one_user_agree,
    a_device_learns_what_happens_in_groups,
    late_and_reordered_copies_reach_a_device,
    pages_of_any_size_tell_the_same,
    tokens_and_pages_may_be_used_again,
    a_pass_that_is_left_off_is_taken_up_or_begun_anew,
    a_token_goes_on_for_its_user_alone,
    bad_changes_parameters,
    sessions_may_come_without_their_messages,
    a_page_ends_before_its_text_is_too_long,
    a_session_called_changes_is_none,
    random_histories_reach_devices,
];
scenarios![ON_ONE_MACHINE: what_changes_cost, what_happens_on_time_costs_what_it_did];
scenarios![EMBEDDED_ONLY: what_an_idle_pull_costs];
scenarios![ONCE: another_epoch_ends_all_tokens];

async fn two_devices_of_one_user_agree(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    t.deliver([&message(&alice, &bob, 1), &on_time(message(&carol, &bob, 2))]).await;
    let (mut phone, mut tablet) = (Device::new(&bob, 100).await, Device::new(&bob, 1).await);
    assert_eq!(phone.sessions.len(), 2);
    let mut both = async |when: &str| {
        phone.is_right(when).await;
        tablet.is_right(when).await;
    };
    both("nothing has changed").await;
    bob.set_ext(&alice, "pinned").await;
    both("a text was set").await;
    bob.delete(&carol).await;
    both("a session was deleted").await;
    t.deliver([&on_time(message(&carol, &bob, 3))]).await;
    both("a message on time").await;
    t.deliver([&message(&alice, &bob, 4)]).await;
    both("a message that is years late").await;
    t.deliver([&edit(&alice, &bob, 4, 9, "better"), &edit(&alice, &bob, 5, 9, "early")]).await;
    both("an edit, and one that waits").await;
    t.deliver([&message(&alice, &bob, 5)]).await;
    both("its message").await;
    t.deliver([&recall(&alice, &bob, 5, 7)]).await;
    both("a late recall").await;
    t.deliver([&on_time(recall(&carol, &bob, 3, 8))]).await;
    both("a recall on time").await;
    bob.set_ext(&t.user("dora"), "a session without a message").await;
    both("a new session").await;
    bob.set_ext(&alice, "").await;
    both("a text was removed").await;
    let ids: Vec<_> = bob.listed().await;
    bob.batch_delete(&json!({ "sessionIds": ids })).await.ok();
    both("all were deleted").await;
}

async fn a_device_learns_what_happens_in_groups(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let (one, other) = (team(), super_team());
    let mut device = Device::new(&bob, 7).await;
    t.deliver([&listing(group_message(&alice, &one, 1), &[&alice, &bob])]).await;
    device.is_right("a message made him a member").await;
    t.deliver([&group_message(&alice, &other, 1)]).await;
    t.patch_members(&other, 1, &[&bob], &[]).await;
    device.is_right("he joined a group that goes on for long").await;
    t.deliver([&group_edit(&alice, &other, 1, 5, "better"), &on_time(group_message(&alice, &one, 2))]).await;
    device.is_right("an edit, and a message on time").await;
    t.deliver([&group_recall(&alice, &other, 1, 6)]).await;
    device.is_right("a recall").await;
    bob.try_delete(&one).await.ok();
    device.is_right("he deleted the session").await;
    t.deliver([&on_time(group_message(&alice, &one, 3))]).await;
    bob.patch(&one, &json!({"ext": "x"})).await.ok();
    device.is_right("it is back, with a text").await;
    t.deliver([&on_time(listing(group_message(&alice, &one, 4), &[&alice, &carol]))]).await;
    device.is_right("he was dropped without notice").await;
    t.put_members(&other, 7, &[&alice, &bob]).await;
    t.deliver([&notification(&alice, &other, 8, 402, &[&bob])]).await;
    device.is_right("he was kicked").await;
    t.patch_members(&other, 9, &[&bob], &[]).await;
    device.is_right("he is back").await;
    t.patch_members(&other, 10, &[], &[&bob]).await;
    device.is_right("he was removed").await;
    let dismissed = team();
    t.deliver([&listing(group_message(&alice, &dismissed, 1), &[&alice, &bob])]).await;
    t.deliver([&listing(notification(&alice, &dismissed, 2, 4, &[]), &[&alice, &bob])]).await;
    device.is_right("a group was dismissed").await;
    t.put_members(&one, 20, &[&bob]).await;
    device.is_right("a list of the backend names him").await;
}

/// What a device that pulls by time would miss for ever: it pulled in between.
async fn late_and_reordered_copies_reach_a_device(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let mut device = Device::new(&bob, 100).await;
    for at in [5, 3, 9, 1, 7] {
        t.deliver([&message(&alice, &bob, at)]).await;
        device.is_right("a message of some day").await;
        t.deliver([&recall(&alice, &bob, at + 1, at + 2)]).await;
        device.is_right("a recall that comes before its message").await;
    }
    t.deliver([&on_time(message(&alice, &bob, 1)), &on_time(message(&bob, &alice, 2))]).await;
    device.is_right("messages of today").await;
}

async fn pages_of_any_size_tell_the_same(t: Test) {
    let bob = t.user("bob");
    let mut devices = Vec::new();
    for limit in [1, 7, 100] {
        devices.push(Device::new(&bob, limit).await);
    }
    let mut copies = Vec::new();
    for number in 0..25 {
        let friend = t.user("friend");
        let copy = message(&friend, &bob, number);
        copies.push(if number % 2 == 0 { copy } else { on_time(copy) });
    }
    for number in 0..12 {
        copies.push(listing(group_message(&bob, &team(), number), &[&bob]));
    }
    t.deliver(&copies).await;
    for (device, pages) in devices.iter_mut().zip([37..=38, 6..=6, 1..=1]) {
        let taken = device.pull().await;
        assert!(pages.contains(&taken), "{taken} pages");
        assert_eq!(device.sessions, device.full_list().await);
    }
}

async fn tokens_and_pages_may_be_used_again(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let mut device = Device::new(&bob, 1).await;
    let first = device.token.clone();
    let carol = t.user("carol");
    t.deliver([&message(&alice, &bob, 1), &message(&carol, &bob, 2)]).await;
    let page = device.page(&first).await;
    device.apply(&page);
    bob.delete(&alice).await;
    device.apply(&page);
    device.apply(&page);
    device.is_right("a page was applied three times, the last time out of date").await;
    device.token = first;
    device.is_right("the first token once more").await;
}

async fn a_pass_that_is_left_off_is_taken_up_or_begun_anew(t: Test) {
    let bob = t.user("bob");
    let mut device = Device::new(&bob, 1).await;
    let before = device.token.clone();
    let friends: Vec<User> = (0..4).map(|_| t.user("friend")).collect();
    let copies: Vec<_> = friends.iter().zip(1..).map(|(friend, at)| message(friend, &bob, at)).collect();
    t.deliver(&copies).await;
    let page = device.page(&before).await;
    assert_eq!(page["hasMore"], true);
    device.apply(&page);
    // Meanwhile things change that the pass has told already, and that it has not.
    bob.delete(&friends[0]).await;
    t.deliver([&on_time(message(&friends[3], &bob, 9))]).await;
    device.pull().await;
    device.is_right("the pass was taken up, and the next one told the rest").await;
    device.apply(&device.page(&before).await);
    device.is_right("a pass begun anew with the old token, and left off").await;
}

async fn a_token_goes_on_for_its_user_alone(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let device = Device::new(&bob, 100).await;
    let foreign = alice.try_changes(&format!("since={}", device.token)).await;
    foreign.is_problem(410, "since is too old, or of another account or epoch: pull the list anew");
    assert_eq!(foreign.body["code"], 410);
    assert_eq!(foreign.body["type"], "urn:session-service:sync-token-expired");
    assert!(!foreign.body.to_string().contains(&bob.account));
}

async fn another_epoch_ends_all_tokens(t: Test) {
    let bob = t.user("bob");
    let token = Device::new(&bob, 100).await.token;
    let restored = Test::at(t.app.with_parameters(&[("SyncEpoch", "1")]).await);
    let there = restored.known_user(&bob.account);
    there.try_changes(&format!("since={token}")).await.is_problem(410, "since is too old");
    Device::new(&there, 100).await.is_right("a list of the new epoch").await;
}

async fn bad_changes_parameters(t: Test) {
    let bob = t.user("bob");
    let token = Device::new(&bob, 100).await.token;
    for (query, detail) in [
        (String::new(), "since is required: a list's syncToken"),
        ("since=".into(), "since must not be empty"),
        ("since=x".into(), "since must be a syncToken as a list or an earlier page gave it"),
        (format!("since={token}&since={token}"), "since must be given only once"),
        (format!("since={token}&limit=0"), "limit must be a whole number from 1 to 100"),
        (format!("since={token}&limit=101"), "limit must be a whole number from 1 to 100"),
        (format!("since={token}&needLastMsg=2"), "needLastMsg must be 0 or 1"),
    ] {
        bob.try_changes(&query).await.is_problem(400, detail);
    }
    for query in ["minTimestamp=1", "maxTimestamp=9", "limit=1&maxTimestamp=9"] {
        assert_eq!(bob.list(query).await.get("syncToken"), None, "{query}: a list with bounds has none");
    }
    for query in ["", "limit=1", "minTimestamp=0&maxTimestamp=0", "needLastMsg=0"] {
        assert!(bob.list(query).await["syncToken"].is_string(), "{query}");
    }
}

async fn sessions_may_come_without_their_messages(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let device = Device::new(&bob, 100).await;
    t.deliver([&message(&alice, &bob, 1)]).await;
    let page = bob.try_changes(&format!("since={}&needLastMsg=0", device.token)).await.ok();
    let session = json!({"sessionId": alice.session_id(), "updateTime": T0 + 1, "lastMsgType": 0});
    assert_eq!((&page["updated"], &page["deleted"]), (&json!([session]), &json!([])));
}

async fn a_page_ends_before_its_text_is_too_long(t: Test) {
    let bob = t.user("bob");
    let mut device = Device::new(&bob, 100).await;
    for number in 0..90 {
        // Quotes are escaped twice.
        let copy = message(&t.user("friend"), &bob, number);
        t.deliver([&crate::copies::with(copy, "body", "\"".repeat(19_000))]).await;
    }
    assert_eq!(device.pull().await, 2);
    assert_eq!(device.sessions, device.full_list().await);
}

async fn a_session_called_changes_is_none(t: Test) {
    let bob = t.user("bob");
    bob.try_changes("").await.is_problem(400, "since is required");
    bob.try_delete("changes").await.is_problem(400, "sessionId must be one of");
}

/// Something that happens to Bob's list, or a pull of one of his devices.
#[derive(Clone, Debug)]
enum Step {
    Message { friend: usize, at: u64, on_time: bool },
    Recall { friend: usize, at: u64, on_time: bool },
    Edit { friend: usize, at: u64, later: u64 },
    Delete { session: usize },
    SetExt { session: usize, text: &'static str },
    GroupMessage { at: u64, listed: Option<bool>, on_time: bool },
    Members { at: u64, joins: bool },
    Page { device: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (friend, session) = (0..2_usize, 0..3_usize);
    prop_oneof![
        3 => (friend.clone(), 0..6u64, any::<bool>())
            .prop_map(|(friend, at, on_time)| Step::Message { friend, at, on_time }),
        1 => (friend.clone(), 0..6u64, any::<bool>())
            .prop_map(|(friend, at, on_time)| Step::Recall { friend, at, on_time }),
        2 => (friend, 0..6u64, 1..4u64).prop_map(|(friend, at, later)| Step::Edit { friend, at, later }),
        2 => session.clone().prop_map(|session| Step::Delete { session }),
        1 => (session, prop::sample::select(vec!["", "x", "y"]))
            .prop_map(|(session, text)| Step::SetExt { session, text }),
        3 => (0..6u64, proptest::option::of(any::<bool>()), any::<bool>())
            .prop_map(|(at, listed, on_time)| Step::GroupMessage { at: at * 3, listed, on_time }),
        1 => (0..6u64, any::<bool>()).prop_map(|(at, joins)| Step::Members { at: at * 3 + 1, joins }),
        4 => (0..2_usize).prop_map(|device| Step::Page { device }),
    ]
}

async fn random_histories_reach_devices(t: Test) {
    let mut runner = TestRunner::new(Config { cases: 30, failure_persistence: None, ..Config::default() });
    let outcome = block_in_place(|| {
        runner.run(&prop::collection::vec(step(), 1..30), |history| {
            Handle::current().block_on(reaches_devices(&t, &history)).map_err(TestCaseError::fail)
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn reaches_devices(t: &Test, history: &[Step]) -> Result<(), String> {
    let bob = t.user("bob");
    let (friends, group) = ([t.user("alice"), t.user("carol")], team());
    let sessions = [friends[0].session_id(), friends[1].session_id(), group.clone()];
    let mut devices = [Device::new(&bob, 1).await, Device::new(&bob, 100).await];
    let say = async |copy: Value, is_on_time: bool| {
        t.deliver([&if is_on_time { on_time(copy) } else { copy }]).await;
    };
    for step in history {
        match *step {
            Step::Message { friend, at, on_time } => say(message(&friends[friend], &bob, at), on_time).await,
            Step::Recall { friend, at, on_time } => {
                say(recall(&friends[friend], &bob, at, at + 3), on_time).await;
            }
            Step::Edit { friend, at, later } => {
                say(edit(&friends[friend], &bob, at, at + later, "v"), false).await;
            }
            Step::Delete { session } => drop(bob.try_delete(&sessions[session]).await.ok()),
            Step::SetExt { session, text } => {
                bob.patch(&sessions[session], &json!({ "ext": text })).await.ok();
            }
            Step::GroupMessage { at, listed, on_time } => {
                let copy = group_message(&friends[0], &group, at);
                let members: &[&User] =
                    if listed == Some(true) { &[&bob, &friends[0]] } else { &[&friends[0]] };
                say(if listed.is_some() { listing(copy, members) } else { copy }, on_time).await;
            }
            Step::Members { at, joins: true } => t.patch_members(&group, at, &[&bob], &[]).await,
            Step::Members { at, joins: false } => t.patch_members(&group, at, &[], &[&bob]).await,
            Step::Page { device } => {
                let page = devices[device].page(&devices[device].token).await;
                devices[device].apply(&page);
            }
        }
    }
    for device in &mut devices {
        // A pass under way ends; the next one tells what it missed.
        device.pull().await;
        device.check().await?;
    }
    Ok(())
}

async fn units(t: &Test, answer: Answer) -> (f64, f64) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    super::capacity::units(t, &answer).await
}

async fn what_changes_cost(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let id = alice.session_id();
    let written = async |copy: Value| units(&t, t.post(&copy).await).await.1;
    assert_eq!(written(message(&alice, &bob, 2)).await, 2.0 * 3.0, "late, two new rows");
    assert_eq!(written(message(&alice, &bob, 3)).await, 2.0 * 5.0, "late, two known rows");
    assert_eq!(written(recall(&alice, &bob, 3, 9)).await, 2.0 * 5.0, "a late recall");
    assert_eq!(written(message(&alice, &bob, 1)).await, 2.0, "not newer");
    assert_eq!(
        units(&t, bob.patch(&id, &json!({"ext": "x"})).await).await,
        (0.0, 4.0),
        "set ext, stamped before"
    );
    assert_eq!(units(&t, bob.try_delete(&id).await).await, (0.0, 4.0), "delete, stamped before");
    let (carol, dave) = (t.user("carol"), t.user("dave"));
    t.deliver([&on_time(message(&carol, &dave, 1))]).await;
    assert_eq!(
        units(&t, dave.patch(&carol.session_id(), &json!({"ext": "x"})).await).await,
        (0.0, 3.0),
        "set ext, the first stamp"
    );
    t.deliver([&on_time(message(&dave, &carol, 2))]).await;
    assert_eq!(
        units(&t, carol.try_delete(&dave.session_id()).await).await,
        (0.0, 3.0),
        "delete, the first stamp"
    );
}

async fn what_happens_on_time_costs_what_it_did(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let written = async |copy: Value| units(&t, t.post(&on_time(copy)).await).await;
    assert_eq!(written(message(&alice, &bob, 2)).await, (0.0, 2.0 * 2.0), "two new rows");
    assert_eq!(written(message(&alice, &bob, 3)).await, (0.0, 2.0 * 3.0), "two known rows");
    bob.set_ext(&alice, "x").await;
    assert_eq!(written(message(&alice, &bob, 4)).await, (0.0, 2.0 * 3.0), "after a stamp, too");
    assert_eq!(written(recall(&alice, &bob, 4, 9)).await, (0.0, 2.0 * 3.0), "a recall");
    let item = t.item(&bob, &alice.session_id()).await.unwrap();
    assert!(item["changeTime"].is_object(), "the stamp stays");
    let other = t.item(&alice, &bob.session_id()).await.unwrap();
    assert_eq!(other.get("changeTime"), None, "and there is none where nothing was late");
}

async fn what_an_idle_pull_costs(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let device = Device::new(&bob, 100).await;
    let idle = async || units(&t, bob.try_changes(&format!("since={}", device.token)).await).await;
    assert_eq!(idle().await, (3.0, 0.0), "three empty queries");
    t.deliver([&on_time(message(&alice, &bob, 1))]).await;
    assert_eq!(idle().await, (3.0, 0.0), "a row on time is in one of them");
    t.deliver([&message(&t.user("carol"), &bob, 1)]).await;
    assert_eq!(idle().await, (4.0, 0.0), "a stamped row is read");
    t.patch_members(&super_team(), clock::now_ms() - T0 - 3_600_000, &[&bob], &[]).await;
    assert_eq!(idle().await, (5.5, 0.0), "a group: its row, which is stamped, and half a unit for its head");
}
