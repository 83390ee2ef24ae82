//! What operators set for the feed.

use crate::{id::AccountCase, register::LastMsgBytes};

/// How events are read. Like the events themselves, the settings determine what sessions show, so changing them affects only what
/// comes afterwards.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedSettings {
    /// Whether accounts are converted to lower case.
    pub account_case: AccountCase,
    /// The limits of what sessions show.
    pub last_msg_bytes: LastMsgBytes,
}
