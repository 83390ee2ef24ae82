//! The feed: what the messaging backend delivers.

mod effect;
mod settings;
mod yunxin;

pub use effect::{Effect, FeedEvent, NotApplied};
pub use settings::FeedSettings;
pub use yunxin::MessageCopy;
