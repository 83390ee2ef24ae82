//! What holds of the template and of its deployment alone.

use serde_json::{Value, json};
use session_local::{executables::workspace, feed::LOCAL_APP_SECRET};

use crate::{copies::message, deployment::OLD_SECRET, scenarios, test::Test, tools::run};

scenarios![both_secrets_are_taken_while_they_rotate, the_linters_find_nothing_in_the_template,];

async fn both_secrets_are_taken_while_they_rotate(t: Test) {
    let (alice, bob) = t.alice_and_bob();
    for (at, secret, status) in [(1, OLD_SECRET, 200), (2, LOCAL_APP_SECRET, 200), (3, "another", 403)] {
        let answer = t.app.deployment().feed(secret).post(&message(&alice, &bob, at)).await.unwrap();
        assert_eq!(answer.status(), status, "{secret}");
    }
    assert_eq!(bob.last_msg(&alice).await["msgIdServer"], "m2");
}

async fn the_linters_find_nothing_in_the_template(t: Test) {
    let tools = &t.app.deployment().tools;
    let infra = workspace().join("infra");
    let mut sam = tools.command("sam");
    sam.args(["validate", "--lint", "--region", "us-east-1"]).env("SAM_CLI_TELEMETRY", "0");
    run(sam.current_dir(&infra)).await.unwrap();
    let mut cfn_lint = tools.command("cfn-lint");
    let found = run(cfn_lint.args(["--format", "json", "template.yaml"]).current_dir(&infra)).await.unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found, json!([]));
}
