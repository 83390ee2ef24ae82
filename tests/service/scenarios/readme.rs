//! The README's examples, run as printed.

use std::process::Stdio;

use session_local::executables::workspace;
use tokio::process::Command;

use crate::{scenarios, test::Test};

scenarios![
    the_examples_answer_as_printed,
    the_table_of_costs_is_what_the_command_prints,
    operations_tells_the_same_costs,
    the_changelog_tells_of_tables,
];

/// A command and what it prints, in which `…` stands for anything.
struct Example {
    command: String,
    printed: String,
}

fn examples(readme: &str) -> Vec<Example> {
    let blocks = readme.split("```").filter_map(|block| block.strip_prefix("console\n"));
    let mut examples: Vec<Example> = Vec::new();
    for line in blocks.flat_map(str::lines) {
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

async fn the_examples_answer_as_printed(t: Test) {
    const END: &str = "--- end of one example";
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let examples = examples(&readme);
    assert!(examples.len() > 5, "the README shows what the service does");
    // A service of its own, so that alice and bob are the README's.
    let own = Test::at(t.app.on_a_new_engine().await);
    let url = own.app.url();
    let local = t.app.executable("local").display();
    let run = |example: &Example| {
        format!("{}\necho; echo '{END}'\n", example.command.replace("http://127.0.0.1:8080", url))
    };
    let commands: Vec<_> = examples.iter().map(run).collect();
    let script = format!("cargo() {{ shift; {local} \"$@\" --url {url}; }}\n{}", commands.concat());
    let output = Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = printed.split(END).map(str::trim).collect();
    for (example, answer) in examples.iter().zip(answers) {
        assert!(
            matches(&example.printed, answer),
            "{}\nprints: {answer}\nnot:    {}",
            example.command,
            example.printed
        );
    }
}

async fn the_table_of_costs_is_what_the_command_prints(t: Test) {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let output =
        Command::new(t.app.executable("local")).arg("cost").stdin(Stdio::null()).output().await.unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().count() > 10, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(readme.contains(&table), "the README has another table than:\n{table}");
}

async fn operations_tells_the_same_costs(_: Test) {
    let read = |path: &str| std::fs::read_to_string(workspace().join(path)).unwrap();
    let costs = |text: &str| -> Vec<(String, String)> {
        let table = text.split("| a million calls of |").nth(1).unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
        cells.map(|row| (row[0].to_owned(), row[row.len() - 1].trim_matches('*').to_owned())).collect()
    };
    let readme = costs(&read("README.md"));
    assert!(readme.len() > 10);
    assert_eq!(costs(&read("infra/OPERATIONS.md")), readme);
}

async fn the_changelog_tells_of_tables(_: Test) {
    let changelog = std::fs::read_to_string(workspace().join("CHANGELOG.md")).unwrap();
    let versions: Vec<_> = changelog.split("\n## ").skip(1).collect();
    assert!(versions[0].starts_with(env!("CARGO_PKG_VERSION")), "the newest is this one");
    for version in versions {
        let after = version.lines().nth(2).unwrap_or_default();
        assert!(after.starts_with("Tables: "), "{version}");
    }
}
