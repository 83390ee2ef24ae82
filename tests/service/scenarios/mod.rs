//! The scenarios. A new one is written beside its like and listed in its module; a new module is listed here.

mod capacity;
mod commands;
mod deletes;
mod drift;
mod exts;
mod faults;
mod group_capacity;
mod group_faults;
mod group_model;
mod group_paging;
mod groups;
mod identity;
mod input;
mod lists;
mod memberships;
mod merge_rule;
mod messages;
mod paging;
mod policies;
mod readme;
mod recalls;

use crate::test::Scenario;

/// What holds on every engine.
pub(crate) fn on_each_engine() -> Vec<Scenario> {
    [
        messages::SCENARIOS,
        recalls::SCENARIOS,
        deletes::SCENARIOS,
        exts::SCENARIOS,
        groups::SCENARIOS,
        group_capacity::SCENARIOS,
        group_faults::SCENARIOS,
        group_model::SCENARIOS,
        group_paging::SCENARIOS,
        memberships::SCENARIOS,
        lists::SCENARIOS,
        paging::SCENARIOS,
        merge_rule::SCENARIOS,
        capacity::SCENARIOS,
        input::SCENARIOS,
        identity::SCENARIOS,
    ]
    .concat()
}

/// What does not depend on the engine.
pub(crate) fn once() -> Vec<Scenario> {
    [
        faults::SCENARIOS,
        drift::SCENARIOS,
        commands::SCENARIOS,
        readme::SCENARIOS,
        policies::SCENARIOS,
        capacity::EMBEDDED_ONLY,
        group_capacity::EMBEDDED_ONLY,
    ]
    .concat()
}
