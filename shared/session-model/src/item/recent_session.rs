//! Sessions as apps see them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    id::SessionId,
    json::{JsonText, text::json_len},
    reading::{Cursor, SyncToken},
    time::Timestamp,
};

/// What a session's last message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastMsgType {
    /// 0: a message.
    Message,
    /// 1: the notice that the newest message was recalled.
    Recall,
}

impl LastMsgType {
    /// The number that stands for it in answers and items.
    #[must_use]
    pub fn as_number(self) -> u8 {
        match self {
            Self::Message => 0,
            Self::Recall => 1,
        }
    }

    /// The type that the number stands for.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Message),
            1 => Some(Self::Recall),
            _ => None,
        }
    }
}

impl Serialize for LastMsgType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.as_number())
    }
}

impl<'de> Deserialize<'de> for LastMsgType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_number(u64::deserialize(deserializer)?).ok_or_else(|| de::Error::custom("must be 0 or 1"))
    }
}

/// One conversation of a user (Yunxin: `RecentSession`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentSession {
    /// Which conversation.
    pub session_id: SessionId,
    /// When it last changed; lists are sorted by it, newest first.
    pub update_time: Timestamp,
    /// The user's custom data; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<String>,
    /// The newest message or a recall notice, itself JSON text; absent when there is none or it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_msg: Option<JsonText>,
    /// What the last message is; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_msg_type: Option<LastMsgType>,
}

impl RecentSession {
    /// The length of the session's JSON text in bytes, but for its fixed parts: at most 120 bytes less than the whole.
    #[must_use]
    pub fn text_len(&self) -> usize {
        let texts = [Some(self.session_id.as_str()), self.ext.as_deref()];
        let last_msg = self.last_msg.as_ref().map_or(0, JsonText::json_len);
        texts.into_iter().flatten().map(json_len).sum::<usize>() + last_msg
    }
}

/// One page of a user's list (Yunxin: `RecentSessionList`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentSessionList {
    /// Whether an older session lies inside the window.
    pub has_more: bool,
    /// The sessions, newest first.
    pub session_list: Vec<RecentSession>,
    /// Where the next page starts; present iff `has_more`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
    /// The `minTimestamp` of the next incremental pull; present on the first page of a pull that has no upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_timestamp: Option<Timestamp>,
    /// Where changes go on from here; present on the first page of a pull without bounds.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    pub sync_token: Option<SyncToken>,
}

/// What has changed in a user's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentSessionChanges {
    /// Sessions as they are now.
    pub updated: Vec<RecentSession>,
    /// Sessions that there are no more, also some that the device never had.
    pub deleted: Vec<SessionId>,
    /// Whether there is more to tell at once.
    pub has_more: bool,
    /// Where the next call goes on.
    pub sync_token: SyncToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> RecentSession {
        RecentSession {
            session_id: "p2p|alice".parse().unwrap(),
            update_time: Timestamp::from_millis(1_700_000_000_000),
            ext: None,
            last_msg: None,
            last_msg_type: None,
        }
    }

    #[test]
    fn absent_fields_are_left_out() {
        let text = serde_json::to_string(&session()).unwrap();
        assert_eq!(text, r#"{"sessionId":"p2p|alice","updateTime":1700000000000}"#);
        let list = RecentSessionList {
            has_more: false,
            session_list: vec![],
            next_cursor: None,
            min_timestamp: None,
            sync_token: None,
        };
        assert_eq!(serde_json::to_string(&list).unwrap(), r#"{"hasMore":false,"sessionList":[]}"#);
    }

    #[test]
    fn the_size_of_a_session_is_measured_after_escaping() {
        let all_escapes: String = (0..0x80u8).map(char::from).chain("é界😀".chars()).collect();
        let session = RecentSession {
            ext: Some(all_escapes.clone()),
            last_msg: Some(all_escapes.into()),
            last_msg_type: Some(LastMsgType::Recall),
            ..session()
        };
        let whole = serde_json::to_string(&session).unwrap().len();
        assert!((whole - 120..whole).contains(&session.text_len()), "{} of {whole}", session.text_len());
    }
}
