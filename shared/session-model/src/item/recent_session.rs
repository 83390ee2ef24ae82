//! Sessions as apps see them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::version::Version;
use crate::{
    id::SessionId,
    json::{JsonText, text::json_len},
    time::Timestamp,
};

/// The kind of a session's last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastMsgType {
    /// 0: a message.
    Message,
    /// 1: the notice that the newest message was recalled.
    Recall,
}

impl LastMsgType {
    /// The number that represents it in responses and items.
    #[must_use]
    pub fn as_number(self) -> u8 {
        match self {
            Self::Message => 0,
            Self::Recall => 1,
        }
    }

    /// The type that the number represents.
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
    /// The id of the session.
    pub session_id: SessionId,
    /// When the session last changed. Lists are sorted by it, newest first.
    pub update_time: Timestamp,
    /// What the user has seen of the session, for a delete that must not hide anything newer.
    pub version: Version,
    /// The user's custom data; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<String>,
    /// The newest message or a recall notice, itself JSON text; absent if there is none or it was not requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_msg: Option<JsonText>,
    /// The kind of the last message; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_msg_type: Option<LastMsgType>,
}

impl RecentSession {
    /// The length of the session's JSON text in bytes, without its fixed parts. It is at most 120 bytes less than the whole.
    #[must_use]
    pub fn text_len(&self) -> usize {
        let texts = [Some(self.session_id.as_str()), self.ext.as_deref()];
        let last_msg = self.last_msg.as_ref().map_or(0, JsonText::json_len);
        texts.into_iter().flatten().map(json_len).sum::<usize>() + last_msg + self.version.text_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> RecentSession {
        RecentSession {
            session_id: "p2p|alice".parse().unwrap(),
            update_time: Timestamp::from_millis(1_700_000_000_000),
            version: Version::default(),
            ext: None,
            last_msg: None,
            last_msg_type: None,
        }
    }

    #[test]
    fn absent_fields_are_left_out() {
        let text = serde_json::to_string(&session()).unwrap();
        assert_eq!(text, r#"{"sessionId":"p2p|alice","updateTime":1700000000000,"version":"0"}"#);
    }

    #[test]
    fn the_size_of_a_session_is_measured_after_escaping() {
        let all_escapes: String = (0..0x80u8).map(char::from).chain("é界😀".chars()).collect();
        let session = RecentSession {
            version: "1700000000000-18446744073709551615".parse().unwrap(),
            ext: Some(all_escapes.clone()),
            last_msg: Some(all_escapes.into()),
            last_msg_type: Some(LastMsgType::Recall),
            ..session()
        };
        let whole = serde_json::to_string(&session).unwrap().len();
        assert!((whole - 120..whole).contains(&session.text_len()), "{} of {whole}", session.text_len());
    }
}
