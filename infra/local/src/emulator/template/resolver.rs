//! The intrinsic functions of CloudFormation that the template uses.

use std::collections::HashMap;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

use super::values::{object, scalar_text};

/// The values of references and conditions.
pub(super) struct Resolver<'a> {
    names: HashMap<String, String>,
    conditions: &'a Value,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(template: &'a Value, given: &HashMap<&str, String>) -> Result<Self> {
        let mut names = HashMap::from([
            ("AWS::Region".to_owned(), "us-east-1".to_owned()),
            ("AWS::AccountId".to_owned(), "123456789012".to_owned()),
            ("AWS::Partition".to_owned(), "aws".to_owned()),
            ("AWS::URLSuffix".to_owned(), "amazonaws.com".to_owned()),
            ("AWS::StackName".to_owned(), "local".to_owned()),
        ]);
        // Locally, a resource's name is its logical id.
        names.extend(object(template, "Resources")?.keys().map(|id| (id.clone(), id.clone())));
        for (name, parameter) in object(template, "Parameters")? {
            let value = given.get(name.as_str()).cloned().or_else(|| scalar_text(&parameter["Default"]));
            let value = value.ok_or_else(|| anyhow!("parameter {name} has no default and must be given"))?;
            names.insert(name.clone(), value);
        }
        Ok(Self { names, conditions: &template["Conditions"] })
    }

    fn name(&self, name: &str) -> Result<&str> {
        self.names
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| anyhow!("{name} is neither parameter nor resource"))
    }

    /// Resolves all intrinsic functions in a value. A property or list element that is `!Ref AWS::NoValue` is left out.
    pub(super) fn resolve(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::Array(values) => {
                let resolved = values.iter().map(|value| self.resolve(value));
                let resolved = resolved.collect::<Result<Vec<_>>>()?;
                resolved.into_iter().filter(|value| !is_no_value(value)).collect()
            }
            Value::Object(fields) => match fields.iter().next() {
                Some((function, argument)) if fields.len() == 1 && is_intrinsic(function) => {
                    self.intrinsic(function, argument)?
                }
                _ => {
                    let resolved =
                        fields.iter().map(|(name, value)| Ok((name.clone(), self.resolve(value)?)));
                    let resolved = resolved.collect::<Result<Vec<_>>>()?;
                    resolved.into_iter().filter(|(_, value)| !is_no_value(value)).collect()
                }
            },
            scalar => scalar.clone(),
        })
    }

    fn intrinsic(&self, function: &str, argument: &Value) -> Result<Value> {
        let text = || argument.as_str().ok_or_else(|| anyhow!("{function} is supported with a string only"));
        Ok(match function {
            "Ref" if argument == NO_VALUE => json!({ "Ref": NO_VALUE }),
            "Ref" => self.name(text()?)?.into(),
            "Fn::GetAtt" => {
                let resource = text()?.split('.').next().unwrap_or_default();
                self.name(resource).map(|_| argument.clone())?
            }
            "Fn::Sub" => self.substitute(text()?)?.into(),
            "Fn::If" => {
                let chosen = if self.condition(&argument[0])? { &argument[1] } else { &argument[2] };
                self.resolve(chosen)?
            }
            _ => bail!("{function} is not understood"),
        })
    }

    /// Whether a resource is created, which may depend on a condition.
    pub(super) fn is_created(&self, resource: &Value) -> Result<bool> {
        resource.get("Condition").map_or(Ok(true), |condition| self.condition(condition))
    }

    /// Whether a condition holds. It is given by its name or as an expression.
    fn condition(&self, condition: &Value) -> Result<bool> {
        if let Some(name) = condition.as_str() {
            let named = self.conditions.get(name).ok_or_else(|| anyhow!("{name} is not a condition"))?;
            return self.condition(named);
        }
        if let Some(negated) = condition.get("Fn::Not") {
            return self.condition(&negated[0]).map(|holds| !holds);
        }
        let Some(compared) = condition.get("Fn::Equals") else { bail!("{condition} is not understood") };
        Ok(scalar_text(&self.resolve(&compared[0])?) == scalar_text(&self.resolve(&compared[1])?))
    }

    fn substitute(&self, text: &str) -> Result<String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or_else(|| anyhow!("unclosed ${{ in {text}"))?;
            result.push_str(before);
            match name.split_once('.') {
                Some((resource, _)) => result.push_str(self.name(resource).map(|_| name)?),
                None => result.push_str(self.name(name)?),
            }
            rest = behind;
        }
        result.push_str(rest);
        Ok(result)
    }
}

/// The name that stands for an absent property.
const NO_VALUE: &str = "AWS::NoValue";

fn is_no_value(value: &Value) -> bool {
    value["Ref"] == NO_VALUE
}

fn is_intrinsic(name: &str) -> bool {
    name == "Ref" || name.starts_with("Fn::")
}

/// Converts YAML with short tags (`!Ref X`) to JSON with long names (`{"Ref": "X"}`).
pub(super) fn long_form(yaml: Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => flag.into(),
        Yaml::Number(number) => serde_json::to_value(number)?,
        Yaml::String(text) => text.into(),
        Yaml::Sequence(values) => values.into_iter().map(long_form).collect::<Result<_>>()?,
        Yaml::Mapping(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                let name = name.as_str().ok_or_else(|| anyhow!("a key is not a string"))?.to_owned();
                object.insert(name, long_form(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let short = tag.trim_start_matches('!');
            let name = if short == "Ref" { short.to_owned() } else { format!("Fn::{short}") };
            json!({ name: long_form(tagged.value)? })
        }
    })
}
