//! Whole numbers in JSON.

use std::borrow::Cow;

/// The maximum number of digits of a whole number that is written with an exponent.
const MAX_DIGITS: usize = 40;

/// The digits of a number that is whole and not negative, however it is written: `17`, `17.0` and `1.7e1` are the same number. Some
/// languages write all numbers with a fraction. No digit is lost, however many there are. Returns `None` for any other JSON value.
pub(crate) fn whole_number(json: &str) -> Option<Cow<'_, str>> {
    // Most values are strings.
    if !json.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        return None;
    }
    if is_digits(json) {
        return Some(json.into());
    }
    let (is_negative, number) = json.strip_prefix('-').map_or((false, json), |rest| (true, rest));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !is_digits(whole) || !(fraction.is_empty() || is_digits(fraction)) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".into());
    }
    // How many digits there are before the point, once the exponent has moved it.
    let exponent: isize = exponent.parse().ok()?;
    let length = exponent.checked_add_unsigned(digits.len())?.checked_sub_unsigned(fraction.len())?;
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_DIGITS.max(digits.len()))?;
    let (before, behind) = digits.split_at(length.min(digits.len()));
    let is_whole = behind.bytes().all(|digit| digit == b'0');
    (is_whole && !before.is_empty() && !is_negative).then(|| format!("{before:0<length$}").into())
}

pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_whole_number_is_the_same_however_it_is_written() {
        for (json, digits) in [
            ("17", "17"),
            ("17.0", "17"),
            ("1.7e1", "17"),
            ("170E-1", "17"),
            ("0.17e+2", "17"),
            ("1764000000001.0", "1764000000001"),
            ("1.764e12", "1764000000000"),
            ("9007199254740993.0", "9007199254740993"),
            ("18446744073709551615.00", "18446744073709551615"),
            ("0", "0"),
            ("0.0", "0"),
            ("-0.0", "0"),
            ("0e999", "0"),
        ] {
            assert_eq!(whole_number(json).as_deref(), Some(digits), "{json}");
        }
        for other in [
            "-1",
            "-1.0",
            "1.5",
            "0.1",
            "1e-1",
            "1e300",
            "1e99999999999999999999",
            "true",
            "null",
            "\"1\"",
            "[1]",
            "{}",
            "",
        ] {
            assert_eq!(whole_number(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn doubles_are_read_as_they_are(number in 0..1u64 << 53) {
            #[expect(clippy::cast_precision_loss, reason = "doubles represent these exactly")]
            let double = number as f64;
            let digits = number.to_string();
            for json in [format!("{double:?}"), format!("{double:e}"), format!("{double:.3}")] {
                let read = whole_number(&json);
                prop_assert_eq!(read.as_deref(), Some(&*digits), "{}", json);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "-?[0-9.eE+-]{0,30}") {
            if let Some(digits) = whole_number(&text) {
                prop_assert!(is_digits(&digits));
            }
        }
    }
}
