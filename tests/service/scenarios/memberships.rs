//! Group membership, and what former members keep.

use reqwest::Method;
use serde_json::{Value, json};

use test_support::{
    copies::{T0, group_message, listing, notification, with, without},
    scenarios,
    test::{Test, User, ids, super_team, team},
};

scenarios![
    every_notification_is_applied_with_or_without_a_list,
    a_member_missing_in_a_new_list_stops_seeing_the_group,
    a_former_member_sees_the_notice_and_nothing_newer,
    a_member_removed_by_the_backend_has_an_empty_session,
    a_dismissed_group_shows_its_notice,
    a_member_who_rejoins_after_a_delete_sees_newer_messages,
    an_old_copy_does_not_readmit_a_former_member,
    a_team_outgrows_its_list_and_shrinks_again,
    late_and_repeated_changes_are_harmless,
    a_whole_list_from_the_backend_is_applied,
    an_invitation_at_the_time_of_a_text_is_not_lost,
    the_response_names_the_accounts_that_are_superseded,
    accounts_whose_hashes_begin_alike_are_two_members,
];

/// Returns the time of a user's session, in ms after `T0`, or none if the user does not have the session.
async fn seen(user: &User, group: &str) -> Option<u64> {
    user.time_of(group).await.map(|time| time - T0)
}

async fn every_notification_is_applied_with_or_without_a_list(t: Test) {
    // The notification's number in a team and in a super team, whether it names Bob, and whether Bob is a member before and after.
    let cases = [
        (0, 401, true, false, true),
        (1, 402, true, true, false),
        (2, 403, false, true, false),
        (3, 404, false, true, true),
        (5, 410, true, false, true),
        (6, 406, false, true, true),
        (7, 407, true, true, true),
        (8, 408, true, true, true),
        (9, 411, false, false, true),
        (10, 409, true, true, true),
    ];
    for (team_id, super_team_id, names_bob, before, after) in cases {
        for (group, id, listed) in
            [(team(), team_id, true), (team(), team_id, false), (super_team(), super_team_id, false)]
        {
            let (alice, bob) = t.alice_and_bob();
            let members = if before { vec![&alice, &bob] } else { vec![&alice] };
            t.patch_members(&group, 1, &members, &[]).await;
            t.deliver([&group_message(&alice, &group, 2)]).await;
            assert_eq!(seen(&bob, &group).await, before.then_some(2));
            let named: &[&User] = if names_bob { &[&bob] } else { &[] };
            // The sender is the user who leaves or accepts an invitation. For other notifications it is a manager.
            let from = if [2, 9].contains(&team_id) { &bob } else { &alice };
            let copy = notification(from, &group, 3, id, named);
            // The list still names a member who is leaving, and may not yet name one who is joining.
            t.deliver([&if listed { listing(copy, &members) } else { copy }]).await;
            t.deliver([&group_message(&alice, &group, 4)]).await;
            let expected = match (before, after) {
                (_, true) => Some(4),
                (true, false) => Some(3),
                (false, false) => None,
            };
            assert_eq!(seen(&bob, &group).await, expected, "notification {id}, with a list: {listed}");
            assert_eq!(seen(&alice, &group).await, Some(4));
        }
    }
}

async fn a_member_missing_in_a_new_list_stops_seeing_the_group(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    assert_eq!(seen(&bob, &team).await, Some(1));
    t.deliver([&listing(group_message(&alice, &team, 2), &[&alice])]).await;
    assert_eq!((seen(&bob, &team).await, seen(&alice, &team).await), (None, Some(2)));
    t.deliver([&listing(group_message(&alice, &team, 3), &[&alice, &bob])]).await;
    assert_eq!(seen(&bob, &team).await, Some(3), "and sees it again when they are back");
}

async fn a_former_member_sees_the_notice_and_nothing_newer(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for (group, id, from_bob) in
        [(team(), 2, true), (team(), 1, false), (super_team(), 403, true), (super_team(), 402, false)]
    {
        t.patch_members(&group, 1, &[&alice, &bob], &[]).await;
        let notice = notification(if from_bob { &bob } else { &alice }, &group, 3, id, &[&bob]);
        t.deliver([&group_message(&alice, &group, 2), &notice, &group_message(&alice, &group, 4)]).await;
        let session = bob.try_get(&group).await.ok();
        assert_eq!(seen(&bob, &group).await, Some(3));
        let last_msg: Value = serde_json::from_str(session["lastMsg"].as_str().unwrap()).unwrap();
        assert_eq!((&last_msg["msgIdServer"], &last_msg["type"]), (&json!("m3"), &json!(5)));
        assert_eq!(seen(&alice, &group).await, Some(4));
    }
}

