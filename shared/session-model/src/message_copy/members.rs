//! `tMembers`: who is in a team.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Account, Fields, InvalidField, InvalidValue};

const NAME: &str = "tMembers";

/// The member list of a copy; none where it carries none. Yunxin prints a Java list as text, `[a, b, c]`, which is not
/// JSON; one of its samples shows a JSON array. Both are read, the array also inside a text.
pub(super) fn parse(fields: &Fields) -> Result<Option<BTreeSet<Account>>, InvalidField> {
    let names: Vec<String> = match fields.value(NAME) {
        None => return Ok(None),
        Some(Value::Array(_)) => fields.texts(NAME)?.into_iter().map(str::to_owned).collect(),
        Some(_) => {
            let text = fields.text(NAME)?;
            match serde_json::from_str(text) {
                Ok(names) => names,
                Err(_) => java_list(text)?.map(str::to_owned).collect(),
            }
        }
    };
    let accounts = names.iter().map(|name| {
        name.parse().map_err(|reason| InvalidValue::new(format!("holds an account that {reason}")).of(NAME))
    });
    accounts.collect::<Result<_, _>>().map(Some)
}

fn java_list(text: &str) -> Result<impl Iterator<Item = &str>, InvalidField> {
    let form = "must be a list of accounts, as [a, b, c] or as a JSON array";
    let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.ok_or_else(|| InvalidValue::new(form).of(NAME))?.trim();
    let empty = inner.is_empty();
    Ok(inner.split(',').map(str::trim).filter(move |_| !empty))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: &Value) -> Result<Option<Vec<String>>, InvalidField> {
        let fields = Fields::parse(json!({ NAME: value }).to_string().as_bytes()).unwrap();
        Ok(parse(&fields)?.map(|accounts| accounts.iter().map(Account::to_string).collect()))
    }

    #[test]
    fn both_forms_and_an_array_inside_a_text_say_the_same() {
        let expected = Ok(Some(vec!["a".to_owned(), "b@c.d".to_owned()]));
        for value in [
            json!("[b@c.d, a]"),
            json!("[a,b@c.d, a]"),
            json!(" [ a , b@c.d ] "),
            json!(r#"["a", "b@c.d"]"#),
            json!(["a", "b@c.d"]),
        ] {
            assert_eq!(members(&value), expected, "{value}");
        }
        for value in [json!("[]"), json!("[ ]"), json!([])] {
            assert_eq!(members(&value), Ok(Some(vec![])), "{value}");
        }
        assert_eq!(members(&Value::Null), Ok(None));
    }

    #[test]
    fn numbers_in_the_java_form_are_accounts() {
        assert_eq!(members(&json!("[12, 7]")), Ok(Some(vec!["12".to_owned(), "7".to_owned()])));
    }

    #[test]
    fn anything_else_is_refused() {
        for value in
            [json!(""), json!("a, b"), json!("[a"), json!("[a,,b]"), json!(7), json!([7]), json!("[a/b]")]
        {
            assert_eq!(members(&value).unwrap_err().field, NAME, "{value}");
        }
    }
}
