//! Why a value was refused.

use std::borrow::Cow;

/// Why a value is not valid, in words for the caller; does not repeat the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    /// A refusal for this reason, a clause that goes on from the field's name: `must be …`.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// The same refusal with the name of the parameter, field or header that held the value.
    #[must_use]
    pub fn of(self, field: &'static str) -> InvalidField {
        InvalidField { field, reason: self }
    }
}

/// A refused parameter, field or header, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct InvalidField {
    /// The name as the caller wrote it.
    pub field: &'static str,
    /// The reason.
    pub reason: InvalidValue,
}
