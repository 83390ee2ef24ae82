//! Changes: a device's copy of the list that stays correct.

use serde_json::json;

use super::paging::with_long_texts;
use test_support::{
    copies::{
        T0, edit, group_edit, group_message, group_recall, listing, message, notification, on_time, recall,
        with,
    },
    device::Device,
    scenarios,
    test::{Test, User, super_team, team},
};

scenarios![
    two_devices_of_one_user_agree,
    a_device_receives_changes_of_groups,
    late_and_reordered_copies_reach_a_device,
    pages_of_any_size_give_the_same_changes,
    tokens_and_pages_may_be_used_again,
    an_interrupted_sync_pass_is_resumed_or_restarted,
    a_token_is_valid_for_its_user_only,
    bad_changes_parameters,
    sessions_may_come_without_their_messages,
    changes_is_not_a_session_id,
];
scenarios![LOCAL_ONLY: a_page_ends_before_its_text_is_too_long];
scenarios![EMBEDDED_ONLY: a_pass_that_rested_is_followed_by_another];
scenarios![ONCE: a_new_epoch_invalidates_all_tokens];

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
    both("an ext was set").await;
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
    both("an ext was removed").await;
    let ids: Vec<_> = bob.listed().await;
    bob.batch_delete(&json!({ "sessionIds": ids })).await.ok();
    both("all were deleted").await;
}

async fn a_device_receives_changes_of_groups(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let (one, other) = (team(), super_team());
    let mut device = Device::new(&bob, 7).await;
    t.deliver([&listing(group_message(&alice, &one, 1), &[&alice, &bob])]).await;
    device.is_right("a message added them as a member").await;
    t.deliver([&group_message(&alice, &other, 1)]).await;
    t.patch_members(&other, 1, &[&bob], &[]).await;
    device.is_right("they joined a group that stays active").await;
    t.deliver([&group_edit(&alice, &other, 1, 5, "better"), &on_time(group_message(&alice, &one, 2))]).await;
    device.is_right("an edit, and a message on time").await;
    t.deliver([&group_recall(&alice, &other, 1, 6)]).await;
    device.is_right("a recall").await;
    bob.try_delete(&one).await.ok();
    device.is_right("they deleted the session").await;
    t.deliver([&on_time(group_message(&alice, &one, 3))]).await;
    bob.patch(&one, &json!({"ext": "x"})).await.ok();
    device.is_right("it is back, with an ext").await;
    t.deliver([&on_time(listing(group_message(&alice, &one, 4), &[&alice, &carol]))]).await;
    device.is_right("they were dropped without notice").await;
    t.put_members(&other, 7, &[&alice, &bob]).await;
    t.deliver([&notification(&alice, &other, 8, 402, &[&bob])]).await;
    device.is_right("they were kicked").await;
    t.patch_members(&other, 9, &[&bob], &[]).await;
    device.is_right("they are back").await;
    t.patch_members(&other, 10, &[], &[&bob]).await;
    device.is_right("they were removed").await;
    let dismissed = team();
    t.deliver([&listing(group_message(&alice, &dismissed, 1), &[&alice, &bob])]).await;
    t.deliver([&listing(notification(&alice, &dismissed, 2, 4, &[]), &[&alice, &bob])]).await;
    device.is_right("a group was dismissed").await;
    t.put_members(&one, 20, &[&bob]).await;
    device.is_right("a list of the backend names them").await;
}

/// A device that fetches by `updateTime` alone would miss these for ever, because it fetches in between.
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

async fn pages_of_any_size_give_the_same_changes(t: Test) {
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
        let changes = device.sync().await;
        assert!(pages.contains(&changes), "{changes} pages");
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

async fn an_interrupted_sync_pass_is_resumed_or_restarted(t: Test) {
    let bob = t.user("bob");
    let mut device = Device::new(&bob, 1).await;
    let before = device.token.clone();
    let friends: Vec<User> = (0..4).map(|_| t.user("friend")).collect();
    let copies: Vec<_> = friends.iter().zip(1..).map(|(friend, at)| message(friend, &bob, at)).collect();
    t.deliver(&copies).await;
    let page = device.page(&before).await;
    assert_eq!(page["hasMore"], true);
    device.apply(&page);
    // Meanwhile, sessions change that the sync pass has already reported, and others that it has not.
    bob.delete(&friends[0]).await;
    t.deliver([&on_time(message(&friends[3], &bob, 9))]).await;
    device.sync().await;
    device.is_right("the sync pass was resumed, and the next one reported the rest").await;
    device.apply(&device.page(&before).await);
    device.is_right("a sync pass restarted with the old token and was interrupted").await;
}

async fn a_token_is_valid_for_its_user_only(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    t.deliver([&message(&alice, &bob, 1)]).await;
    let device = Device::new(&bob, 100).await;
    let foreign = alice.try_changes(&format!("since={}", device.token)).await;
    foreign.is_problem(410, "since is too old, or of another account or epoch: fetch the list again");
    assert_eq!(foreign.body["code"], 410);
    assert_eq!(foreign.body["type"], "urn:session-service:sync-token-expired");
    assert!(!foreign.body.to_string().contains(&bob.account));
}

async fn a_new_epoch_invalidates_all_tokens(t: Test) {
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
    let version = format!("{}_fm0x", T0 + 1);
    let session =
        json!({"sessionId": alice.session_id(), "updateTime": T0 + 1, "version": version, "lastMsgType": 0});
    assert_eq!((&page["updated"], &page["deleted"]), (&json!([session]), &json!([])));
}

async fn a_page_ends_before_its_text_is_too_long(t: Test) {
    let t = with_long_texts(&t).await;
    let bob = t.user("bob");
    let mut device = Device::new(&bob, 100).await;
    for number in 0..100 {
        // Quotes are escaped twice.
        let copy = message(&t.user("friend"), &bob, number);
        t.deliver([&with(copy, "body", "\"".repeat(10_000))]).await;
    }
    assert_eq!(device.sync().await, 2);
    assert_eq!(device.sessions, device.full_list().await);
}

async fn a_pass_that_rested_is_followed_by_another(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let mut device = Device::new(&bob, 1).await;
    let on_time_of = |from: &User, at: u64| on_time(message(from, &bob, at));
    own.deliver([&on_time_of(&alice, 1), &on_time_of(&own.user("carol"), 2)]).await;
    device.sync_page().await;
    // The pass is past the newest messages already.
    own.deliver([&on_time_of(&own.user("dave"), 3)]).await;
    bob.try_delete(&alice.session_id()).await.ok();
    own.advance("11s").await;
    device.sync().await;
    assert_eq!(device.sessions, device.full_list().await, "hasMore is false once the device has everything");
    assert_eq!(device.sessions.len(), 2);
    device.is_right("after the next pass").await;
}

async fn changes_is_not_a_session_id(t: Test) {
    let bob = t.user("bob");
    bob.try_changes("").await.is_problem(400, "since is required");
    bob.try_delete("changes").await.is_problem(400, "sessionId must be one of");
}
