//! The check that the local clock and DynamoDB's agree.
//!
//! Changes of lists are found by clocks, which may differ a little. The SDK would hide a wrong clock, because it signs requests by
//! the server's `Date`. Therefore that date is compared with the local clock when a connection is opened, and from time to time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{interceptors::Intercept, runtime_components::RuntimeComponents},
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};
use session_model::Timestamp;

/// The maximum difference of clocks: 20 seconds. `session_model::reading::WINDOW_MS` allows for it.
const MAX_SKEW_MS: i64 = 20_000;
/// The interval between checks.
const EVERY_MS: u64 = 60_000;

/// Compares the local clock with DynamoDB's.
#[derive(Clone, Debug)]
pub struct ClockCheck {
    now: fn() -> Timestamp,
    report: fn(i64),
    last_ms: Arc<AtomicU64>,
}

impl ClockCheck {
    /// Creates a check of the clock `now`. If the clock is too far off, `report` gets the number of milliseconds by which it is
    /// ahead.
    #[must_use]
    pub fn new(now: fn() -> Timestamp, report: fn(i64)) -> Self {
        Self { now, report, last_ms: Arc::default() }
    }

    /// Whether a check is due at `now`.
    fn is_due(&self, now: Timestamp) -> bool {
        let now = now.as_millis();
        // `now` is from the clock that is being checked, and that clock may step back.
        let is_due = now.abs_diff(self.last_ms.load(Ordering::Relaxed)) >= EVERY_MS;
        if is_due {
            self.last_ms.store(now, Ordering::Relaxed);
        }
        is_due
    }
}

/// The number of milliseconds by which the local clock is ahead of a `Date`, which contains whole seconds.
fn ahead_ms(now: Timestamp, date: &str) -> Option<i64> {
    let date = DateTime::from_str(date, Format::HttpDate).ok()?.to_millis().ok()?;
    Some(i64::try_from(now.as_millis()).ok()? - date)
}

impl Intercept for ClockCheck {
    fn name(&self) -> &'static str {
        "ClockCheck"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let now = (self.now)();
        if let Some(ahead) = context.response().headers().get("date").and_then(|date| ahead_ms(now, date))
            && self.is_due(now)
            && ahead.abs() > MAX_SKEW_MS
        {
            (self.report)(ahead);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
    use aws_sdk_dynamodb::{Client, Config, config::Credentials};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::spawn,
    };

    use super::*;

    const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const DATE_MS: u64 = 1_700_000_000_000;

    #[test]
    fn a_date_is_compared_in_whole_seconds() {
        assert_eq!(ahead_ms(Timestamp::from_millis(DATE_MS + 1_500), DATE), Some(1_500));
        assert_eq!(ahead_ms(Timestamp::from_millis(DATE_MS - 30_000), DATE), Some(-30_000));
        assert_eq!(ahead_ms(Timestamp::from_millis(DATE_MS), "yesterday"), None);
    }

    #[test]
    fn it_is_checked_once_a_minute() {
        let check = ClockCheck::new(Timestamp::default, |_| {});
        let times = [500_000, 500_001, 559_999, 560_000, 560_001, 700_000, 300_000];
        let due = times.map(|ms| check.is_due(Timestamp::from_millis(ms)));
        assert_eq!(due, [true, false, false, true, false, true, true], "also when it has stepped back");
    }

    /// A server that responds to every request with the time `DATE`.
    async fn dynamodb() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                spawn(async move {
                    let mut request = [0; 4_096];
                    while connection.read(&mut request).await.is_ok_and(|read| read > 0) {
                        let response =
                            format!("HTTP/1.1 200 OK\r\nDate: {DATE}\r\nContent-Length: 2\r\n\r\n{{}}");
                        let _ = connection.write_all(response.as_bytes()).await;
                    }
                });
            }
        });
        address
    }

    async fn check(now: fn() -> Timestamp, report: fn(i64)) {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(dynamodb().await)
            .interceptor(ClockCheck::new(now, report));
        let client = Client::from_conf(config.build());
        for _ in 0..3 {
            client.list_tables().send().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_skewed_clock_is_logged_once() {
        static COUNT: AtomicI64 = AtomicI64::new(0);
        static AHEAD: AtomicI64 = AtomicI64::new(0);
        let report = |ahead| {
            COUNT.fetch_add(1, Ordering::Relaxed);
            AHEAD.store(ahead, Ordering::Relaxed);
        };
        check(|| Timestamp::from_millis(DATE_MS + 25_000), report).await;
        assert_eq!((COUNT.load(Ordering::Relaxed), AHEAD.load(Ordering::Relaxed)), (1, 25_000));
        check(|| Timestamp::from_millis(DATE_MS + 19_000), report).await;
        assert_eq!(COUNT.load(Ordering::Relaxed), 1, "within what clocks may differ");
    }
}
