//! Checks that words which the field does not use do not occur in pages, comments, the OpenAPI document, the template and help
//! texts.

use std::{fs, process::Command};

use session_local::workspace::workspace;

/// Each retired word, or the beginning of words (`*`), and its replacement.
const RETIRED: [(&str, &str); 16] = [
    ("refus*", "reject, or condition failed"),
    ("kept copy", "dead letter"),
    ("kept copies", "dead letters"),
    ("keptcop*", "DeadLetters"),
    ("feeddoor", "FeedEndpoint"),
    ("own door", "endpoint"),
    ("private text", "custom data"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("mending", "fixing"),
    ("anew", "again"),
    ("likewise", "the same way"),
    ("passes over", "ignores"),
    ("rings", "fires"),
    ("at-once", "--concurrency"),
];
/// Pronouns that are not used for users.
const PRONOUNS: [&str; 3] = ["he", "him", "his"];

/// Files that list the words or former names, and files by others.
const NOT_READ: [&str; 6] =
    ["tests/tidy/words.rs", "CHANGELOG.md", "LICENSE", "Cargo.lock", "package-lock.json", "requirements.txt"];

/// Returns the retired words of a line, each with its replacement.
fn retired(line: &str) -> Vec<(&'static str, &'static str)> {
    let line = line.to_lowercase().replace("connection refused", "");
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let occurs = |word: &str| {
        let (word, is_beginning) = word.strip_suffix('*').map_or((word, false), |word| (word, true));
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            !before.is_some_and(is_letter) && (is_beginning || !after.is_some_and(is_letter))
        })
    };
    let pronouns = PRONOUNS.map(|word| (word, "they, them, their"));
    RETIRED.into_iter().chain(pronouns).filter(|(word, _)| occurs(word)).collect()
}

#[test]
fn a_planted_word_is_found() {
    for (line, found) in [
        ("The call is refused.", "refus*"),
        ("curl --at-once 8", "at-once"),
        ("Mended by hand", "mended"),
        ("what he did", "he"),
        ("FeedDoor: HttpApi", "feeddoor"),
    ] {
        assert_eq!(retired(line).first().map(|(word, _)| *word), Some(found), "{line}");
    }
    for line in ["Connection refused", "The recommended amendment", "strings", "there, then, this"] {
        assert!(retired(line).is_empty(), "{line}");
    }
}

#[test]
fn no_retired_word_is_used() {
    let mut found = Vec::new();
    let listed = Command::new("git").arg("ls-files").current_dir(workspace()).output().unwrap();
    let paths = String::from_utf8(listed.stdout).unwrap();
    assert!(paths.lines().count() > 100, "git lists the files");
    for path in paths.lines() {
        let is_read = !NOT_READ.iter().any(|name| path.ends_with(name)) && !path.contains("/corpus/");
        // A file that is not text is skipped.
        let Some(text) = fs::read_to_string(workspace().join(path)).ok().filter(|_| is_read) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (word, instead) in retired(line) {
                found.push(format!("{path}:{}: {word}: use {instead}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
