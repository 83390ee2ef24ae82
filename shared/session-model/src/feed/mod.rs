//! The feed: what the messaging backend delivers.

mod effect;
mod yunxin;

pub use effect::{Effect, FeedEvent, NotApplied};
pub use yunxin::MessageCopy;
