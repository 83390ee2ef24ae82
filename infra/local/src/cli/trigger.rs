//! `cargo local trigger`: posts a sample of any kind of message copy, as the messaging backend does.

use std::io::{self, Write};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;
use session_local::backend::{
    client::Feed,
    samples::{Cast, Sample, SampleResult},
};

#[derive(Args)]
pub(crate) struct Choice {
    /// The sample's name: see --list
    #[arg(required_unless_present = "list", value_name = "SAMPLE")]
    name: Option<String>,
    /// Names in the sample, alice=…, bob=…, carol=…, team=…, superTeam=…, or any field of the message copy, such as msgType=TIPS
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
    /// Print the message copies, one per line, instead of posting them, to edit them or for cargo local replay
    #[arg(long)]
    print: bool,
    /// List the samples
    #[arg(long, exclusive = true)]
    list: bool,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Choice {
    /// Whether the command posts to a service.
    pub(crate) fn posts(&self) -> bool {
        !self.list && !self.print
    }

    /// Lists the samples, or prints a sample's message copies.
    pub(crate) fn print(&self, now_ms: u64) -> Result<()> {
        let lines: Vec<String> = if self.list {
            Sample::all()?.iter().map(|sample| format!("{:<22}{}", sample.name, sample.about)).collect()
        } else {
            self.prepare(now_ms)?.1
        };
        for line in lines {
            match writeln!(io::stdout(), "{line}") {
                // The reader has closed the pipe.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                written => written?,
            }
        }
        Ok(())
    }

    /// Posts the message copies and prints the responses.
    pub(crate) async fn run(&self, feed: &Feed) -> Result<()> {
        let (sample, bodies) = self.prepare(feed.now_ms())?;
        println!("{}", sample.about);
        let count = bodies.len();
        let mut last = (0, Value::Null);
        for (number, body) in (1..).zip(bodies) {
            let response = feed.post_bytes(body.into_bytes()).await?;
            let status = response.status().as_u16();
            let text = response.text().await.unwrap_or_default();
            println!("copy {number} of {count}: {status} {text}");
            last = (status, serde_json::from_str(&text).unwrap_or_default());
        }
        let result = SampleResult::of(last.0, &last.1);
        let Some(result) = result.filter(|result| *result != SampleResult::Early || sample.result == *result)
        else {
            bail!("the service did not accept it");
        };
        // A sample with fields set by hand may have any outcome.
        if self.set.is_empty() && result != sample.result {
            bail!("the result of the last copy should be {:?}", sample.result);
        }
        Ok(())
    }

    fn prepare(&self, now_ms: u64) -> Result<(Sample, Vec<String>)> {
        let sample = Sample::named(self.name.as_deref().unwrap_or_default())?;
        let mut cast = Cast::at(now_ms);
        let fields: Vec<_> =
            self.set.iter().filter(|(name, value)| !cast.set(name, value)).cloned().collect();
        let bodies = sample.bodies(&cast, &fields)?;
        Ok((sample, bodies))
    }
}
