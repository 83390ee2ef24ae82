//! The tables: keys, indexes and attributes. The template also declares them, and a test checks that both agree.
//!
//! `Sessions` has a session item per user and session, and a marker per erased user; `Groups` has a group item per group, and `DeadLetters` has the signed copies
//! that could not be applied.

use session_model::{Timestamp, reading::SyncToken};

/// Partition key, S: the user whose session item it is.
pub const USER_ID: &str = "userId";
/// Sort key, S: the session.
pub const SESSION_ID: &str = "sessionId";

/// Local secondary index by [`UPDATE_TIME`], projection ALL. Sparse: a deleted session has no `updateTime`.
pub const BY_UPDATE_TIME: &str = "byUpdateTime";
/// Local secondary index by [`CHANGE_TIME`], projection KEYS_ONLY. Sparse: session items that never had a change time are not in
/// it, and a message in the window does not touch it.
pub const BY_CHANGE_TIME: &str = "byChangeTime";
/// Local secondary index by [`MEMBER_SINCE`], projection ALL. Sparse: only session items of groups that the user is a member of.
pub const BY_MEMBERSHIP: &str = "byMembership";

/// N, ms: when the session last changed; absent on a deleted session.
pub const UPDATE_TIME: &str = "updateTime";
/// N, ms: when the session item, or the group item, last changed in a way that its `updateTime` does not show.
pub const CHANGE_TIME: &str = "changeTime";
/// N, ms: since when the user is a member of the group.
pub const MEMBER_SINCE: &str = "memberSince";
/// N, ms: the time of the newest position in the session item.
pub const MSG_TIME: &str = "msgTime";
/// S: the message id of that position, in canonical form.
pub const MSG_ID: &str = "msgId";
/// S: the last message or recall notice, as JSON text.
pub const LAST_MSG: &str = "lastMsg";
/// N: 0 message, 1 recall notice.
pub const LAST_MSG_TYPE: &str = "lastMsgType";
/// N, ms: the time of the newest event about the user's membership.
pub const MEMBER_AT: &str = "memberAt";
/// N: the rank of that event (0 joined, 1 left, 2 named by a whole list).
pub const MEMBER_RANK: &str = "memberRank";
/// S: the user's custom data.
pub const EXT: &str = "ext";
/// S: the amendments, as JSON text. Only on session items of p2p sessions and on group items, and only while there are any.
pub const AMENDMENTS: &str = "amendments";
/// The sort key of the marker of an erased user, which no session has. The marker has [`ERASED_AT`], [`FIRST_AT`] and the
/// [`CHANGE_TIME`] of its `erasedAt`, and expires after 31 days.
pub const ERASED: &str = "/erased";
/// N, ms: when the user was last erased.
pub const ERASED_AT: &str = "erasedAt";
/// N, ms: when the erasure that is under way began.
pub const FIRST_AT: &str = "firstAt";
/// N, seconds: when DynamoDB may delete the item (TTL). Among session items, only those that show nothing and record no membership
/// event have it: a copy from an archive must not make a member of somebody who has left.
pub const EXPIRES_AT: &str = "expiresAt";

/// Partition key of `Groups`, S: the group. A group item stores its newest message in the same attributes as a session item.
pub const GROUP_ID: &str = "groupId";
/// BS: the hash of each member by the newest whole list. If it is absent and there is a `listedAt`, there are no members.
pub const MEMBER_HASHES: &str = "memberHashes";
/// N, ms: the time of the newest whole list.
pub const LISTED_AT: &str = "listedAt";
/// S: the id of what reported that list, which orders lists of one time: the canonical id of a message, or U+007F for the backend.
pub const LIST_ID: &str = "listId";
/// B: the digest of the newest whole list.
pub const LIST_DIGEST: &str = "listDigest";
/// B: equal to `listDigest` while `memberHashes` is exactly that list.
pub const LIST_KEY: &str = "listKey";
/// N: the number of changes of `memberHashes`.
pub const MEMBERS_VERSION: &str = "membersVersion";

/// Partition key of `DeadLetters`, S: the SHA-256 of the body, in hexadecimal digits.
pub const COPY_ID: &str = "copyId";
/// B: the body as received, gzipped.
pub const BODY: &str = "body";
/// S: why it could not be applied.
pub const REASON: &str = "reason";
/// N, ms: when it arrived.
pub const RECEIVED_AT: &str = "receivedAt";

/// The number of days for which a deleted session's position is kept as a tombstone. It is longer than any copy is in transit, and
/// longer than a device stays away.
pub(crate) const TOMBSTONE_DAYS: u64 = 31;
/// A sync token expires before the tombstones that it needs.
const _: () = assert!(TOMBSTONE_DAYS > SyncToken::MAX_AGE_DAYS);
/// The number of days for which a copy is stored.
pub(crate) const DEAD_LETTER_DAYS: u64 = 30;

/// The [`EXPIRES_AT`] of what is kept for this many days from `now`.
pub(crate) fn expires_at(now: Timestamp, days: u64) -> u64 {
    now.as_millis() / 1000 + days * 24 * 60 * 60
}
