//! The limits of a page, which lists and changes have in common.

use super::parameters::Limit;
use crate::{id::SessionId, item::RecentSession};

/// The maximum length of a page's text, in bytes. A page ends before its text exceeds it. A function's response is limited to 6
/// MB, into which a body of this length fits as base64.
pub const MAX_TEXT_BYTES: usize = 4_000_000;

/// An upper bound for the fixed parts of a session's JSON text.
const FIXED_TEXT_BYTES: usize = 120;

/// The parameters of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// The maximum number of sessions on the page.
    pub limit: Limit,
    /// Whether sessions include their last message.
    pub need_last_msg: bool,
}

/// Counts what is on a page, until it reaches its limit or its text reaches the maximum length.
#[derive(Debug)]
pub(super) struct Filler {
    of: PageRequest,
    sessions: usize,
    text_bytes: usize,
}

impl Filler {
    pub(super) fn new(of: PageRequest) -> Self {
        Self { of, sessions: 0, text_bytes: 0 }
    }

    /// Prepares a session for the page, or the id of a session that does not exist any more. Returns whether it fits. The first one
    /// always does. A last message counts even if it is not wanted, because it was read: a page costs as much without last messages.
    pub(super) fn fits(&mut self, id: &SessionId, session: Option<&mut RecentSession>) -> bool {
        let text_bytes = self.text_bytes + text_bytes(id, session.as_deref());
        if self.sessions == self.of.limit.get() || (self.sessions > 0 && text_bytes > MAX_TEXT_BYTES) {
            return false;
        }
        (self.sessions, self.text_bytes) = (self.sessions + 1, text_bytes);
        if let (false, Some(session)) = (self.of.need_last_msg, session) {
            session.last_msg = None;
        }
        true
    }

    /// Whether these sessions fill the page and one is left over, which shows that there are more. Measures texts only if nothing
    /// else decides.
    pub(super) fn is_exceeded_by<'a>(
        &self,
        mut sessions: impl ExactSizeIterator<Item = &'a RecentSession> + Clone,
    ) -> bool {
        sessions.len() > self.of.limit.get()
            || sessions.by_ref().map(RecentSession::text_len).sum::<usize>() > MAX_TEXT_BYTES
    }
}

/// The number of these sessions whose text fits on a page, and one more if there are more.
pub(super) fn one_more_than_fits(sessions: &[RecentSession]) -> usize {
    let mut text_bytes = 0;
    let exceeding = sessions.iter().position(|session| {
        text_bytes += session.text_len();
        text_bytes > MAX_TEXT_BYTES
    });
    exceeding.map_or(sessions.len(), |index| index + 1)
}

/// An upper bound for the length of the JSON text of a session, or of the id of a session that does not exist any more.
fn text_bytes(id: &SessionId, session: Option<&RecentSession>) -> usize {
    FIXED_TEXT_BYTES + session.map_or(id.as_str().len(), RecentSession::text_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filler(limit: &str) -> Filler {
        Filler::new(PageRequest { limit: limit.parse().unwrap(), need_last_msg: false })
    }

    fn session(text: &str) -> RecentSession {
        RecentSession {
            session_id: "p2p|a".parse().unwrap(),
            update_time: crate::time::Timestamp::from_millis(9),
            version: crate::item::Version::default(),
            ext: None,
            last_msg: Some(text.into()),
            last_msg_type: None,
        }
    }

    fn fits(filler: &mut Filler, text: &str) -> bool {
        let mut session = session(text);
        let (id, had) = (session.session_id.clone(), session.last_msg.clone());
        let fits = filler.fits(&id, Some(&mut session));
        assert_eq!(session.last_msg, had.filter(|_| !fits), "it is not wanted");
        fits
    }

    #[test]
    fn of_more_than_fits_one_is_kept() {
        let sessions = [&"\"".repeat(1_500_000), "", "", &"x".repeat(1_000_000), ""].map(session);
        assert_eq!(one_more_than_fits(&sessions), 4);
        assert_eq!(one_more_than_fits(&sessions[..3]), 3);
        assert_eq!(one_more_than_fits(&[]), 0);
    }

    #[test]
    fn a_page_ends_at_its_limit() {
        let mut filler = filler("2");
        assert!(fits(&mut filler, "") && fits(&mut filler, "") && !fits(&mut filler, ""));
    }

    #[test]
    fn a_page_ends_before_its_text_is_too_long_but_never_empty() {
        let long = "\"".repeat(1_500_000);
        let mut page = filler("100");
        assert!(fits(&mut page, &long) && !fits(&mut page, &long));
        let mut page = filler("100");
        assert!(fits(&mut page, &long.repeat(2)));
    }

    #[test]
    fn a_session_that_does_not_exist_any_more_counts_by_its_id() {
        let id: SessionId = "p2p|a".parse().unwrap();
        assert_eq!(text_bytes(&id, None), FIXED_TEXT_BYTES + 5);
    }
}
