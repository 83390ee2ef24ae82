//! A lenient JSON reader: unread fields are not checked, and every rejection names its field.

mod fields;
mod invalid;
mod number;
pub(crate) mod object;
pub(crate) mod text;

pub use fields::Fields;
pub use invalid::{InvalidField, InvalidValue, Place};
pub(crate) use number::is_digits;
pub use object::{JsonObject, JsonValue};
pub use text::JsonText;
pub(crate) use text::json_len;
