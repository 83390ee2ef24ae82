//! Runs the inputs of `tests/fuzz/corpus` in `cargo test`.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{fs, path::Path};

/// A fuzz target: its name, and the function that reads an input.
pub type Target = (&'static str, fn(&[u8]));

/// Runs each fuzz target of a crate with each of its inputs.
pub fn run(targets: &[Target]) {
    for (name, target) in targets {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        for input in fs::read_dir(corpus).unwrap() {
            target(&fs::read(input.unwrap().path()).unwrap());
        }
    }
}
