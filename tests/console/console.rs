//! The console in a browser, driven as people use it.

use std::time::Duration;

use fantoccini::key::Key;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use test_support::{
    cargo_local::{start_at, stop},
    scenarios,
    test::Test,
};

use crate::browser::{Page, browser};

scenarios![
    both_users_see_their_lists_move,
    a_group_is_created_changed_and_dismissed,
    a_list_is_paged_by_cursor_and_a_month_passes,
    markup_stays_text,
    a_request_is_found_and_repeated_and_copied,
    any_copy_of_the_feed_is_posted,
    the_page_waits_for_the_service_and_reconnects,
    the_page_works_on_a_phone_and_by_keyboard,
];

/// Starts a separate service and opens its console.
async fn console(t: &Test) -> (Test, Page) {
    let own = Test::at(t.app.traced().await);
    let page = open(&own, 1200).await;
    (own, page)
}

async fn open(own: &Test, width: u32) -> Page {
    let page = browser().await.open(&format!("{}/console", own.app.url()), width).await;
    page.shows("user-1-state", "syncToken").await;
    page.shows("user-2-state", "syncToken").await;
    page
}

async fn send(page: &Page, panel: u8, to: &str, text: &str) {
    page.fill(&format!("user-{panel}-to"), to).await;
    page.fill(&format!("user-{panel}-text"), text).await;
    page.click(&format!("user-{panel}-send")).await;
}

/// Opens the newest request whose row contains this text.
async fn open_request(page: &Page, text: &str) {
    let row = format!(
        "[...document.querySelectorAll('#requests tr')].find(row => row.textContent.includes('{text}'))"
    );
    page.run(&format!("{row}.querySelector('button').click()")).await;
}

async fn both_users_see_their_lists_move(t: Test) {
    let (own, page) = console(&t).await;
    send(&page, 1, "p2p|bob", "hello bob").await;
    page.shows("user-1-list", "alice: hello bob").await;
    page.shows("user-2-list", "alice: hello bob").await;

    // Events from elsewhere update the lists, too.
    let carol = own.known_user("carol");
    own.deliver([&test_support::copies::message(&carol, &own.known_user("bob"), 1)]).await;
    page.shows("user-2-list", "carol: text 1").await;

    page.choose("user-1-list", "p2p|bob").await;
    page.fill("user-1-edit-text", "hello dear bob").await;
    page.click("user-1-edit").await;
    page.shows("user-2-list", "alice: hello dear bob (edited)").await;
    page.click("user-1-recall").await;
    page.shows("user-2-list", "alice recalled a message").await;

    page.choose("user-2-list", "p2p|alice").await;
    page.fill("user-2-ext", "pinned").await;
    page.click("user-2-set-ext").await;
    page.shows("user-2-list", "pinned").await;
    page.click("user-2-delete").await;
    page.until("user-2-list", |list| !list.contains("p2p|alice")).await;
    page.shows("user-1-list", "alice recalled a message").await;
    page.close().await;
}

async fn a_group_is_created_changed_and_dismissed(t: Test) {
    let (_own, page) = console(&t).await;
    for group in ["team|7", "super_team|9"] {
        page.fill("group", group).await;
        page.click("add").await;
        page.shows("user-2-list", group).await;
        send(&page, 2, group, "hello all").await;
        page.shows("user-1-list", "bob: hello all").await;
        page.fill("who", "bob").await;
        page.click("kick").await;
        page.until("user-2-list", |list| !list.contains("hello all")).await;
        send(&page, 1, group, "they have left").await;
        page.shows("user-1-list", "they have left").await;
        page.click("members").await;
        page.shows("result", "are alice, bob").await;
        page.shows("user-2-list", "they have left").await;
        page.click("dismiss").await;
        page.until("user-2-list", |list| !list.contains("they have left")).await;
        page.fill("who", "bob,carol").await;
    }
    page.close().await;
}

async fn a_list_is_paged_by_cursor_and_a_month_passes(t: Test) {
    let (own, page) = console(&t).await;
    let alice = own.known_user("alice");
    for number in 0..25 {
        let friend = own.known_user(&format!("friend-{number}"));
        own.deliver([&test_support::copies::message(&friend, &alice, number)]).await;
    }
    page.fill("user-1-user", "alice").await;
    page.leave("user-1-user").await;
    page.shows("user-1-state", "10 shown; hasMore: true").await;
    page.click("user-1-more").await;
    page.shows("user-1-state", "20 shown; hasMore: true").await;
    page.click("user-1-more").await;
    page.shows("user-1-state", "25 shown; hasMore: false").await;

    // A sync token is valid for 30 days, so the page fetches the list again.
    page.click("month").await;
    page.shows("clock", "31.0 days ahead").await;
    page.shows("user-1-state", "10 shown; hasMore: true").await;
    send(&page, 1, "p2p|bob", "a month later").await;
    page.shows("user-2-list", "a month later").await;
    page.close().await;
}

