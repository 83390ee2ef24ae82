//! `cargo local send`: one message, as the messaging backend posts it.

use anyhow::Result;
use clap::Args;
use session_local::feed::{Feed, MAX_LISTED, super_team_message, team_message, text_message};

#[derive(Args)]
pub(crate) struct Message {
    /// Who sends (a member of the group only if listed as one)
    #[arg(long)]
    from: String,
    #[command(flatten)]
    receiver: Receiver,
    /// The members of the group: the list that a team's copy carries (up to 200), else they are added to the group; without
    /// them, its members are those the service knows
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', conflicts_with = "to")]
    members: Vec<String>,
    /// What
    #[arg(long)]
    text: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Receiver {
    /// To which account
    #[arg(long)]
    to: Option<String>,
    /// To which team
    #[arg(long, value_name = "TID")]
    team: Option<String>,
    /// To which super team
    #[arg(long, value_name = "TID")]
    super_team: Option<String>,
}

pub(crate) async fn run(message: &Message, feed: &Feed) -> Result<()> {
    let Message { from, receiver, members, text } = message;
    let now = feed.now_ms();
    if let Some(account) = &receiver.to {
        return feed.deliver(&text_message(from, account, text, now)).await;
    }
    if let Some(team) = &receiver.team {
        if members.len() > MAX_LISTED {
            feed.add_members(&format!("team|{team}"), members, now).await?;
        }
        return feed.deliver(&team_message(from, team, members, text, now)).await;
    }
    let team = receiver.super_team.as_deref().unwrap_or_default();
    feed.add_members(&format!("super_team|{team}"), members, now).await?;
    feed.deliver(&super_team_message(from, team, text, now)).await
}
