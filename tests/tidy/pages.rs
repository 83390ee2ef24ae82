//! Checks that the things the pages name exist, and that both languages show the same.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;
use session_local::{
    backend::signing::{LOCAL_APP_SECRET, sign},
    emulator::template::Route,
    workspace::workspace,
};
use test_support::{
    contract::CONTRACT,
    pages::{PAGES, blocks, code, of_kind, page, prose},
    repository::{sources, template},
};

const BACKENDS: &str = "docs/backends.md";
const APPS: &str = "docs/apps.md";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The kinds of blocks. Blocks of `account` need an account of one's own, and occur only in README and docs/operations.md. Blocks
/// of `cloud` are run in the local cloud, and those of `tools` by CI and separate scenarios.
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
    "json dead-lettered",
    "json members",
    "json erase",
    "json claims",
    "json session",
    "json LastMessage",
    "json RecallNotice",
    "json RecentSessionChanges",
];

#[test]
fn every_code_block_is_tested() {
    for path in PAGES {
        for block in blocks(&page(path)) {
            assert!(KINDS.contains(&&*block.kind), "{path}: a block of the kind {:?}", block.kind);
            let may_need_an_account = path.starts_with("README") || path == "docs/operations.md";
            assert!(block.kind != "sh account" || may_need_an_account, "{path}: {}", block.text);
        }
    }
}

/// Each command pastes into bash as it is.
#[test]
fn every_shell_block_is_valid_bash() {
    let mut checked = 0;
    for path in PAGES {
        let blocks = blocks(&page(path)).into_iter();
        for block in blocks.filter(|block| block.kind.starts_with("sh") || block.kind == "bash sign") {
            let checked_by_bash = Command::new("bash").args(["-n", "-c", &block.text]).output().unwrap();
            let error = String::from_utf8_lossy(&checked_by_bash.stderr).into_owned();
            assert!(checked_by_bash.status.success() && error.is_empty(), "{path}: {error}{}", block.text);
            // A placeholder in angle brackets would read from a file.
            let placeholders = block.text.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
            let is_name =
                |(name, _): (&str, &str)| !name.is_empty() && name.chars().all(char::is_alphanumeric);
            assert!(!{ placeholders }.any(is_name), "{path}: {}", block.text);
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}

/// Blocks that are run and compared in English then also hold in Chinese.
#[test]
fn both_languages_show_the_same_blocks() {
    for path in PAGES.iter().filter_map(|path| path.strip_suffix(".zh-CN.md")) {
        let (english, chinese) = (page(&format!("{path}.md")), page(&format!("{path}.zh-CN.md")));
        let shown = |page: &str| -> Vec<_> {
            // A diagram in a text block contains words.
            let blocks = blocks(page).into_iter().filter(|block| block.kind != "text");
            // Comments in shell blocks contain words, too.
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
        // The names of routes, fields, parameters and limits must be the same.
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

/// ARCHITECTURE names an invariant's test by its modules and its function, or by its test module.
#[test]
fn invariants_name_tests_that_exist() {
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
        assert!(exists, "ARCHITECTURE.md names {named}, which is not a test");
        tests += 1;
    }
    assert!(tests > 10, "{tests} names of tests");
}

#[test]
fn links_have_targets() {
    let pages = PAGES.iter().copied().chain(["CONTRIBUTING.md", "SECURITY.md", "tests/ministack/README.md"]);
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

#[test]
fn the_readme_stays_short() {
    for path in ["README.md", "README.zh-CN.md"] {
        let lines = page(path).lines().count();
        assert!((90..=130).contains(&lines), "{path} has {lines} lines");
    }
}

#[test]
fn the_changelog_mentions_tables() {
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

/// Returns the anchor that GitHub creates for a heading.
fn anchor(headline: &str) -> String {
    let text = headline.trim_start_matches('#').trim().to_lowercase();
    let letters = text.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    letters.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn responses_match_the_openapi_document() {
    for (kind, schema) in [
        ("json session", "RecentSession"),
        ("json LastMessage", "LastMessage"),
        ("json RecallNotice", "RecallNotice"),
        ("json RecentSessionChanges", "RecentSessionChanges"),
    ] {
        let samples = of_kind(APPS, kind);
        assert!(!samples.is_empty(), "{APPS} has no {kind}");
        for sample in samples {
            CONTRACT.holds(schema, &json(&sample));
        }
    }
    for session in of_kind(APPS, "json session") {
        let last_msg = json(&session)["lastMsg"].take();
        CONTRACT.holds("LastMessage", &json(last_msg.as_str().unwrap()));
    }
    for claims in of_kind(APPS, "json claims") {
        assert_eq!(json(&claims)["sub"], "alice");
    }
}

#[test]
fn the_test_vector_holds() {
    let body = of_kind(BACKENDS, "json vector").concat();
    let (md5, check_sum) = sign(LOCAL_APP_SECRET, body.trim_end(), "1700000000000");
    assert_eq!(of_kind(BACKENDS, "text vector").concat(), format!("MD5: {md5}\nCheckSum: {check_sum}\n"));
    let stated = format!("({} bytes,", body.trim_end().len());
    assert!(page(BACKENDS).contains(&stated), "the page does not contain {stated}");
}

/// The routes that the pages name exist, and the README lists all routes.
#[test]
fn documented_routes_exist() {
    let routes: BTreeSet<_> = template().routes.iter().map(Route::key).collect();
    for path in PAGES {
        for named in code(&page(path)) {
            let method = named.split(' ').next().unwrap_or_default();
            if ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) && named.contains("/v1/") {
                let bare = named.split('?').next().unwrap_or_default().replace("<ApiUrl>", "");
                assert!(routes.contains(&bare), "{path}: there is no route {named}");
            }
        }
    }
    let readme = page("README.md");
    for route in routes {
        assert!(readme.contains(&format!("`{route}`")), "the README has no {route}");
    }
}
