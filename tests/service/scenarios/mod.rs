//! The scenarios. A new one is added next to similar ones and listed in its module. A new module is listed here.

mod alarms;
mod bad_items;
mod capacity;
mod cargo_lambda;
mod changes;
mod changes_capacity;
mod changes_in_depth;
mod commands;
mod configuration;
mod contract;
mod deletes;
mod deployed;
mod docs;
mod drift;
mod edits;
mod erasure;
mod exts;
mod fault_matrix;
mod faults;
mod feed;
mod feed_faults;
mod group_capacity;
mod group_faults;
mod group_model;
mod group_paging;
mod group_reference;
mod groups;
mod http;
mod identity;
mod input;
mod largest_items;
mod lists;
mod long_erasure;
mod memberships;
mod merge_rule;
mod messages;
mod paging;
mod policies;
mod recalls;
mod replay;
mod samples;
mod store_histories;
mod time_travel;
mod traces;

use test_support::test::Scenario;

/// Returns the scenarios that hold wherever the service runs.
fn everywhere() -> Vec<Scenario> {
    [
        messages::SCENARIOS,
        samples::SCENARIOS,
        recalls::SCENARIOS,
        edits::SCENARIOS,
        changes::SCENARIOS,
        changes_in_depth::SCENARIOS,
        feed::SCENARIOS,
        deletes::SCENARIOS,
        exts::SCENARIOS,
        groups::SCENARIOS,
        group_model::SCENARIOS,
        group_paging::SCENARIOS,
        memberships::SCENARIOS,
        erasure::SCENARIOS,
        lists::SCENARIOS,
        paging::SCENARIOS,
        merge_rule::SCENARIOS,
        input::SCENARIOS,
        identity::SCENARIOS,
        http::SCENARIOS,
    ]
    .concat()
}

/// Returns the scenarios that hold on every engine. Some of them read the functions' log lines, put a proxy between a function and
/// the engine, or need a gateway that is exact where the deployed one is not.
pub(crate) fn on_each_engine() -> Vec<Scenario> {
    [
        &everywhere()[..],
        messages::LOCAL_ONLY,
        recalls::LOCAL_ONLY,
        bad_items::LOCAL_ONLY,
        edits::LOCAL_ONLY,
        changes_capacity::LOCAL_ONLY,
        changes_in_depth::LOCAL_ONLY,
        feed::LOCAL_ONLY,
        feed_faults::LOCAL_ONLY,
        groups::LOCAL_ONLY,
        group_capacity::LOCAL_ONLY,
        group_faults::LOCAL_ONLY,
        changes::LOCAL_ONLY,
        erasure::LOCAL_ONLY,
        paging::LOCAL_ONLY,
        long_erasure::LOCAL_ONLY,
        group_paging::LOCAL_ONLY,
        capacity::LOCAL_ONLY,
        identity::LOCAL_ONLY,
        input::LOCAL_ONLY,
        http::LOCAL_ONLY,
    ]
    .concat()
}

/// Returns the scenarios that do not depend on the engine.
pub(crate) fn once() -> Vec<Scenario> {
    [
        faults::SCENARIOS,
        fault_matrix::SCENARIOS,
        configuration::SCENARIOS,
        drift::SCENARIOS,
        alarms::SCENARIOS,
        contract::ONCE,
        commands::SCENARIOS,
        &docs::scenarios(),
        policies::SCENARIOS,
        replay::SCENARIOS,
        time_travel::SCENARIOS,
        traces::SCENARIOS,
        store_histories::SCENARIOS,
        capacity::EMBEDDED_ONLY,
        changes_capacity::EMBEDDED_ONLY,
        changes::ONCE,
        group_capacity::EMBEDDED_ONLY,
        changes::EMBEDDED_ONLY,
        erasure::EMBEDDED_ONLY,
        largest_items::EMBEDDED_ONLY,
        long_erasure::EMBEDDED_ONLY,
    ]
    .concat()
}

/// Returns the scenarios of the deployed template and of the tools around it.
pub(crate) fn deployed() -> Vec<Scenario> {
    [&everywhere()[..], deployed::SCENARIOS, alarms::DEPLOYED, cargo_lambda::SCENARIOS].concat()
}
