//! The permissions of functions.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::values::list;

/// A permission of a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// The action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The resource that the action is allowed on.
    pub resource: String,
    /// The only partition that the action is allowed on; none means any partition.
    pub partition: Option<String>,
}

/// Returns the permissions that a list of policies grants. Fails on a statement that does not allow, and on any condition other
/// than one on the partition.
pub(super) fn allowed(policies: &Value) -> Result<BTreeSet<Allowed>> {
    let mut allowed = BTreeSet::new();
    for statement in list(policies).into_iter().flat_map(|policy| list(&policy["Statement"])) {
        if statement["Effect"] != "Allow" {
            bail!("a statement of a policy does not allow: {statement}");
        }
        let partition = match statement.get("Condition") {
            None => None,
            Some(condition) => {
                let partition = condition.pointer("/ForAllValues:StringEquals/dynamodb:LeadingKeys/0");
                let partition = partition.and_then(Value::as_str).map(str::to_owned);
                Some(
                    partition
                        .ok_or_else(|| anyhow!("a condition of a policy is not understood: {condition}"))?,
                )
            }
        };
        for (action, resource) in list(&statement["Action"]).into_iter().flat_map(|action| {
            list(&statement["Resource"]).into_iter().map(move |resource| (action, resource))
        }) {
            let text = |value: &Value| {
                value.as_str().map(str::to_owned).ok_or_else(|| anyhow!("{value} is not a string"))
            };
            allowed.insert(Allowed {
                action: text(action)?,
                resource: text(resource)?,
                partition: partition.clone(),
            });
        }
    }
    Ok(allowed)
}
