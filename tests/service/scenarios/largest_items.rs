//! The largest items that the limits allow: what each operation costs on them, and that it fits in the memory of its function.

use std::{fs, process};

use serde_json::{Value, json};

use super::capacity::units;
use test_support::{
    bench::processes::{children, mib},
    copies::{edit, group_edit, group_message, listing, message, on_time, with},
    response::Response,
    scenarios,
    test::{Test, User, team},
};

scenarios![EMBEDDED_ONLY: the_largest_items_fit];

/// The number of groups with the largest group items.
const GROUPS: u32 = 400;
/// The memory that most functions have, in MB, less what Lambda's runtime may need.
const MAX_MIB: f64 = 100.0;

/// The fields of a message and of an edit, and the number of quotes that each can hold. Quotes take the most room in a page.
const OF_A_MESSAGE: [(&str, usize); 6] = [
    ("body", 4_096),
    ("attach", 2_048),
    ("ext", 1_024),
    ("subType", 341),
    ("fromNick", 341),
    ("fromClientType", 341),
];
const OF_AN_EDIT: [(&str, usize); 4] =
    [("text", 4_096), ("attachment", 2_048), ("extension", 1_024), ("subType", 341)];

/// A copy whose texts are as long as they can be.
fn full(copy: Value, fields: &[(&str, usize)]) -> Value {
    fields.iter().fold(copy, |copy, (field, quotes)| with(copy, field, "\"".repeat(*quotes)))
}

/// The units are those of the default of `LastMsgBytes`.
async fn the_largest_items_fit(t: Test) {
    let own = Test::at(t.app.on_a_new_engine().await);
    let (alice, bob) = own.alice_and_bob();
    let costs = async |response: Response| {
        assert_eq!(response.status, 200, "{}", response.body);
        units(&own, &response).await
    };
    let record = async |copy: &Value| costs(own.post(copy).await).await;
    // A p2p session: its message, and as many pending edits as fit.
    let largest = |at: u64| on_time(full(message(&alice, &bob, at), &OF_A_MESSAGE));
    assert_eq!(record(&largest(1)).await, (0.0, 2.0 * 34.0), "17 KB, in the table and an index");
    assert_eq!(record(&largest(2)).await, (0.0, 2.0 * 3.0 * 17.0), "and out of the index");
    for at in [20, 21, 22] {
        own.deliver([&on_time(full(edit(&alice, &bob, at, 100 + at, ""), &OF_AN_EDIT))]).await;
    }
    let id = alice.session_id();
    let of_edit = on_time(full(edit(&alice, &bob, 2, 5, ""), &OF_AN_EDIT));
    assert_eq!(
        record(&of_edit).await,
        (2.0 * 12.0, 2.0 * 95.0),
        "an edit, of 47 KB each in the table and an index"
    );
    assert_eq!(costs(bob.try_get(&id).await).await, (12.0, 0.0), "get");
    assert_eq!(costs(bob.try_delete(&id).await).await, (0.0, 96.0), "delete");

    let since = bob.list("").await["syncToken"].as_str().unwrap().to_owned();
    fill_groups(&own, &alice, &bob).await;
    let group = format!("team|{}", GROUPS - 1);
    // 6 units for each group item of 48 KB, and 18 for the user's own items.
    for query in ["limit=100", "limit=1&needLastMsg=0"] {
        let response = bob.try_list(query).await;
        assert_eq!(response.body["hasMore"], true);
        assert_eq!(costs(response).await, (2_418.0, 0.0), "{query}");
    }
    let response = bob.try_changes(&format!("since={since}")).await;
    assert_eq!(response.body["hasMore"], true);
    let updated = response.body["updated"].as_array().map(Vec::len);
    assert_eq!(updated, Some(99), "one more would exceed 4 MB");
    assert_eq!(costs(response).await, (2_230.0, 0.0), "changes");
    assert_eq!(costs(bob.try_get(&group).await).await, (1.0 + 6.0, 0.0), "get of a group");
    let newer = on_time(full(group_message(&alice, &group, 9), &OF_A_MESSAGE));
    assert_eq!(record(&newer).await, (0.0, 1.0 + 48.0), "a message to a group for which edits wait");
    assert_eq!(costs(bob.try_delete(&group).await).await, (1.0 + 12.0, 4.0), "delete of a group");

    for (function, peak) in peaks_of_functions(own.app.dynamodb().endpoint()) {
        assert!(peak < MAX_MIB, "{function} used {peak:.1} MiB");
    }
}

/// Makes Bob a member of many groups whose items are as large as they can be: with a message, 200 members, and what waits for other
/// messages. All are copies of one that the service wrote.
async fn fill_groups(t: &Test, alice: &User, bob: &User) {
    let first = team();
    t.deliver([&on_time(full(listing(group_message(alice, &first, 1), &[alice, bob]), &OF_A_MESSAGE))]).await;
    for at in [20, 21, 22] {
        t.deliver([&on_time(full(group_edit(alice, &first, at, 100 + at, ""), &OF_AN_EDIT))]).await;
    }
    let (mut group_item, mut membership) =
        (t.group_item(&first).await.unwrap(), t.item(bob, &first).await.unwrap());
    let hash = |number: u64| format!("{number:012}AA==");
    // Without a list, the memberships decide.
    group_item["memberHashes"] = json!({"BS": (0..200_u64).map(hash).collect::<Vec<_>>()});
    for name in ["listedAt", "listId", "listKey"] {
        group_item.as_object_mut().unwrap().remove(name);
    }
    for number in 0..GROUPS {
        let id = json!({"S": format!("team|{number}")});
        (group_item["groupId"], membership["sessionId"]) = (id.clone(), id);
        t.put_item("GroupsTable", &group_item).await;
        t.put_item("SessionsTable", &membership).await;
    }
}

/// The peak memory of each function of the service on this engine, in MiB.
fn peaks_of_functions(endpoint: &str) -> Vec<(String, f64)> {
    let of_it = |process: &u32| {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == format!("AWS_ENDPOINT_URL_DYNAMODB={endpoint}").as_bytes())
    };
    let processes: Vec<u32> = children(process::id()).into_iter().filter(of_it).collect();
    assert!(!processes.is_empty(), "its functions run");
    let name = |process: u32| {
        let executable = fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
        executable.file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    processes.into_iter().map(|process| (name(process), mib(process, "VmHWM").unwrap())).collect()
}