async fn a_member_removed_by_the_backend_has_an_empty_session(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = super_team();
    t.patch_members(&group, 1, &[&alice, &bob], &[]).await;
    t.deliver([&group_message(&alice, &group, 2)]).await;
    t.patch_members(&group, 3, &[], &[&bob]).await;
    let session = bob.try_get(&group).await.ok();
    assert_eq!(session, json!({"sessionId": group, "updateTime": T0 + 3, "version": format!("{}_", T0 + 3)}));
    t.deliver([&group_message(&alice, &group, 4)]).await;
    assert_eq!(seen(&bob, &group).await, Some(3));
    bob.try_delete(&group).await.ok();
    assert_eq!(seen(&bob, &group).await, None);
    t.patch_members(&group, 3, &[], &[&bob]).await;
    assert_eq!(seen(&bob, &group).await, None, "a retry does not revive it");
    assert_eq!(
        t.item(&bob, &group).await.unwrap()["expiresAt"],
        Value::Null,
        "it records that they have left"
    );
    t.patch_members(&group, 5, &[], &[&bob]).await;
    assert_eq!(seen(&bob, &group).await, Some(5), "a newer removal does, as an empty session");
}

async fn a_dismissed_group_shows_its_notice(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for (group, id, listed) in [(team(), 4, true), (team(), 4, false), (super_team(), 405, false)] {
        t.patch_members(&group, 1, &[&alice, &bob], &[]).await;
        t.deliver([&group_message(&alice, &group, 2)]).await;
        let copy = notification(&alice, &group, 3, id, &[]);
        t.deliver([&if listed { listing(copy, &[&alice, &bob]) } else { copy }]).await;
        for user in [&alice, &bob] {
            assert_eq!(seen(user, &group).await, Some(3));
            assert_eq!(user.try_get(&group).await.ok()["lastMsgType"], 0);
        }
        let is_member = t.item(&bob, &group).await.unwrap()["memberSince"].is_object();
        assert_eq!(is_member, !listed, "with a list, everybody has left");
    }
}

async fn a_member_who_rejoins_after_a_delete_sees_newer_messages(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    // The session is deleted by a member.
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 2), &[&alice, &bob])]).await;
    bob.try_delete(&team).await.ok();
    t.deliver([&listing(notification(&bob, &team, 3, 2, &[]), &[&alice, &bob])]).await;
    bob.try_delete(&team).await.ok();
    t.deliver([&listing(notification(&alice, &team, 4, 0, &[&bob]), &[&alice])]).await;
    assert_eq!(seen(&bob, &team).await, Some(4), "the notice of their return is newer than their tombstone");

    // The session is deleted after leaving, with no newer message since: it stays deleted.
    let group = super_team();
    t.patch_members(&group, 1, &[&alice, &bob], &[]).await;
    t.deliver([&group_message(&alice, &group, 2), &notification(&bob, &group, 3, 403, &[])]).await;
    bob.try_delete(&group).await.ok();
    t.patch_members(&group, 4, &[&bob], &[]).await;
    assert_eq!(seen(&bob, &group).await, None);
    t.deliver([&group_message(&alice, &group, 5)]).await;
    assert_eq!(seen(&bob, &group).await, Some(5));
}

/// The replay of an archive has this effect.
async fn an_old_copy_does_not_readmit_a_former_member(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = super_team();
    let joins = notification(&alice, &group, 1, 401, &[&bob]);
    t.deliver([&joins, &group_message(&alice, &group, 2), &notification(&bob, &group, 3, 403, &[])]).await;
    bob.try_delete(&group).await.ok();
    assert_eq!(t.item(&bob, &group).await.unwrap()["expiresAt"], Value::Null, "nor does DynamoDB forget it");
    t.deliver([&joins, &group_message(&alice, &group, 4)]).await;
    assert_eq!((seen(&bob, &group).await, seen(&alice, &group).await), (None, Some(4)));
}

async fn a_team_outgrows_its_list_and_shrinks_again(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let team = team();
    t.deliver([&listing(group_message(&alice, &team, 1), &[&alice, &bob])]).await;
    // Above 200 members, message copies contain no list. Only notifications report joins and leaves.
    t.deliver([&notification(&alice, &team, 2, 0, &[&carol]), &notification(&bob, &team, 3, 2, &[])]).await;
    t.deliver([&group_message(&alice, &team, 4)]).await;
    for (user, expected) in [(&alice, 4), (&bob, 3), (&carol, 4)] {
        assert_eq!(seen(user, &team).await, Some(expected));
    }
    // Below that, the list is back and agrees.
    t.deliver([&listing(group_message(&alice, &team, 5), &[&alice, &carol])]).await;
    for (user, expected) in [(&alice, 5), (&bob, 3), (&carol, 5)] {
        assert_eq!(seen(user, &team).await, Some(expected));
    }
}

