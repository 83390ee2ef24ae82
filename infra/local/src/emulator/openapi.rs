//! The OpenAPI document, `infra/openapi.yaml`: all of it, and the part for apps.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::workspace::workspace;

/// The tag of the operations for apps.
const APPS: &str = "apps";

/// Reads the document from the repository.
pub fn read() -> Result<Value> {
    let path = workspace().join("infra/openapi.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_norway::from_str(&text).with_context(|| format!("in {}", path.display()))
}

/// Reduces the document to the operations for apps and the components they use, because generators create code for everything in a
/// document.
#[must_use]
pub fn for_apps(document: &Value) -> Value {
    let mut part = document.clone();
    if let Some(paths) = part["paths"].as_object_mut() {
        for path in paths.values_mut().filter_map(Value::as_object_mut) {
            path.retain(|_, operation| {
                operation["tags"].as_array().is_none_or(|tags| tags.iter().any(|tag| tag == APPS))
            });
        }
        paths.retain(|_, path| {
            path.as_object().is_some_and(|path| path.values().any(|of| of["tags"].is_array()))
        });
    }
    if let Some(tags) = part["tags"].as_array_mut() {
        tags.retain(|tag| tag["name"] == APPS);
    }
    let mut used = BTreeSet::new();
    uses(&part["paths"], document, &mut used);
    if let Some(components) = part["components"].as_object_mut() {
        for (kind, members) in components.iter_mut() {
            if let Some(members) = members.as_object_mut() {
                members.retain(|name, _| used.contains(&format!("#/components/{kind}/{name}")));
            }
        }
    }
    part
}

/// Collects the references in a part of the document, and those of the referenced parts in turn.
fn uses(part: &Value, document: &Value, used: &mut BTreeSet<String>) {
    match part {
        Value::Array(values) => values.iter().for_each(|value| uses(value, document, used)),
        Value::Object(fields) => {
            for reference in references(fields) {
                let pointer = reference.trim_start_matches('#').to_owned();
                if used.insert(reference) {
                    uses(document.pointer(&pointer).unwrap_or(&Value::Null), document, used);
                }
            }
            fields.values().for_each(|value| uses(value, document, used));
        }
        _ => {}
    }
}

fn references(fields: &Map<String, Value>) -> Vec<String> {
    let named = fields.get("$ref").and_then(Value::as_str).map(str::to_owned);
    let schemes = fields.get("security").and_then(Value::as_array).into_iter().flatten();
    let schemes = schemes.filter_map(Value::as_object).flat_map(Map::keys);
    named.into_iter().chain(schemes.map(|name| format!("#/components/securitySchemes/{name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_document_has_what_it_refers_to_and_nothing_else() {
        let whole = read().unwrap();
        let part = for_apps(&whole);
        let paths: Vec<_> = part["paths"].as_object().unwrap().keys().collect();
        assert_eq!(
            paths,
            ["/v1/sessions", "/v1/sessions/batch-delete", "/v1/sessions/changes", "/v1/sessions/{sessionId}"]
        );
        assert!(part["paths"]["/v1/sessions/{sessionId}"]["parameters"].is_array());
        let names = |kind: &str| -> Vec<_> { part["components"][kind].as_object().unwrap().keys().collect() };
        assert_eq!(names("securitySchemes"), ["bearer"]);
        let schemas = names("schemas");
        for needed in ["RecentSession", "Error", "SessionId", "Time"] {
            assert!(schemas.iter().any(|name| *name == needed), "{needed}");
        }
        assert!(!schemas.iter().any(|name| *name == "MessageCopy" || *name == "MemberList"));
        let mut used = BTreeSet::new();
        uses(&part["paths"], &part, &mut used);
        for reference in used {
            assert!(part.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
}
