//! How items are stored: names, attributes, and responses that are parsed in place.

pub(crate) mod item;
pub(crate) mod raw_item;
pub(crate) mod response;
pub mod schema;
