//! `cargo local trigger`: a sample of any kind of copy, posted as the messaging backend posts it.

use std::io::{self, Write};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;
use session_local::{
    copies::{Cast, Sample, SampleResult},
    feed::Feed,
};

#[derive(Args)]
pub(crate) struct Choice {
    /// Which sample: see --list
    #[arg(required_unless_present = "list", value_name = "SAMPLE")]
    name: Option<String>,
    /// Who and where, alice=…, bob=…, carol=…, team=…, superTeam=…, or any field of the copy, such as msgType=TIPS
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
    /// Print the copies, one a line, instead of posting them: for cargo local replay, or to change them
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
    /// Whether a service is needed.
    pub(crate) fn posts(&self) -> bool {
        !self.list && !self.print
    }

    /// Lists or prints.
    pub(crate) fn print(&self, now_ms: u64) -> Result<()> {
        let lines: Vec<String> = if self.list {
            Sample::all()?.iter().map(|sample| format!("{:<22}{}", sample.name, sample.about)).collect()
        } else {
            self.prepare(now_ms)?.1
        };
        for line in lines {
            match writeln!(io::stdout(), "{line}") {
                // Whoever reads has enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                written => written?,
            }
        }
        Ok(())
    }

    /// Posts the copies, and tells what came of them.
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
        // What is changed by hand may become anything.
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
