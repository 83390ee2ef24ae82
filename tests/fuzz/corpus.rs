//! What each crate that has fuzz targets does with the corpus, in `cargo test`.

use std::{fs, path::Path};

use super::TARGETS;

#[test]
fn the_corpus_holds() {
    for (name, target) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(name);
        for input in fs::read_dir(corpus).unwrap() {
            target(&fs::read(input.unwrap().path()).unwrap());
        }
    }
}
