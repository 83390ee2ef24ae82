//! Pages that are being filled.

use std::ops::ControlFlow;

use super::{
    cursor::Cursor,
    list_query::{Limit, ListQuery, Window},
};
use crate::{
    id::SessionId,
    item::{RecentSession, RecentSessionList},
    time::Timestamp,
};

/// An upper bound for the fixed parts of one session's JSON text.
const FIXED_TEXT_BYTES: usize = 120;

/// A page that is being filled with sessions, newest first, until it reaches its limit or its text reaches the maximum length.
#[derive(Debug)]
pub struct Page {
    limit: Limit,
    window: Window,
    text_bytes: usize,
    cursor: Option<Cursor>,
    sessions: Vec<RecentSession>,
    has_more: bool,
}

impl Page {
    /// The maximum length of a page's text, in bytes. A page ends before its text exceeds it. A function's response is limited to 6
    /// MB, into which a body of this length fits as base64.
    pub const MAX_TEXT_BYTES: usize = 4_000_000;

    /// An upper bound for the length of the JSON text of a session, or of the id of a session that does not exist any more.
    pub(crate) fn text_bytes(id: &SessionId, session: Option<&RecentSession>) -> usize {
        FIXED_TEXT_BYTES + session.map_or(id.as_str().len(), RecentSession::text_len)
    }

    /// Creates an empty page that continues where the query does.
    #[must_use]
    pub fn new(query: &ListQuery) -> Self {
        Self {
            limit: query.limit(),
            window: query.window(),
            text_bytes: 0,
            cursor: query.cursor().cloned(),
            sessions: Vec::with_capacity(query.limit().get()),
            has_more: false,
        }
    }

    /// Adds the session of an own session item. Breaks if it does not fit any more; then the page has `hasMore` and is complete.
    pub fn push_own(&mut self, session: RecentSession) -> ControlFlow<()> {
        self.push(session, Cursor::after_own)
    }

    /// Adds a group's session, and breaks as [`push_own`](Self::push_own) does.
    pub fn push_group(&mut self, session: RecentSession) -> ControlFlow<()> {
        self.push(session, Cursor::after_group)
    }

    fn push(
        &mut self,
        session: RecentSession,
        after: impl Fn(Option<Cursor>, Window, Timestamp, SessionId) -> Cursor,
    ) -> ControlFlow<()> {
        let text_bytes = self.text_bytes + Self::text_bytes(&session.session_id, Some(&session));
        let too_long = text_bytes > Self::MAX_TEXT_BYTES && !self.sessions.is_empty();
        if self.sessions.len() == self.limit.get() || too_long {
            self.has_more = true;
            return ControlFlow::Break(());
        }
        self.text_bytes = text_bytes;
        let (time, id) = (session.update_time, session.session_id.clone());
        self.cursor = Some(after(self.cursor.take(), self.window, time, id));
        self.sessions.push(session);
        ControlFlow::Continue(())
    }

    /// Returns the finished page, with the watermark of its list if the page begins one.
    #[must_use]
    pub fn finish(self, watermark: Option<Timestamp>) -> RecentSessionList {
        RecentSessionList {
            has_more: self.has_more,
            session_list: self.sessions,
            next_cursor: self.cursor.filter(|_| self.has_more),
            min_timestamp: watermark,
            sync_token: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(limit: &str, cursor: Option<Cursor>) -> ListQuery {
        ListQuery::new(None, None, cursor, limit.parse().unwrap(), true).unwrap()
    }

    fn open() -> Window {
        Window::new(Timestamp::default(), Timestamp::default()).unwrap()
    }

    fn session(time: u64, text: &str) -> RecentSession {
        RecentSession {
            session_id: format!("p2p|{time}").parse().unwrap(),
            update_time: Timestamp::from_millis(time),
            ext: None,
            last_msg: Some(text.into()),
            last_msg_type: None,
        }
    }

    #[test]
    fn has_more_is_true_only_when_one_did_not_fit() {
        let mut page = Page::new(&query("2", None));
        assert!(page.push_own(session(9, "")).is_continue());
        assert!(page.push_own(session(8, "")).is_continue());
        assert!(
            !Page { sessions: page.sessions.clone(), ..Page::new(&query("2", None)) }.finish(None).has_more
        );
        assert!(page.push_own(session(7, "")).is_break());
        let list = page.finish(None);
        assert!(list.has_more && list.session_list.len() == 2);
        assert_eq!(
            list.next_cursor,
            Some(Cursor::after_own(None, open(), Timestamp::from_millis(8), "p2p|8".parse().unwrap()))
        );
    }

    #[test]
    fn a_page_ends_before_its_text_is_too_long_but_never_empty() {
        let long = "\"".repeat(1_500_000);
        let mut page = Page::new(&query("100", None));
        assert!(page.push_own(session(9, &long)).is_continue());
        assert!(page.push_own(session(8, &long)).is_break());
        let mut page = Page::new(&query("100", None));
        assert!(page.push_own(session(9, &long.repeat(2))).is_continue());
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let given = Cursor::start(open(), Timestamp::from_millis(5));
        assert_eq!(Page::new(&query("2", Some(given))).finish(None).next_cursor, None);
    }
}
