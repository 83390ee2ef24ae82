//! Ids: accounts, sessions, groups and messages.

pub(crate) mod account;
mod account_case;
mod group;
mod message;
mod session;

pub use account::Account;
pub use account_case::AccountCase;
pub use group::{GroupId, MemberHash};
pub use message::MessageId;
pub use session::{SessionId, SessionType};
