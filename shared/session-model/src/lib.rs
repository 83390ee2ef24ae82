//! The domain of the service, without AWS, HTTP, clock or environment: sessions and their ids, pages of a list, the message copy of
//! the feed, and the merge rule that decides what a session shows.
//!
//! Every type here is created by parsing and is valid once it exists. Nothing does I/O, and times are arguments.

pub mod erasure;
pub mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod group;
pub mod id;
pub mod item;
pub mod json;
pub mod reading;
pub mod register;
pub mod time;

pub use id::{Account, AccountCase, GroupId, MessageId, SessionId};
pub use item::{GroupItem, RecentSession, SessionItem};
pub use time::Timestamp;
