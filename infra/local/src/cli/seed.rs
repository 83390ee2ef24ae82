//! `cargo local seed`: creates realistic sessions through the service's own API.

use anyhow::Result;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use session_local::backend::client::{Feed, super_team_message, team_message, text_message};

/// The number of message copies posted concurrently.
const CONCURRENCY: usize = 8;
/// The approximate time between consecutive sessions, counted back from now.
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
pub(crate) struct Plan {
    /// The number of users: user-1, user-2, …
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    users: u64,
    /// The number of p2p sessions per user, with contact-1, contact-2, …
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    sessions: u64,
    /// The number of teams: seed-team-1, …
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    teams: u64,
    /// The number of members per team: user-1, user-2, …
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=200))]
    team_size: u64,
    /// The number of super teams: seed-super-team-1, …
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    super_teams: u64,
    /// The number of members per super team: user-1, user-2, …
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    super_team_size: u64,
}

/// One session to create.
enum Session {
    P2p { user: u64, contact: u64 },
    Team(u64),
    SuperTeam(u64),
}

pub(crate) async fn run(plan: &Plan, feed: &Feed) -> Result<()> {
    let now = feed.now_ms();
    let p2p = (1..=plan.sessions)
        .flat_map(|contact| (1..=plan.users).map(move |user| Session::P2p { user, contact }));
    let groups = (1..=plan.teams).map(Session::Team).chain((1..=plan.super_teams).map(Session::SuperTeam));
    let progress = ProgressBar::new(plan.users * plan.sessions + plan.teams + plan.super_teams);
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} sessions, {per_sec}, {eta} left")?);
    stream::iter(groups.chain(p2p))
        .map(async |session| {
            create(&session, plan, feed, now).await?;
            progress.inc(1);
            anyhow::Ok(())
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    progress.finish();
    println!(
        "{} sessions of user-1 to user-{}; see them with the token of cargo local token user-1",
        progress.length().unwrap_or_default(),
        plan.users
    );
    Ok(())
}

async fn create(session: &Session, plan: &Plan, feed: &Feed, now: u64) -> Result<()> {
    let (number, salt) = match *session {
        Session::P2p { user, contact } => (contact, user * 1_000_003 + contact),
        Session::Team(team) => (team, team + 500_009),
        Session::SuperTeam(team) => (team, team + 700_001),
    };
    // These numbers look random but are the same in every run.
    let mixed = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let time = now.saturating_sub(number * STEP_MS + mixed % STEP_MS).max(OLDEST_MS);
    let text = TEXTS[usize::try_from(mixed % 8).unwrap_or_default()];
    let members = |count: u64| (1..=count).map(|user| format!("user-{user}")).collect::<Vec<_>>();
    match *session {
        Session::P2p { user, contact } => {
            let (user, contact) = (format!("user-{user}"), format!("contact-{contact}"));
            let (from, to) = if mixed.is_multiple_of(2) { (user, contact) } else { (contact, user) };
            feed.deliver(&text_message(&from, &to, text, time)).await
        }
        Session::Team(team) => {
            let members = members(plan.team_size);
            feed.deliver(&team_message("user-1", &format!("seed-team-{team}"), &members, text, time)).await
        }
        Session::SuperTeam(team) => {
            let name = format!("seed-super-team-{team}");
            feed.add_members(&format!("super_team|{name}"), &members(plan.super_team_size), time).await?;
            feed.deliver(&super_team_message("user-1", &name, text, time)).await
        }
    }
}

/// The year 2001: the service accepts no message from before 2000.
const OLDEST_MS: u64 = 978_307_200_000;
