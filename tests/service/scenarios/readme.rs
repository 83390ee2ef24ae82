//! The README's examples, run as printed.

use std::process::Stdio;

use session_local::executables::workspace;
use tokio::process::Command;

use crate::{scenarios, test::Test};

scenarios![the_examples_answer_as_printed, the_table_of_costs_is_what_the_command_prints];

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