async fn markup_stays_text(t: Test) {
    const MARKUP: &str = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>";
    let (own, page) = console(&t).await;
    let account = "<i>eve<\u{5c}i>";
    let eve = own.known_user(account);
    let copy = json!({
        "eventType": "1", "convType": "PERSON", "fromAccount": account, "to": "bob", "msgType": "TEXT", "msgidServer": "1",
        "msgTimestamp": session_local::emulator::clock::now_ms().to_string(), "body": MARKUP, "fromNick": MARKUP,
    });
    own.deliver([&copy]).await;
    page.shows("user-2-list", MARKUP).await;
    page.choose("user-2-list", &eve.session_id()).await;
    page.fill("user-2-ext", MARKUP).await;
    page.click("user-2-set-ext").await;
    page.shows("user-2-details", "\"ext\": ").await;
    page.click("tab-requests").await;
    page.shows("requests", "updateMySession").await;
    open_request(&page, "updateMySession").await;
    page.shows("request", "UpdateItem").await;
    page.click("tab-items").await;
    page.fill("items-of", "bob").await;
    page.click("read").await;
    page.shows("items", "onerror").await;
    assert_eq!(page.run("return document.querySelectorAll('main img, main script, main i').length").await, 0);
    assert_eq!(page.run("return document.title").await, "Session service: console");
    page.close().await;
}

async fn a_request_is_found_and_repeated_and_copied(t: Test) {
    let (own, page) = console(&t).await;
    send(&page, 1, "p2p|bob", "hello bob").await;
    page.shows("user-2-list", "hello bob").await;
    page.choose("user-2-list", "p2p|alice").await;
    page.click("user-2-delete").await;
    page.until("user-2-list", |list| !list.contains("p2p|alice")).await;
    page.click("tab-requests").await;
    page.fill("filter", "deleteMySession").await;
    page.shows("requests", "bob").await;
    page.until("requests", |calls| !calls.contains("recordMessage")).await;
    open_request(&page, "").await;
    page.shows("request", "UpdateItem").await;
    let shown = page.until("request", |call| call.contains("a million such requests cost $")).await;
    assert!(shown.contains("userId=bob sessionId=p2p|alice"), "{shown}");
    page.click("repeat").await;
    page.shows("result", r#"Repeated: 200 {"deleted":["p2p|alice"]"#).await;
    // The second delete's condition failed.
    page.shows("requests", "1 condition failed").await;
    open_request(&page, "condition failed").await;
    page.shows("request", "condition failed").await;

    // The copied command runs in a shell and contains no token.
    let calls: Vec<Value> =
        own.request(Method::GET, "/console/requests").send().await.unwrap().json().await.unwrap();
    let local = t.app.executable("local").display();
    for (operation, printed) in
        [("deleteMySession", r#""deleted":["p2p|alice"]"#), ("recordMessage", r#"{"result":"applied"}"#)]
    {
        let call = calls.iter().find(|call| call["operation"] == operation).unwrap();
        let path = format!("/console/requests/{}", call["number"]);
        let call: Value = own.request(Method::GET, &path).send().await.unwrap().json().await.unwrap();
        let curl = call["curl"].as_str().unwrap();
        let script = format!("cargo() {{ shift; {local} \"$@\"; }}\n{curl}");
        let output = tokio::process::Command::new("bash").args(["-c", &script]).output().await.unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(output.contains(printed), "{curl}\nprints {output}");
    }
    page.close().await;
}

async fn any_copy_of_the_feed_is_posted(t: Test) {
    let (_own, page) = console(&t).await;
    for (sample, seen) in
        [("stream", "The answer is 42."), ("kick", "she has left"), ("half-emoji", "hello bob")]
    {
        page.fill("sample", sample).await;
        page.click("fill").await;
        page.until("copies", |_| true).await;
        let filled = async {
            while page.run("return document.getElementById('copies').value").await == "" {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), filled).await.expect("the sample is filled in");
        page.click("post").await;
        page.shows("user-2-list", seen).await;
        page.fill("copies", "").await;
    }
    page.fill("copies", r#"{"eventType": "1", "to": "bob"}"#).await;
    page.click("post").await;
    page.shows("result", "dead-lettered: convType is missing").await;
    page.close().await;
}

async fn the_page_waits_for_the_service_and_reconnects(t: Test) {
    let (service, ready) = start_at(&t, "0", &[]).await;
    let page = browser().await.open(ready["console"].as_str().unwrap(), 1200).await;
    page.shows("user-2-state", "syncToken").await;
    send(&page, 1, "p2p|bob", "before").await;
    page.shows("user-2-list", "before").await;
    stop(service).await;
    page.shows("away", "The service does not respond").await;
    // Another service with other keys and data, at the same address.
    let port = ready["url"].as_str().unwrap().rsplit(':').next().unwrap();
    let (service, _) = start_at(&t, port, &[]).await;
    page.until("away", str::is_empty).await;
    page.until("user-2-list", |list| !list.contains("before")).await;
    send(&page, 1, "p2p|bob", "after").await;
    page.shows("user-2-list", "after").await;
    page.close().await;
    stop(service).await;
}

async fn the_page_works_on_a_phone_and_by_keyboard(t: Test) {
    let own = Test::at(t.app.traced().await);
    let page = open(&own, 500).await;
    let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    for tab in ["tab-talk", "tab-requests", "tab-items"] {
        page.click(tab).await;
        assert_eq!(page.run(wider).await, false, "{tab} fits its width");
    }
    let unlabelled = "return [...document.querySelectorAll('input, select, textarea')].filter(field => \
                      !field.labels?.length && !field.ariaLabel).map(field => field.id)";
    assert_eq!(page.run(unlabelled).await, json!([]), "every field has a label");
    page.click("tab-talk").await;
    page.press("tab-talk", Key::Right.into()).await;
    assert_eq!(page.run("return document.activeElement.id").await, "tab-requests");
    assert_eq!(page.run("return document.getElementById('view-requests').hidden").await, false);
    page.click("tab-talk").await;
    page.press("user-1-text", Key::Enter.into()).await;
    page.shows("user-2-list", "hello").await;
    page.close().await;
}
