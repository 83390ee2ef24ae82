//! Lists of accounts: `tMembers`, and the accounts that notifications name.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    id::{Account, AccountCase},
    json::{InvalidValue, JsonValue},
};

/// The maximum number of names in a list.
const MAX_NAMES: usize = 1_000;

/// Parses the accounts of a list. The list is a JSON array of strings or numbers, a string with such an array, or the string that
/// Java prints for a list, `[a, b, c]`. Returns `None` if there is only an empty string.
pub(super) fn parse(
    list: JsonValue<'_>,
    case: AccountCase,
) -> Result<Option<BTreeSet<Account>>, InvalidValue> {
    let text = list.string();
    let names = match &text {
        Some(text) if text.trim().is_empty() => return Ok(None),
        Some(text) => names(JsonValue::parse(text).and_then(JsonValue::array)).or_else(|| java_list(text)),
        None => names(list.array()),
    };
    let names = names.ok_or_else(|| InvalidValue::new("must be a list of accounts"))?;
    if names.len() > MAX_NAMES {
        return Err(InvalidValue::new("must be a list of at most 1000 accounts"));
    }
    let accounts = names.iter().map(|name| {
        account(name, case).map_err(|reason| InvalidValue::new(format!("holds an account that {reason}")))
    });
    accounts.collect::<Result<_, _>>().map(Some)
}

fn names(array: Option<Vec<JsonValue<'_>>>) -> Option<Vec<Cow<'_, str>>> {
    array?.into_iter().map(JsonValue::text).collect()
}

fn java_list(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    if inner.is_empty() {
        return Some(Vec::new());
    }
    Some(inner.split(',').map(|name| name.trim().into()).collect())
}

/// Parses an account. Otherwise the punctuation of a list that is neither JSON nor Java's would be read as part of a name.
fn account(name: &str, case: AccountCase) -> Result<Account, InvalidValue> {
    if name.contains(['"', '\'', '[', ']', '{', '}']) {
        return Err(InvalidValue::new("must not hold quotes, brackets or braces"));
    }
    case.account(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn members(value: &Value) -> Result<Option<Vec<String>>, String> {
        let json = value.to_string();
        let accounts = parse(JsonValue::parse(&json).unwrap(), AccountCase::Keep);
        let names = |accounts: BTreeSet<Account>| accounts.iter().map(Account::to_string).collect();
        accounts.map(|accounts| accounts.map(names)).map_err(|reason| reason.to_string())
    }

    #[test]
    fn all_forms_of_a_list_are_equal() {
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
        assert_eq!((members(&json!("")), members(&json!(" "))), (Ok(None), Ok(None)));
    }

    #[test]
    fn numbers_are_accounts_with_every_digit() {
        let expected = Ok(Some(vec!["123".to_owned(), "90071992547409931".to_owned()]));
        for value in [
            json!([123, 90_071_992_547_409_931_u64]),
            json!("[123, 90071992547409931]"),
            json!(r#"["123", 90071992547409931]"#),
        ] {
            assert_eq!(members(&value), expected, "{value}");
        }
        assert_eq!(members(&json!("[007]")), Ok(Some(vec!["007".into()])), "no JSON, so as Java prints it");
    }

    #[test]
    fn a_malformed_list_is_ignored() {
        for value in [
            json!("a, b"),
            json!("[a"),
            json!("[a,,b]"),
            json!("['a', 'b']"),
            json!(r#"["a", null]"#),
            json!(r#"["a" "b"]"#),
            json!("{a, b}"),
            json!("[[a], b]"),
            json!(["a", null]),
            json!([["a"]]),
            json!([{"accid": "a"}]),
            json!([1.5]),
            json!(["a]"]),
            json!({"a": 1}),
            json!(7),
            json!(true),
            json!("[a/b]"),
            json!(["a\u{fffd}"]),
            json!((0..1_001).collect::<Vec<_>>()),
        ] {
            assert!(members(&value).is_err(), "{value}");
        }
        assert!(members(&json!((0..1_000).collect::<Vec<_>>())).is_ok());
    }

    #[test]
    fn member_names_follow_the_account_case() {
        let list = parse(JsonValue::parse(r#""[Bob, BOB]""#).unwrap(), AccountCase::Lower).unwrap().unwrap();
        assert_eq!(list.iter().map(Account::as_str).collect::<Vec<_>>(), ["bob"]);
    }
}
