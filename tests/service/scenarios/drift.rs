//! Every function is in the template and responds as its operation.

use std::{collections::BTreeSet, fs};

use reqwest::Method;
use session_local::workspace::workspace;
use test_support::{repository::template, scenarios, test::Test};

scenarios![every_function_is_in_the_template_and_runs_its_operation];

async fn every_function_is_in_the_template_and_runs_its_operation(t: Test) {
    let template = template();
    let declared: BTreeSet<_> = template.functions.values().map(|function| function.binary.clone()).collect();
    let folders = fs::read_dir(workspace().join("functions")).unwrap();
    let built: BTreeSet<_> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(declared, built);
    let bob = t.user("bob");
    let mut routed = BTreeSet::new();
    for route in &template.routes {
        let path = route.path.replace("{sessionId}", "p2p%7Calice").replace("{groupId}", "team%7C1");
        let response = t.send(bob.request(route.method.parse::<Method>().unwrap(), &path)).await;
        let line = t.app.logs.of(&response.request_id).await;
        assert_eq!(line["operation"], template.functions[&route.function].description, "{}", route.key());
        routed.insert(route.function.clone());
    }
    assert_eq!(routed, template.functions.keys().cloned().collect(), "every function has a route");
}
