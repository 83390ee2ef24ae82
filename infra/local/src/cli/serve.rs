//! `cargo local`: builds the functions, starts the service, prints how to use it, and serves until Ctrl-C.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use session_local::{
    backend::{
        client::feed_url,
        signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    },
    console::recorder::LogSink,
    cost::prices::Prices,
    emulator::clock::{Clock, parse_duration},
    executables,
    service::{Options, Service, listen},
};

use super::{stop, trace};

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Serve {
    /// The loopback port to serve on; 0 chooses a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The folder that stores the embedded engine's data; by default, data is in memory and is lost when the service stops
    #[arg(long, value_name = "DIR", conflicts_with = "dynamodb_endpoint")]
    data: Option<PathBuf>,
    /// The URL of a running engine (DynamoDB Local or another) to use instead of the embedded one
    #[arg(long, value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// Run release builds of the functions, as deployed; building them takes minutes
    #[arg(long)]
    release: bool,
    /// Set the clock ahead, such as +31d or 36h: functions, tokens, expiry and the other commands use that time. The console and
    /// POST /local-clock {"advance": "31d"} advance it further
    #[arg(long, value_name = "AHEAD", default_value = "0s", value_parser = parse_duration)]
    clock: Duration,
    /// Print each request with its event, response, log line and requests to DynamoDB
    #[arg(long)]
    trace: bool,
    /// Record no requests for the console: functions then reach DynamoDB directly
    #[arg(long, conflicts_with = "trace")]
    no_trace: bool,
    /// Print one JSON line for scripts when the service is ready: url, console, feedUrl, appKey, appSecret, issuer, dynamodb
    #[arg(long)]
    json: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        let json = self.json;
        let traced = self.trace;
        let serve = async move {
            let service = self.start().await?;
            if let Some(tracer) = service.tracer().filter(|_| traced) {
                tokio::spawn(trace::print(Arc::clone(tracer), service.completed()));
            }
            if json {
                print_json(&service);
            } else {
                print_guide(&service);
            }
            std::future::pending::<()>().await;
            drop(service);
            Ok(())
        };
        // Dropping `serve` stops everything: the server, the engine, the functions' processes, or cargo if it is still building.
        tokio::select! {
            result = serve => return result,
            asked = stop::requested() => asked?,
        }
        eprintln!("stopped");
        Ok(())
    }

    async fn start(self) -> Result<Service> {
        // Listen first, so that a port in use is reported before minutes are spent on a build.
        let listener = listen(self.port).await?;
        let prices = Prices::of_the_repository()?;
        eprintln!("building the functions (minutes the first time)");
        let profile = if self.release { "release" } else { "dev" };
        let executables = executables::build(profile, &["local"]).await?;
        Service::start(Options {
            listener,
            data: self.data,
            dynamodb_endpoint: self.dynamodb_endpoint,
            functions_endpoint: None,
            parameters: HashMap::new(),
            executables,
            log: log(self.trace),
            clock: Clock::ahead(self.clock),
            tracing: (!self.no_trace).then_some(prices),
        })
        .await
    }
}

/// Prints the functions' log lines, except those that a trace shows with their requests.
fn log(traced: bool) -> LogSink {
    Arc::new(move |function, line| {
        let is_of_exchange =
            || serde_json::from_str::<Value>(line).is_ok_and(|line| line["requestId"].is_string());
        if !(traced && is_of_exchange()) {
            eprintln!("{function}: {line}");
        }
    })
}

fn print_json(service: &Service) {
    let ready = json!({
        "url": service.url(),
        "console": format!("{}/console", service.url()),
        "feedUrl": feed_url(service.url()),
        "appKey": LOCAL_APP_KEY,
        "appSecret": LOCAL_APP_SECRET,
        "issuer": service.issuer().url(),
        "dynamodb": service.dynamodb().endpoint(),
    });
    println!("{ready}");
}

/// Prints the addresses and the first commands to try, on one screen.
fn print_guide(service: &Service) {
    let url = service.url();
    let option = service.url_option();
    println!("\nThe service is ready at {url}\n");
    println!("  Console    {url}/console");
    println!("  API spec   {url}/openapi.json, for apps {url}/openapi-apps.json");
    println!("  DynamoDB   {}", service.dynamodb().endpoint());
    println!("\nTry, in another terminal\n");
    println!("  cargo local send --from alice --to bob --text 'hello bob'{option}");
    println!("  curl -s {url}/v1/sessions -H \"Authorization: Bearer $(cargo local token bob{option})\"");
    println!("\ncargo local --help lists the other commands. Ctrl-C stops everything.\n");
}
