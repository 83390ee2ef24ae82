//! The tables: keys, indexes and attributes. The template declares the same, and a test holds the two together.
//!
//! `Sessions` holds a session item per user and session, `Groups` one item per group, its group item, `DeadLetters` the signed copies that could
//! not be taken.

use session_model::{Timestamp, reading::SyncToken};

/// Partition key, S: the user whose session item it is.
pub const USER_ID: &str = "userId";
/// Sort key, S: the session.
pub const SESSION_ID: &str = "sessionId";

/// Local secondary index by [`UPDATE_TIME`], projection ALL. Sparse: a deleted session has no `updateTime`.
pub const BY_UPDATE_TIME: &str = "byUpdateTime";
/// Local secondary index by [`CHANGE_TIME`], projection KEYS_ONLY. Sparse: session items that were never stamped are not in it, and a message on time
/// does not touch it.
pub const BY_CHANGE_TIME: &str = "byChangeTime";
/// Local secondary index by [`MEMBER_SINCE`], projection ALL. Sparse: only session items of groups the user is a member of.
pub const BY_MEMBERSHIP: &str = "byMembership";

/// N, ms: when the session last changed; absent on a deleted one.
pub const UPDATE_TIME: &str = "updateTime";
/// N, ms: when the session item, or the group item, last changed in a way that its `updateTime` does not show.
pub const CHANGE_TIME: &str = "changeTime";
/// N, ms: since when the user is a member of the group.
pub const MEMBER_SINCE: &str = "memberSince";
/// N, ms: the time of the newest position the session item knows.
pub const MSG_TIME: &str = "msgTime";
/// S: the message id of that position, in canonical form.
pub const MSG_ID: &str = "msgId";
/// S: the last message or recall notice, as JSON text.
pub const LAST_MSG: &str = "lastMsg";
/// N: 0 message, 1 recall notice.
pub const LAST_MSG_TYPE: &str = "lastMsgType";
/// N, ms: the time of the newest event that spoke of the user's membership.
pub const MEMBER_AT: &str = "memberAt";
/// N: its rank: 0 joined, 1 left, 2 named by a whole list.
pub const MEMBER_RANK: &str = "memberRank";
/// S: the user's custom data.
pub const EXT: &str = "ext";
/// S: what is known of edits, as JSON text. Only on session items of p2p sessions and on group items, and only while there are any.
pub const EDITS: &str = "edits";
/// N, seconds: when DynamoDB may drop the item (TTL). Of session items only those that show nothing and know of no membership event: a
/// copy from an archive must not make a member of who has left.
pub const EXPIRES_AT: &str = "expiresAt";

/// Partition key of `Groups`, S: the group. A group item holds its newest message in the attributes that session items have for theirs.
pub const GROUP_ID: &str = "groupId";
/// BS: what stands for each member by the newest whole list; absent beside a `listedAt` means nobody.
pub const MEMBER_HASHES: &str = "memberHashes";
/// N, ms: the time of the newest whole list.
pub const LISTED_AT: &str = "listedAt";
/// B: the digest of the newest whole list.
pub const LIST_DIGEST: &str = "listDigest";
/// B: the same, while `memberHashes` is exactly that list.
pub const LIST_KEY: &str = "listKey";
/// N: counts the changes of `memberHashes`.
pub const MEMBERS_VERSION: &str = "membersVersion";

/// Partition key of `DeadLetters`, S: the SHA-256 of the body, in hexadecimal digits.
pub const COPY_ID: &str = "copyId";
/// B: the body as it came, gzipped.
pub const BODY: &str = "body";
/// S: why it could not be taken.
pub const REASON: &str = "reason";
/// N, ms: when it came.
pub const RECEIVED_AT: &str = "receivedAt";

/// How long a deleted session's position stays as a tombstone: longer than any copy is on its way, and than a device stays away.
pub(crate) const TOMBSTONE_DAYS: u64 = 31;
/// A sync token never meets a tombstone that is gone.
const _: () = assert!(TOMBSTONE_DAYS > SyncToken::MAX_AGE_DAYS);
/// How long a copy is kept.
pub(crate) const DEAD_LETTER_DAYS: u64 = 30;

/// The [`EXPIRES_AT`] of what is kept for so many days from `now` on.
pub(crate) fn expires_at(now: Timestamp, days: u64) -> u64 {
    now.as_millis() / 1000 + days * 24 * 60 * 60
}
