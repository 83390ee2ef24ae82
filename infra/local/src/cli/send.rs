//! `cargo local send`: posts one message, or its recall, as the messaging backend does.

use anyhow::{Context, Result, bail};
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use session_local::{
    backend::client::{
        Feed, MAX_LISTED, feed_url, no_service, super_team_message, team_message, text_message,
    },
    http,
};

use super::{backend::Backend, token::token};

#[derive(Args)]
pub(crate) struct Message {
    /// The sender's account (a member of the group only if listed as one)
    #[arg(long)]
    from: String,
    #[command(flatten)]
    receiver: Receiver,
    /// The members of the group. Up to 200 of a team are sent as the list in its message copy; otherwise they are added to the
    /// group first. Without this option, the group's members are the ones the service has
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', value_parser = member, conflicts_with = "to")]
    members: Vec<String>,
    /// The message's text
    #[arg(long, required_unless_present = "recall")]
    text: Option<String>,
    /// The time the message was sent, in ms since 1970; by default, now
    #[arg(long, value_name = "MS")]
    time: Option<u64>,
    /// Recall the message that is the conversation's last one
    #[arg(long, conflicts_with_all = ["text", "time", "members"])]
    recall: bool,
    /// Print the signed request as a shell command instead of sending it
    #[arg(long, conflicts_with = "members")]
    curl: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Receiver {
    /// The receiver's account
    #[arg(long)]
    to: Option<String>,
    /// The receiving team's id
    #[arg(long, value_name = "TID")]
    team: Option<String>,
    /// The receiving super team's id
    #[arg(long, value_name = "TID")]
    super_team: Option<String>,
}

/// The name of a member, without the spaces around it.
fn member(name: &str) -> Result<String, &'static str> {
    match name.trim() {
        "" => Err("a member has no name"),
        name => Ok(name.to_owned()),
    }
}

impl Receiver {
    /// The id of the conversation, from the sender's point of view.
    fn session_id(&self) -> String {
        match (&self.to, &self.team, &self.super_team) {
            (Some(account), ..) => format!("p2p|{account}"),
            (_, Some(team), _) => format!("team|{team}"),
            (_, _, team) => format!("super_team|{}", team.as_deref().unwrap_or_default()),
        }
    }
}

impl Message {
    pub(crate) async fn send(&self, backend: &Backend) -> Result<()> {
        let (feed, url) = (backend.feed().await?, backend.url());
        let copy = if self.recall { self.recalling(&feed, url).await? } else { self.copy(&feed) };
        if self.curl {
            println!("{}", feed.curl(&feed_url(url), &copy));
            return Ok(());
        }
        let session = self.receiver.session_id();
        if !self.members.is_empty() && (self.receiver.team.is_none() || self.members.len() > MAX_LISTED) {
            feed.add_members(&session, &self.members, self.time.unwrap_or_else(|| feed.now_ms())).await?;
        }
        feed.deliver(&copy).await?;
        println!("recorded: {}", self.recorded(&session));
        if self.receiver.to.is_none() && self.members.is_empty() && backend.is_local() {
            let seen = session_of(&self.from, &session, url).await?;
            if seen.is_none() {
                println!(
                    "{} does not see it: this account is not a known member of {session}; see --members",
                    self.from
                );
            }
        }
        Ok(())
    }

    fn copy(&self, feed: &Feed) -> Value {
        let (from, text) = (&self.from, self.text.as_deref().unwrap_or_default());
        let time = self.time.unwrap_or_else(|| feed.now_ms());
        match &self.receiver {
            Receiver { to: Some(account), .. } => text_message(from, account, text, time),
            Receiver { team: Some(team), .. } => team_message(from, team, &self.members, text, time),
            Receiver { super_team, .. } => {
                super_team_message(from, super_team.as_deref().unwrap_or_default(), text, time)
            }
        }
    }

    /// Creates the recall of the message that is the conversation's last one.
    async fn recalling(&self, feed: &Feed, url: &str) -> Result<Value> {
        let id = self.receiver.session_id();
        let session = session_of(&self.from, &id, url).await?;
        let session = session.with_context(|| format!("{} has no session {id}", self.from))?;
        if session["lastMsgType"] != 0 {
            bail!("no message shows last in {id} of {}", self.from);
        }
        let last: Value = serde_json::from_str(session["lastMsg"].as_str().unwrap_or_default())?;
        if last["from"] != *self.from {
            bail!("the last message of {id} is by {}: recall it --from there", last["from"]);
        }
        let (event_type, to) = match &self.receiver {
            Receiver { to: Some(account), .. } => ("7", account),
            Receiver { team: Some(team), .. } => ("8", team),
            Receiver { super_team, .. } => ("25", super_team.as_ref().context("a receiver")?),
        };
        Ok(json!({
            "eventType": event_type, "from": self.from, "to": to, "msgId": last["msgIdServer"],
            "clientId": last["msgIdClient"], "sendTime": last["time"].to_string(), "deleteTime": feed.now_ms().to_string(),
        }))
    }

    fn recorded(&self, session: &str) -> String {
        match &self.receiver.to {
            Some(account) if *account == self.from => format!("{session} of {account}"),
            Some(account) => format!("{session} of {}, p2p|{} of {account}", self.from, self.from),
            None => session.to_owned(),
        }
    }
}

/// Reads a session of a user from the service.
async fn session_of(user: &str, id: &str, url: &str) -> Result<Option<Value>> {
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
    let request = http::client().get(format!("{}/v1/sessions/{id}", url.trim_end_matches('/')));
    let response =
        request.bearer_auth(token(user, url).await?).send().await.with_context(|| no_service(url))?;
    Ok(if response.status().is_success() { Some(response.json().await?) } else { None })
}
