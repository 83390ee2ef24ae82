//! `cargo local cost`: what a million calls of each operation cost.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Args;
use session_local::{
    cost::{Prices, count},
    executables,
};

#[derive(Args)]
pub(crate) struct Cost {
    /// The price table; without it, infra/prices.json
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// How long a call is billed, in ms
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=6_000))]
    billed_ms: u64,
}

impl Cost {
    pub(crate) async fn run(self) -> Result<()> {
        let path = self.prices.unwrap_or_else(|| executables::workspace().join("infra/prices.json"));
        let prices = Prices::read(&path)?;
        eprintln!("building the functions (minutes the first time)");
        let calls = count(executables::build("dev").await?).await?;
        println!(
            "| a million calls of | read units | write units | DynamoDB | Lambda | API Gateway | data out | logs | $ |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for call in &calls {
            let cost = prices.of_a_million(call, Duration::from_millis(self.billed_ms));
            println!(
                "| {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | **{:.2}** |",
                call.name,
                call.read_units,
                call.write_units,
                cost.dynamodb,
                cost.lambda,
                cost.gateway,
                cost.data_out,
                cost.logs,
                cost.total()
            );
        }
        eprintln!("prices of {}; each call billed {} ms", prices.of, self.billed_ms);
        Ok(())
    }
}
