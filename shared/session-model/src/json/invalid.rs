//! The reasons why values are rejected.

use std::borrow::Cow;

/// The reason why a value is not valid, in words for the caller. It does not repeat the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    /// Creates a rejection for this reason, a clause that continues the field's name: `must be …`.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// Names the path or query parameter that contained the value.
    #[must_use]
    pub fn of(self, field: impl Into<Cow<'static, str>>) -> InvalidField {
        InvalidField { field: field.into(), reason: self, place: Place::Parameter }
    }

    /// Names the body field that contained the value, or `body`.
    #[must_use]
    pub fn in_body(self, field: &'static str) -> InvalidField {
        InvalidField { place: Place::Body, ..self.of(field) }
    }
}

/// A rejected parameter or field, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct InvalidField {
    /// The name as the caller wrote it.
    pub field: Cow<'static, str>,
    /// The reason why the value is not valid.
    pub reason: InvalidValue,
    /// Where the value was.
    pub place: Place,
}

/// Where a rejected value was, as far as a program can react to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path or the query.
    Parameter,
    /// In the body.
    Body,
    /// In a cursor that belongs to a list with other bounds than those given along with it.
    AnotherList,
}
