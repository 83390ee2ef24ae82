//! The feed: what the messaging backend delivers.

mod yunxin;

pub use yunxin::{Effect, FeedEvent, MessageCopy, NotApplied};
