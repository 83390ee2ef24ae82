//! `cargo local seed`: realistic sessions, through the service's own front door.

use anyhow::Result;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use session_local::{
    clock,
    feed::{Feed, text_message},
};

/// How many copies are under way at once.
const AT_ONCE: usize = 8;
/// Sessions lie this far apart in time, about, going back from now.
const STEP_MS: u64 = 17 * 60 * 1000;

const TEXTS: [&str; 8] = [
    "Are we still on for lunch tomorrow?",
    "Thanks, that was quick!",
    "I sent you the photos from the weekend, the good ones are at the end.",
    "ok 👍",
    "Could you have a look at the contract before four? Page two is the one that changed.",
    "明天见",
    "The train is twenty minutes late, do start without me.",
    "Happy birthday! 🎂",
];

#[derive(Args)]
pub(crate) struct Size {
    /// How many users: user-1, user-2, …
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    users: u64,
    /// How many sessions each of them has, with contact-1, contact-2, …
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    sessions: u64,
}

pub(crate) async fn run(size: &Size, feed: &Feed) -> Result<()> {
    let now = clock::now_ms();
    let progress = ProgressBar::new(size.users * size.sessions);
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} sessions, {per_sec}, {eta} left")?);
    let sessions = (1..=size.sessions).flat_map(|session| (1..=size.users).map(move |user| (user, session)));
    let copies = sessions.map(|(user, session)| {
        // Numbers that look random, and are the same at every run.
        let mixed = (user * 1_000_003 + session).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let age = session * STEP_MS + mixed % STEP_MS;
        let text = TEXTS[usize::try_from(mixed % 8).unwrap_or_default()];
        let (user, contact) = (format!("user-{user}"), format!("contact-{session}"));
        let (from, to) = if mixed % 2 == 0 { (user, contact) } else { (contact, user) };
        text_message(&from, &to, text, now.saturating_sub(age).max(OLDEST_MS))
    });
    stream::iter(copies)
        .map(async |copy| {
            feed.deliver(&copy).await?;
            progress.inc(1);
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    progress.finish();
    Ok(())
}

/// 2001: the service takes no message from before 2000.
const OLDEST_MS: u64 = 978_307_200_000;
