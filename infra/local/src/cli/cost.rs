//! `cargo local cost`: prints the cost of a million requests of each operation, or of a month of a product's users.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Args;
use session_local::{
    cost::{
        meter::count,
        month::Use,
        prices::{BILLED_MS, OperationUsage, Prices},
    },
    executables,
};

#[derive(Args)]
pub(crate) struct Cost {
    /// The price table; infra/prices.json by default
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// The billed duration of an invocation, in ms
    #[arg(long, value_name = "MS", default_value_t = BILLED_MS, value_parser = clap::value_parser!(u64).range(1..=6_000))]
    billed_ms: u64,
    #[command(flatten)]
    month: Month,
}

/// The daily activity of a product's users. With it, the cost of a month is printed instead of that of a million requests.
#[derive(Args)]
struct Month {
    /// The number of users active on a day. Prints the cost of a month instead of a million requests
    #[arg(long)]
    users: Option<u64>,
    /// How many times a day each user syncs changes
    #[arg(long, default_value_t = 20, requires = "users")]
    syncs: u32,
    /// How many p2p messages a day each user sends
    #[arg(long, default_value_t = 30, requires = "users")]
    messages: u32,
    /// The number of groups each user is a member of
    #[arg(long, default_value_t = 10, requires = "users")]
    groups: u32,
    /// The load in the busiest seconds of a day, as a multiple of the day's average
    #[arg(long, value_name = "TIMES", default_value_t = 3, requires = "users", value_parser = clap::value_parser!(u32).range(1..=100))]
    peak: u32,
}

impl Month {
    #[expect(clippy::cast_precision_loss, reason = "users")]
    fn of(&self) -> Option<Use> {
        let Self { users, syncs, messages, groups, .. } = *self;
        let (syncs, messages, groups) = (syncs.into(), messages.into(), groups.into());
        users.map(|users| Use { users: users as f64, syncs, messages, groups })
    }
}

impl Cost {
    pub(crate) async fn run(self) -> Result<()> {
        let prices = self.prices.as_deref().map_or_else(Prices::of_the_repository, Prices::read)?;
        eprintln!("building the functions (minutes the first time)");
        let usages = count(executables::build("dev", &[]).await?).await?;
        let billed = Duration::from_millis(self.billed_ms);
        match self.month.of() {
            None => print_usage(&usages, &prices, billed),
            Some(of) => {
                println!("| a month of | $ |\n|---|---|");
                let parts = of.month(&usages, &prices, billed)?;
                for (what, dollars) in &parts {
                    println!("| {what} | {dollars:.0} |");
                }
                println!("| **all** | **{:.0}** |", parts.iter().map(|(_, dollars)| dollars).sum::<f64>());
                let times = self.month.peak;
                let peak = of.at_peak(&usages, billed, times.into())?;
                println!("\n| at {times} times a day's average | |\n|---|---|");
                println!("| requests per second | {:.0} |", peak.usages);
                println!("| read units per second | {:.0} |", peak.read_units);
                println!("| write units per second | {:.0} |", peak.write_units);
                println!("| concurrent functions | {:.1} |", peak.concurrency);
                println!("| partitions of the session items | {:.0} |", peak.partitions);
            }
        }
        eprintln!("prices of {}; each request billed {} ms", prices.of, self.billed_ms);
        Ok(())
    }
}

fn print_usage(usages: &[OperationUsage], prices: &Prices, billed: Duration) {
    println!(
        "| a million requests of | read units | write units | DynamoDB | Lambda | API Gateway | data out | logs | $ |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for usage in usages {
        let cost = prices.of_a_million(usage, billed);
        println!(
            "| {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | **{:.2}** |",
            usage.name,
            usage.read_units,
            usage.write_units,
            cost.dynamodb,
            cost.lambda,
            cost.gateway,
            cost.data_out,
            cost.logs,
            cost.total()
        );
    }
}
