//! Why a value was rejected.

use std::borrow::Cow;

/// Why a value is not valid, in words for the caller; does not repeat the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    /// A rejection for this reason, a clause that goes on from the field's name: `must be …`.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// Names the parameter, of path or query, that held the value.
    #[must_use]
    pub fn of(self, field: impl Into<Cow<'static, str>>) -> InvalidField {
        InvalidField { field: field.into(), reason: self, place: Place::Parameter }
    }

    /// Names the field of the body that held the value, or `body`.
    #[must_use]
    pub fn in_body(self, field: &'static str) -> InvalidField {
        InvalidField { place: Place::Body, ..self.of(field) }
    }
}

/// A rejected parameter or field, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct InvalidField {
    /// The name as the caller wrote it.
    pub field: Cow<'static, str>,
    /// Why the value is invalid.
    pub reason: InvalidValue,
    /// Where it stood.
    pub place: Place,
}

/// Where a rejected value stood, as far as a program may do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path or the query.
    Parameter,
    /// In the body.
    Body,
    /// A cursor of another pull than the one that the bounds beside it tell.
    AnotherList,
}
