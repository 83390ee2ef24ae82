//! The programs that sign, each run as the page describes.

use std::{path::Path, process::Stdio};

use serde_json::json;
use tokio::{io::AsyncWriteExt, process::Command};

use test_support::{pages::of_kind, scenarios, test::Test, tools::Folder};

scenarios![bash_signs_and_posts, node_signs_and_posts, python_signs_and_posts, java_signs_and_posts,];

async fn bash_signs_and_posts(t: Test) {
    signs_and_posts(&t, "bash sign", "post.sh", &["bash"]).await;
}

async fn node_signs_and_posts(t: Test) {
    signs_and_posts(&t, "js sign", "post.mjs", &["node"]).await;
}

async fn python_signs_and_posts(t: Test) {
    signs_and_posts(&t, "python sign", "post.py", &["python3"]).await;
}

async fn java_signs_and_posts(t: Test) {
    signs_and_posts(&t, "java sign", "Post.java", &["java"]).await;
}

/// Posts a message, its recall and a message to a team, and changes the team's members.
async fn signs_and_posts(t: &Test, kind: &str, name: &str, command: &[&str]) {
    let is_there = Command::new(command[0]).arg("--version").stdin(Stdio::null()).output().await;
    if is_there.is_err() {
        eprintln!("\nNot run: the program in {} of docs/backends.md, which is not there.\n", command[0]);
        return;
    }
    let own = Test::at(t.app.on_a_new_engine().await);
    let program = of_kind("docs/backends.md", kind);
    assert_eq!(program.len(), 1, "{kind}");
    let folder = Folder::new();
    let file = folder.file(name, &program[0]);
    let copies = of_kind("docs/backends.md", "json copy");
    let members = of_kind("docs/backends.md", "json members");
    for (method, path, body) in [
        ("POST", "/v1/messages", &*copies[0]),
        ("POST", "/v1/messages", &*copies[1]),
        ("POST", "/v1/messages", &*copies[2]),
        ("PATCH", "/v1/groups/team%7C7/members", &*members[0]),
    ] {
        let response = run(command, &file, &[method, path], own.app.url(), body).await;
        assert!(["{}", r#"{"result":"applied"}"#].contains(&response.trim()), "{kind} {method} {path}");
    }
    let bob = own.known_user("bob");
    assert_eq!(bob.last_msg_of("p2p|alice").await["postscript"], json!("sent by mistake"));
    assert_eq!(own.known_user("dave").last_msg_of("team|7").await["body"], json!("hello taem"));
    let rejected = run(command, &file, &["POST", "/v1/users/erase"], own.app.url(), "{}").await;
    assert!(rejected.contains("account is required"), "a rejection is printed: {rejected}");
}

async fn run(command: &[&str], file: &Path, arguments: &[&str], url: &str, body: &str) -> String {
    let mut program = Command::new(command[0]);
    let program = program.args(&command[1..]).arg(file).args(arguments).env("SERVICE", url);
    let mut process =
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(body.as_bytes()).await.unwrap();
    drop(input);
    let output = process.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
