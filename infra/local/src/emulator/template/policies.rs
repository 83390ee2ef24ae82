//! The permissions of functions.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::values::list;

/// The value of `dynamodb:Select` for a read that names its attributes.
const SPECIFIC: &str = "SPECIFIC_ATTRIBUTES";

/// A permission of a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// The action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The resource that the action is allowed on.
    pub resource: String,
    /// The only partition that the action is allowed on; none means any partition.
    pub partition: Option<String>,
    /// The only attributes that the action may read, in the order of their names; none means all attributes.
    pub attributes: Option<Vec<String>>,
}

/// Returns the permissions that the inline policies of a role grant. Fails on a statement that does not allow, and on any condition other
/// than one on the partition or on the attributes.
pub(super) fn allowed(policies: &Value) -> Result<BTreeSet<Allowed>> {
    let mut allowed = BTreeSet::new();
    for statement in
        list(policies).into_iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
    {
        if statement["Effect"] != "Allow" {
            bail!("a statement of a policy does not allow: {statement}");
        }
        let (mut partition, mut attributes) = (None, None);
        if let Some(condition) = statement.get("Condition") {
            let of = |name: &str| condition.pointer(&format!("/ForAllValues:StringEquals/dynamodb:{name}"));
            partition = of("LeadingKeys").and_then(|keys| keys[0].as_str()).map(str::to_owned);
            // Without this, an action that names no attributes reads all of them.
            let is_specific =
                condition.pointer("/StringEqualsIfExists/dynamodb:Select") == Some(&SPECIFIC.into());
            attributes = of("Attributes").filter(|_| is_specific).map(|names| {
                let mut names: Vec<_> =
                    list(names).into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
                names.sort();
                names
            });
            if partition.is_some() == attributes.is_some() {
                bail!("a condition of a policy is not understood: {condition}");
            }
        }
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
                attributes: attributes.clone(),
            });
        }
    }
    Ok(allowed)
}

/// Removes the permissions to write a log group. Fails if they are not all there.
pub(super) fn take_logging(allowed: &mut BTreeSet<Allowed>, log_group: &str) -> Result<()> {
    for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
        let logging = Allowed {
            action: action.to_owned(),
            resource: format!("{log_group}.Arn"),
            partition: None,
            attributes: None,
        };
        if !allowed.remove(&logging) {
            bail!("no permission of {action} on {log_group}");
        }
    }
    Ok(())
}
