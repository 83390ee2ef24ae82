//! The pages: what they show is run, and what they say is compared.

mod pages;
mod programs;
mod samples;

use std::{collections::BTreeSet, fs, process::Stdio};

use session_local::{clock, executables::workspace};
use tokio::process::Command;

use crate::{
    copies::{message, with},
    scenarios,
    test::{Scenario, Test},
};
use pages::{PAGES, blocks, code, of_kind, page, prose, table};

use super::drift::{sources, template};

/// All of them.
pub(super) fn scenarios() -> Vec<Scenario> {
    [SCENARIOS, samples::SCENARIOS, programs::SCENARIOS].concat()
}

scenarios![
    the_examples_answer_as_printed,
    every_block_is_of_a_kind_that_is_held,
    both_languages_show_the_same,
    what_is_named_exists,
    invariants_name_tests_that_exist,
    links_lead_somewhere,
    the_costs_are_what_the_command_prints,
    the_readme_stays_short,
    the_changelog_tells_of_tables,
];

/// The commands that restore tables.
pub(super) fn runbook() -> String {
    let blocks = of_kind("docs/operations.md", "sh cloud");
    assert_eq!(blocks.len(), 1);
    blocks.concat()
}

/// What blocks there are. Those of `account` need an account of one's own, and stand in README and
/// docs/operations.md alone; those of `cloud` are run in the local cloud, and those of `tools` by CI and scenarios of their own.
const KINDS: [&str; 21] = [
    "console",
    "text",
    "text vector",
    "sh account",
    "sh cloud",
    "sh tools",
    "bash sign",
    "js sign",
    "python sign",
    "java sign",
    "json vector",
    "json copy",
    "json ignored",
    "json kept",
    "json members",
    "json erase",
    "json claims",
    "json session",
    "json LastMessage",
    "json RecallNotice",
    "json RecentSessionChanges",
];

/// A command and what it prints, in which `…` stands for anything.
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

async fn the_examples_answer_as_printed(t: Test) {
    for path in ["README.md", "docs/apps.md"] {
        let examples = examples(path);
        assert!(examples.len() > 4, "{path} shows what the service does");
        // A service of its own, so that alice and bob are the page's.
        let own = Test::at(t.app.on_a_new_engine().await);
        if path == "docs/apps.md" {
            let (bob, now) = (own.known_user("bob"), clock::now_ms());
            for (name, time) in [("alice", now - 1_000), ("carol", now)] {
                let copy = with(message(&own.known_user(name), &bob, 1), "msgTimestamp", time.to_string());
                own.deliver([&copy]).await;
            }
        }
        answer_as_printed(&t, own.app.url(), &examples).await;
    }
}

async fn answer_as_printed(t: &Test, url: &str, examples: &[Example]) {
    const END: &str = "--- end of one example";
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

async fn every_block_is_of_a_kind_that_is_held(_: Test) {
    for path in PAGES {
        for block in blocks(&page(path)) {
            assert!(KINDS.contains(&&*block.kind), "{path}: a block of the kind {:?}", block.kind);
            let may_need_an_account = path.starts_with("README") || path == "docs/operations.md";
            assert!(block.kind != "sh account" || may_need_an_account, "{path}: {}", block.text);
        }
    }
}

/// What is run and compared in English then holds in Chinese.
async fn both_languages_show_the_same(_: Test) {
    for path in PAGES.iter().filter_map(|path| path.strip_suffix(".zh-CN.md")) {
        let (english, chinese) = (page(&format!("{path}.md")), page(&format!("{path}.zh-CN.md")));
        let shown = |page: &str| -> Vec<_> {
            // A picture in letters has words in it.
            let blocks = blocks(page).into_iter().filter(|block| block.kind != "text");
            // So have comments of a shell.
            let without_comments = |text: String| {
                text.lines()
                    .map(|line| line.split("   #").next().unwrap_or_default().trim_end().to_owned())
                    .collect::<Vec<_>>()
            };
            blocks.map(|block| (block.kind, without_comments(block.text))).collect()
        };
        let (english_blocks, chinese_blocks) = (shown(&english), shown(&chinese));
        assert_eq!(english_blocks.len(), chinese_blocks.len(), "{path} has as many blocks in both languages");
        for (english, chinese) in english_blocks.iter().zip(&chinese_blocks) {
            assert_eq!(english, chinese, "{path}");
        }
        let heads = |page: &str| prose(page).lines().filter(|line| line.starts_with('#')).count();
        assert_eq!(heads(&english), heads(&chinese), "{path}");
        // Names of routes, fields, parameters and limits.
        let named = |page: &str| -> BTreeSet<String> { code(page).into_iter().collect() };
        let (english, chinese) = (named(&english), named(&chinese));
        let missing: Vec<_> = english.difference(&chinese).collect();
        let more: Vec<_> = chinese.difference(&english).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{path}: missing in Chinese {missing:?}, only there {more:?}"
        );
    }
}

