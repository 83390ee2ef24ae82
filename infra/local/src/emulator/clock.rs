//! The clock, which is the only place that reads the time of day. The clock of a local service may be set ahead.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The furthest that a clock may be set ahead: 10 years.
const MAX_AHEAD: Duration = Duration::from_hours(10 * 366 * 24);

/// A clock that can be set ahead. Its clones share the offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicU64>,
}

impl Clock {
    /// Creates a clock that is ahead of this machine's clock.
    #[must_use]
    pub fn ahead(by: Duration) -> Self {
        Self { ahead_ms: Arc::new(AtomicU64::new(millis(by))) }
    }

    /// The time since 1970-01-01T00:00Z.
    #[must_use]
    pub fn since_epoch(&self) -> Duration {
        since_epoch() + Duration::from_millis(self.ahead_ms())
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        millis(self.since_epoch())
    }

    /// How far the clock is ahead of this machine's clock, in ms.
    #[must_use]
    pub fn ahead_ms(&self) -> u64 {
        self.ahead_ms.load(Ordering::SeqCst)
    }

    /// Advances the clock, unless it would then be more than 10 years ahead in total. Returns whether it was advanced.
    #[must_use]
    pub fn advance(&self, by: Duration) -> bool {
        let moved = |ahead: u64| ahead.checked_add(millis(by)).filter(|ahead| *ahead <= millis(MAX_AHEAD));
        self.ahead_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, moved).is_ok()
    }
}

/// Milliseconds since 1970-01-01T00:00Z by this machine's clock.
#[must_use]
pub fn now_ms() -> u64 {
    millis(since_epoch())
}

/// The time since 1970-01-01T00:00Z by this machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the edge at which the time enters")]
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Parses how far to advance a clock: `31d`, `36h`, `90m`, `45s`, or a sum such as `1d12h`. A leading `+` is ignored.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const FORMS: &str = "must be a time such as 31d, 36h, 90m or 45s, ten years at most";
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds: u64 = 0;
    if rest.is_empty() {
        return Err(FORMS.to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit_and_rest) = rest.split_at(digits);
        let unit = match unit_and_rest.chars().next() {
            Some('d') => 86_400,
            Some('h') => 3_600,
            Some('m') => 60,
            Some('s') => 1,
            _ => return Err(FORMS.to_owned()),
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        seconds = part.and_then(|part| seconds.checked_add(part)).ok_or(FORMS)?;
        rest = &unit_and_rest[1..];
    }
    Some(Duration::from_secs(seconds)).filter(|duration| *duration <= MAX_AHEAD).ok_or(FORMS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_in_days_hours_minutes_and_seconds() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs()).ok();
        assert_eq!(seconds("31d"), Some(31 * 86_400));
        assert_eq!(seconds("+1d12h"), Some(36 * 3_600));
        assert_eq!(seconds("90m45s"), Some(5_445));
        for text in ["", "+", "31", "d", "-1d", "1w", "1.5h", "4000d", "99999999999999999999s", "1d é"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_moves_ahead_with_its_clones_up_to_a_limit() {
        let clock = Clock::ahead(Duration::from_mins(1));
        let clone = clock.clone();
        assert!(clone.advance(Duration::from_mins(1)));
        assert_eq!(clock.ahead_ms(), 120_000);
        assert!(clock.now_ms() >= now_ms() + 119_000);
        assert!(!clock.advance(MAX_AHEAD));
        assert_eq!(clock.ahead_ms(), 120_000);
    }
}