async fn late_and_repeated_changes_are_harmless(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = super_team();
    t.patch_members(&group, 5, &[&alice, &bob], &[]).await;
    t.deliver([&group_message(&alice, &group, 6)]).await;
    t.patch_members(&group, 4, &[], &[&bob]).await;
    assert_eq!(seen(&bob, &group).await, Some(6), "removed before they joined");
    t.patch_members(&group, 7, &[], &[&bob]).await;
    t.patch_members(&group, 5, &[&alice, &bob], &[]).await;
    assert_eq!(seen(&bob, &group).await, Some(7), "joined before they were removed");
    let session_item = async || without(t.item(&bob, &group).await.unwrap(), "changeTime");
    let before = session_item().await;
    t.patch_members(&group, 7, &[], &[&bob]).await;
    assert_eq!(session_item().await, before, "except for the change time");
}

async fn a_whole_list_from_the_backend_is_applied(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let carol = t.user("carol");
    let group = super_team();
    t.put_members(&group, 1, &[&alice, &bob]).await;
    t.deliver([&group_message(&alice, &group, 2)]).await;
    t.put_members(&group, 3, &[&alice, &carol]).await;
    t.put_members(&group, 2, &[&bob]).await;
    t.put_members(&group, 3, &[&alice, &carol]).await;
    let seen_by = async |users: [&User; 3]| {
        let mut times = Vec::new();
        for user in users {
            times.push(seen(user, &group).await);
        }
        times
    };
    assert_eq!(seen_by([&alice, &bob, &carol]).await, [Some(2), None, Some(2)]);
    t.patch_members(&group, 4, &[&bob], &[&carol]).await;
    assert_eq!(seen_by([&alice, &bob, &carol]).await, [Some(2), Some(2), Some(4)]);
    t.put_members(&group, 5, &[]).await;
    assert_eq!(seen_by([&alice, &bob, &carol]).await, [None, None, Some(4)]);
    assert_eq!(ids(&alice.list("").await), Vec::<String>::new());
}

/// Backends that count seconds report many events at one time.
async fn an_invitation_at_the_time_of_a_text_is_not_lost(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    // The digests of the two lists are in either order.
    for _ in 0..4 {
        let (team, carol) = (team(), t.user("carol"));
        let text = with(group_message(&alice, &team, 1), "msgidServer", "9");
        let invitation = with(notification(&alice, &team, 1, 0, &[&carol]), "msgidServer", "10");
        let text = listing(text, &[&alice, &bob]);
        let invitation = listing(invitation, &[&alice, &bob]);
        t.deliver([&invitation, &text, &invitation, &text]).await;
        assert_eq!(seen(&carol, &team).await, Some(1));
        t.put_members(&team, 1, &[&alice, &bob]).await;
        t.deliver([&invitation]).await;
        assert_eq!(seen(&carol, &team).await, None, "a list from the backend is stronger");
    }
}

async fn the_response_names_the_accounts_that_are_superseded(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    let group = super_team();
    let change = async |time: u64, add: &[&User], remove: &[&User]| {
        let names = |users: &[&User]| users.iter().map(|user| user.account.clone()).collect::<Vec<_>>();
        let body = json!({"groupId": group, "time": T0 + time, "add": names(add), "remove": names(remove)});
        t.try_update_members(Method::PATCH, &group, &body).await.ok()
    };
    assert_eq!(change(5, &[&alice, &bob], &[]).await, json!({}));
    assert_eq!(change(5, &[], &[&bob]).await, json!({}), "a leave is stronger than a join of the same time");
    assert_eq!(change(5, &[&bob], &[]).await, json!({"superseded": [bob.account]}));
    assert_eq!(change(4, &[], &[&alice]).await, json!({"superseded": [alice.account]}));
    let put = async |time: u64| {
        let body = json!({"groupId": group, "time": T0 + time, "members": [alice.account, bob.account]});
        t.try_update_members(Method::PUT, &group, &body).await.ok()
    };
    assert_eq!(put(7).await, json!({}));
    assert_eq!(put(6).await, json!({"superseded": [alice.account, bob.account]}), "an older list");
    assert_eq!(put(7).await, json!({}), "the same list again");
}

/// The SHA-256 of these names in this group begin with the same 6 bytes. Such a pair is found in seconds.
async fn accounts_whose_hashes_begin_alike_are_two_members(t: Test) {
    const GROUP: &str = "team|collision";
    let (one, other) = (t.known_user("user-1404622"), t.known_user("user-1493060"));
    t.put_members(GROUP, 1, &[&one, &other]).await;
    t.deliver([&group_message(&one, GROUP, 2)]).await;
    assert_eq!((seen(&one, GROUP).await, seen(&other, GROUP).await), (Some(2), Some(2)));
    t.put_members(GROUP, 3, &[&one]).await;
    t.deliver([&group_message(&one, GROUP, 4)]).await;
    assert_eq!(
        (seen(&one, GROUP).await, seen(&other, GROUP).await),
        (Some(4), None),
        "dropped from the list"
    );
    t.put_members(GROUP, 5, &[&one, &other]).await;
    t.patch_members(GROUP, 6, &[], &[&one]).await;
    assert_eq!((seen(&one, GROUP).await, seen(&other, GROUP).await), (Some(6), Some(4)), "one leaves");
}