/// Routes and commands.
async fn what_is_named_exists(t: Test) {
    let routes: BTreeSet<_> = template().routes.iter().map(session_local::template::Route::key).collect();
    let mut commands = BTreeSet::new();
    for path in PAGES {
        for named in code(&page(path)) {
            let method = named.split(' ').next().unwrap_or_default();
            if ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) && named.contains("/v1/") {
                let bare = named.split('?').next().unwrap_or_default().replace("<ApiUrl>", "");
                assert!(routes.contains(&bare), "{path}: there is no route {named}");
            }
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
        let help = super::commands::printed(&t, &[&subcommand[..], &["--help"]].concat()).await;
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "cargo local {command}: there is no {flag}");
        }
    }
}

/// ARCHITECTURE names an invariant's test by its modules and its function, or by its module of tests.
async fn invariants_name_tests_that_exist(_: Test) {
    let page = page("ARCHITECTURE.md");
    let invariants = page.split("\n## ").find(|section| section.starts_with("Invariants")).unwrap();
    let sources = ["functions", "shared", "tests"].map(sources).concat();
    let mut tests = 0;
    for named in code(invariants) {
        let Some((modules, last)) = named.rsplit_once("::") else { continue };
        let module = modules.split("::").next().unwrap();
        let of_module =
            sources.iter().filter(|path| path.with_extension("").iter().any(|part| part == module));
        let exists = of_module
            .map(|path| fs::read_to_string(path).unwrap())
            .any(|text| text.contains(&format!("fn {last}(")) || text.contains(&format!("mod {last} ")));
        assert!(exists, "ARCHITECTURE.md names {named}, which is no test");
        tests += 1;
    }
    assert!(tests > 10, "{tests} names of tests");
}

/// An anchor as GitHub makes it of a headline.
fn anchor(headline: &str) -> String {
    let text = headline.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

async fn links_lead_somewhere(_: Test) {
    let pages = PAGES.iter().copied().chain(["SECURITY.md", "tests/ministack/README.md"]);
    for path in pages {
        let text = prose(&page(path));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
            let folder = workspace().join(path).parent().unwrap().to_owned();
            let target = if file.is_empty() { workspace().join(path) } else { folder.join(file) };
            assert!(target.exists(), "{path}: {link} leads nowhere");
            if !wanted.is_empty() {
                let target = prose(&fs::read_to_string(target).unwrap());
                let mut anchors = target.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(anchors.any(|anchor| anchor == wanted), "{path}: there is no {link}");
            }
        }
    }
}

async fn the_costs_are_what_the_command_prints(t: Test) {
    let printed = async |arguments: &[&str]| {
        let mut command = Command::new(t.app.executable("local"));
        let output = command.arg("cost").args(arguments).stdin(Stdio::null()).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let all = printed(&[]).await;
    assert!(all.lines().count() > 10, "{all}");
    let operations = page("docs/operations.md");
    assert!(operations.contains(&all), "docs/operations.md has another table than:\n{all}");
    let month = printed(&["--users", "100000", "--pulls", "20", "--messages", "30", "--groups", "10"]).await;
    assert!(operations.contains(&month), "docs/operations.md has another table than:\n{month}");
    let million =
        printed(&["--users", "1000000", "--pulls", "20", "--messages", "30", "--groups", "10"]).await;
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
    let costs: Vec<_> = table(&all, "| a million calls of |");
    // Some of them have the same name.
    let is_price = |name: &str, price: &str| {
        costs.iter().any(|row| row[0] == name && row.last().unwrap().trim_matches('*') == price)
    };
    for path in ["README.md", "README.zh-CN.md"] {
        let readme = page(path);
        assert!(readme.contains(&format!("${whole}")), "{path} has another month than ${whole}");
        let head = readme.lines().find(|line| line.starts_with("| ") && line.ends_with(" | $ |")).unwrap();
        let told = table(&readme, head);
        assert_eq!(told.len(), 4, "{path}");
        for row in told {
            assert!(is_price(&row[0], &row[1]), "{path}: {row:?}");
        }
    }
}

async fn the_readme_stays_short(_: Test) {
    for path in ["README.md", "README.zh-CN.md"] {
        let lines = page(path).lines().count();
        assert!((90..=130).contains(&lines), "{path} has {lines} lines");
    }
}

async fn the_changelog_tells_of_tables(_: Test) {
    let changelog = page("CHANGELOG.md");
    let versions: Vec<_> = changelog.split("\n## ").skip(1).collect();
    assert!(versions[0].starts_with(env!("CARGO_PKG_VERSION")), "the newest is this one");
    for path in ["README.md", "README.zh-CN.md"] {
        assert!(page(path).contains(env!("CARGO_PKG_VERSION")), "{path} names the version");
    }
    for version in versions {
        let after = version.lines().nth(2).unwrap_or_default();
        assert!(after.starts_with("Tables: "), "{version}");
    }
}
