//! The `Sessions` table: its keys, its indexes and its attributes. The template declares the same, and a test holds the
//! two together.

/// Partition key, S: the user whose row it is.
pub const USER_ID: &str = "userId";
/// Sort key, S: the session.
pub const SESSION_ID: &str = "sessionId";

/// Local secondary index by [`UPDATE_TIME`], projection ALL. Sparse: a deleted session has no `updateTime`.
pub const BY_UPDATE_TIME: &str = "byUpdateTime";
/// Local secondary index by [`MEMBER_SINCE`], projection ALL. Sparse: only rows of groups the user is a member of.
pub const BY_MEMBERSHIP: &str = "byMembership";

/// N, ms: when the session last changed; absent on a deleted one.
pub const UPDATE_TIME: &str = "updateTime";
/// N, ms: since when the user is a member of the group.
pub const MEMBER_SINCE: &str = "memberSince";
/// N, ms: the time of the newest position the row knows.
pub const MSG_TIME: &str = "msgTime";
/// S: the message id of that position.
pub const MSG_ID: &str = "msgId";
/// S: the last message or recall notice, as JSON text.
pub const LAST_MSG: &str = "lastMsg";
/// N: 0 message, 1 recall notice.
pub const LAST_MSG_TYPE: &str = "lastMsgType";
/// S: the user's private text.
pub const EXT: &str = "ext";
/// N, seconds: when DynamoDB may drop the row (TTL). Only on rows that show nothing and are no membership.
pub const EXPIRES_AT: &str = "expiresAt";

/// How long a deleted session's position stays as a tombstone, in seconds: 30 days.
pub const TOMBSTONE_SECONDS: u64 = 30 * 24 * 60 * 60;
