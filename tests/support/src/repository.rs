//! The repository's own files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use session_local::{emulator::template::Template, workspace::workspace};

/// The template, parsed.
pub fn template() -> Template {
    Template::of_the_repository().expect("the template is understood")
}

/// The Rust sources below a folder of the workspace.
pub fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&workspace().join(folder), &mut found);
    found
}
