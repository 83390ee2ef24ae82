//! Message ids, in the form in which they are compared.

use std::fmt;

use crate::json::is_digits;

/// A message's server id in canonical form. Of two messages in one millisecond, the one with the greater id is the newer one.
///
/// Yunxin's ids are decimal numbers without a fixed length. Compared as received, `"999999999"` would be above `"1000000000"`. The
/// forms, which are compared bytewise:
///
/// - a number of at most 20 digits: the digits without leading zeros, padded with zeros to 20;
/// - the number 0, which Yunxin gives to messages that it does not store: 20 zeros and the client's id, which distinguishes such
///   messages;
/// - any other text, including longer numbers: `~` and the text as received.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

/// The number of digits of the greatest 64-bit number.
const DIGITS: usize = 20;

impl MessageId {
    /// An id below that of any message.
    pub const NONE: Self = Self(String::new());

    /// Creates the canonical form of the ids that the server and the client gave to a message.
    #[must_use]
    pub fn new(server_id: &str, client_id: &str) -> Self {
        if !is_digits(server_id) {
            return Self(format!("~{server_id}"));
        }
        match server_id.trim_start_matches('0') {
            "" => Self(format!("{:0>DIGITS$}{client_id}", "")),
            digits if digits.len() <= DIGITS => Self(format!("{digits:0>DIGITS$}")),
            _ => Self(format!("~{server_id}")),
        }
    }

    /// Creates the id from its canonical form.
    #[must_use]
    pub fn from_canonical(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Creates the id from a number without leading zeros. Returns `None` if the text is not such a number, or too long for one.
    pub(crate) fn from_number(digits: &str) -> Option<Self> {
        let is_plain =
            is_digits(digits) && digits.len() <= DIGITS && (digits == "0" || !digits.starts_with('0'));
        is_plain.then(|| Self(format!("{digits:0>DIGITS$}")))
    }

    /// The number without leading zeros, if this is the form of a number alone.
    pub(crate) fn number(&self) -> Option<&str> {
        let is_number = self.0.len() == DIGITS && is_digits(&self.0);
        let digits = self.0.trim_start_matches('0');
        is_number.then_some(if digits.is_empty() { "0" } else { digits })
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Creates the id from the server's id alone.
impl From<&str> for MessageId {
    fn from(server_id: &str) -> Self {
        Self::new(server_id, "")
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_id_has_its_form() {
        for (server_id, client_id, expected) in [
            ("7", "c", "00000000000000000007"),
            ("007", "c", "00000000000000000007"),
            ("18446744073709551615", "c", "18446744073709551615"),
            ("0018446744073709551615", "c", "18446744073709551615"),
            ("184467440737095516150", "c", "~184467440737095516150"),
            ("0", "c-1", "00000000000000000000c-1"),
            ("000", "c-1", "00000000000000000000c-1"),
            ("0", "", "00000000000000000000"),
            ("m1", "c", "~m1"),
            ("-1", "c", "~-1"),
            ("٣", "c", "~٣"),
        ] {
            assert_eq!(MessageId::new(server_id, client_id).as_str(), expected, "{server_id}");
        }
    }

    #[test]
    fn a_message_outside_history_is_older_than_any_other() {
        let nowhere = MessageId::new("0", "zzz");
        assert!(MessageId::NONE < nowhere && nowhere < "1".into() && MessageId::from("1") < "m".into());
        assert_ne!(nowhere, MessageId::new("0", "zzy"));
    }

    proptest! {
        #[test]
        fn numbers_are_ordered_as_numbers(
            a in any::<u64>(), b in any::<u64>(), zeros in 0..5usize, shift in 0..64u32
        ) {
            let b = b >> shift;
            let id = |number: u64| MessageId::from(&*format!("{}{number}", "0".repeat(zeros)));
            prop_assume!(a != 0 && b != 0);
            prop_assert_eq!(id(a).cmp(&id(b)), a.cmp(&b));
            prop_assert_eq!(&id(a), &MessageId::from(&*a.to_string()), "leading zeros are ignored");
        }

        #[test]
        fn different_ids_stay_different(a in "[0-9]{1,24}|[a-z0-9-]{1,8}", b in "[0-9]{1,24}|[a-z0-9-]{1,8}", client_id in "[a-z]{0,4}") {
            let same_number = is_digits(&a) && is_digits(&b) && a.trim_start_matches('0') == b.trim_start_matches('0');
            let (first, second) = (MessageId::new(&a, &client_id), MessageId::new(&b, &client_id));
            // Numbers that are too long to be padded are compared as text.
            let long = a.trim_start_matches('0').len() > DIGITS;
            prop_assert_eq!(first == second, a == b || (same_number && !long));
        }
    }
}
