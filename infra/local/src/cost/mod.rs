//! The cost of a million requests of each operation: capacity units, response bytes and logged bytes, counted on the embedded
//! engine and multiplied by a price table.

pub mod meter;
pub mod month;
pub mod prices;
