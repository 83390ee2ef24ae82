//! The executable of all fuzz targets. `FUZZ_TARGET` selects one, and tests/fuzz/run builds and runs it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let targets =
        [session_model::fuzz::TARGETS, session_store::fuzz::TARGETS, session_api::fuzz::TARGETS].concat();
    let names: Vec<_> = targets.iter().map(|(name, _)| *name).collect();
    let target = targets.iter().find(|(name, _)| *name == wanted);
    target.unwrap_or_else(|| panic!("FUZZ_TARGET is none of {}", names.join(", "))).1
});

fuzz_target!(|input: &[u8]| TARGET(input));
