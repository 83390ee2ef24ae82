//! The pages: their examples are run, and their statements are compared with the service.

mod programs;
mod samples;

use std::{collections::BTreeSet, process::Stdio};

use session_local::emulator::clock;
use tokio::process::Command;

use test_support::{
    cargo_local::printed,
    copies::{message, with},
    pages::{PAGES, code, of_kind, page, table},
    scenarios,
    test::{Scenario, Test},
};

/// Returns all scenarios of the pages.
pub(super) fn scenarios() -> Vec<Scenario> {
    [SCENARIOS, samples::SCENARIOS, programs::SCENARIOS].concat()
}

scenarios![
    the_examples_respond_as_printed,
    documented_commands_exist,
    documented_costs_are_what_the_command_prints,
];

/// Returns the commands that restore tables.
pub(super) fn runbook() -> String {
    let blocks = of_kind("docs/operations.md", "sh cloud");
    assert_eq!(blocks.len(), 1);
    blocks.concat()
}

/// A command and its printed output, in which `…` stands for any text.
struct Example {
    command: String,
    printed: String,
}

fn examples(path: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in of_kind(path, "console").iter().flat_map(|block| block.lines()) {
        match (line.strip_prefix("$ "), examples.last_mut()) {
            (Some(command), _) => {
                examples.push(Example { command: command.to_owned(), printed: String::new() });
            }
            (None, Some(example)) => example.printed.push_str(line),
            (None, None) => panic!("output before any command: {line}"),
        }
    }
    examples
}

fn matches(printed: &str, actual: &str) -> bool {
    let mut parts = printed.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    let mut ends_open = false;
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        ends_open = part.is_empty();
        rest = behind;
    }
    rest.is_empty() || ends_open
}

async fn the_examples_respond_as_printed(t: Test) {
    for path in ["README.md", "docs/apps.md"] {
        let examples = examples(path);
        assert!(examples.len() > 4, "{path} shows what the service does");
        // A separate service, on which alice and bob have only the page's sessions.
        let own = Test::at(t.app.on_a_new_engine().await);
        if path == "docs/apps.md" {
            let (bob, now) = (own.known_user("bob"), clock::now_ms());
            for (name, time) in [("alice", now - 1_000), ("carol", now)] {
                let copy = with(message(&own.known_user(name), &bob, 1), "msgTimestamp", time.to_string());
                own.deliver([&copy]).await;
            }
        }
        respond_as_printed(&t, own.app.url(), &examples).await;
    }
}

async fn respond_as_printed(t: &Test, url: &str, examples: &[Example]) {
    const END: &str = "--- end of one example";
    let local = t.app.executable("local").display();
    let run = |example: &Example| {
        format!("{}\necho; echo '{END}'\n", example.command.replace("http://127.0.0.1:8080", url))
    };
    let commands: Vec<_> = examples.iter().map(run).collect();
    let script = format!("cargo() {{ shift; {local} \"$@\" --url {url}; }}\n{}", commands.concat());
    let output = Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let responses: Vec<_> = printed.split(END).map(str::trim).collect();
    for (example, response) in examples.iter().zip(responses) {
        assert!(
            matches(&example.printed, response),
            "{}\nprints: {response}\nnot:    {}",
            example.command,
            example.printed
        );
    }
}

/// The commands that the pages name exist, with their flags.
async fn documented_commands_exist(t: Test) {
    let mut commands = BTreeSet::new();
    for path in PAGES {
        for named in code(&page(path)) {
            if let Some(command) = named.strip_prefix("cargo local") {
                commands.insert(command.trim().to_owned());
            }
        }
    }
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let words: Vec<_> = command.split(' ').filter(|word| !word.is_empty() && *word != "…").collect();
        let subcommand: Vec<_> =
            words.iter().take(1).filter(|word| !word.starts_with('-')).copied().collect();
        let help = printed(&t, &[&subcommand[..], &["--help"]].concat()).await;
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "cargo local {command}: there is no {flag}");
        }
    }
}

async fn documented_costs_are_what_the_command_prints(t: Test) {
    let printed = async |arguments: &[&str]| {
        let mut command = Command::new(t.app.executable("local"));
        let output = command.arg("cost").args(arguments).stdin(Stdio::null()).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let all = printed(&[]).await;
    assert!(all.lines().count() > 10, "{all}");
    let operations = page("docs/operations.md");
    assert!(operations.contains(&all), "docs/operations.md has another table than:\n{all}");
    let month = printed(&["--users", "100000", "--syncs", "20", "--messages", "30", "--groups", "10"]).await;
    assert!(operations.contains(&month), "docs/operations.md has another table than:\n{month}");
    let million =
        printed(&["--users", "1000000", "--syncs", "20", "--messages", "30", "--groups", "10"]).await;
    assert!(operations.contains(&million), "docs/operations.md has another table than:\n{million}");
    let whole = month
        .lines()
        .find(|line| line.starts_with("| **all**"))
        .unwrap()
        .trim_matches('|')
        .split('|')
        .nth(1)
        .unwrap()
        .trim()
        .trim_matches('*');
    let costs: Vec<_> = table(&all, "| a million requests of |");
    // Some rows have the same name.
    let is_price = |name: &str, price: &str| {
        costs.iter().any(|row| row[0] == name && row.last().unwrap().trim_matches('*') == price)
    };
    for path in ["README.md", "README.zh-CN.md"] {
        let readme = page(path);
        assert!(readme.contains(&format!("${whole}")), "{path} has another month than ${whole}");
        let head = readme.lines().find(|line| line.starts_with("| ") && line.ends_with(" | $ |")).unwrap();
        let documented = table(&readme, head);
        assert_eq!(documented.len(), 4, "{path}");
        for row in documented {
            assert!(is_price(&row[0], &row[1]), "{path}: {row:?}");
        }
    }
}
