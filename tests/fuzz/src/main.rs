//! The executable of all fuzz targets. `FUZZ_TARGET` selects one, and tests/fuzz/run builds and runs it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use session_api::{Operation, testing};
use session_model::Timestamp;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let of_functions: &[(&str, fn(&[u8]))] = &[("requests", requests)];
    let targets = [
        session_model::fuzz::TARGETS,
        session_store::fuzz::TARGETS,
        session_api::fuzz::TARGETS,
        of_functions,
    ]
    .concat();
    let names: Vec<_> = targets.iter().map(|(name, _)| *name).collect();
    let target = targets.iter().find(|(name, _)| *name == wanted);
    target.unwrap_or_else(|| panic!("FUZZ_TARGET is none of {}", names.join(", "))).1
});

/// No request leads to a 5xx while a function parses it.
fn requests(input: &[u8]) {
    fn parse<O: Operation>(event: &str) {
        const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
        let parsed = testing::parse(&testing::operation::<O>(), event, NOW);
        let is_fault = |status| status >= 500 && status != 503;
        assert!(!parsed.is_err_and(|problem| is_fault(problem.status())));
    }
    let Ok(event) = std::str::from_utf8(input) else { return };
    parse::<delete_my_session::DeleteMySession>(event);
    parse::<erase_user::EraseUser>(event);
    parse::<query_my_session::QueryMySession>(event);
    parse::<query_my_session_changes::QueryMySessionChanges>(event);
    parse::<query_my_session_list::QueryMySessionList>(event);
    parse::<record_message::RecordMessage>(event);
    parse::<update_group_members::UpdateGroupMembers>(event);
    parse::<update_my_session::UpdateMySession>(event);
}

fuzz_target!(|input: &[u8]| TARGET(input));
