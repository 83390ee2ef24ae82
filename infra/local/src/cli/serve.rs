//! `cargo local`: build, start, tell how to use it, serve until Ctrl-C.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use session_local::{
    Options, Service,
    clock::{Clock, parse_duration},
    cost::Prices,
    executables,
    feed::{LOCAL_APP_KEY, LOCAL_APP_SECRET, feed_url},
    lambda::LogSink,
    listen,
};

use super::{stop, trace};

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Serve {
    /// The loopback port to serve on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Keep the embedded engine's data in this folder; without it, data is in memory and ends with the service
    #[arg(long, value_name = "DIR", conflicts_with = "dynamodb_endpoint")]
    data: Option<PathBuf>,
    /// Use the engine that runs at this address (DynamoDB Local or another) instead of the embedded one
    #[arg(long, value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// Run release builds of the functions, as deployed; they take minutes to build
    #[arg(long)]
    release: bool,
    /// Live in the future, such as +31d or 36h: functions, tokens, expiry and the other commands go by that time. The console and
    /// POST /local-clock {"advance": "31d"} move it further
    #[arg(long, value_name = "AHEAD", default_value = "0s", value_parser = parse_duration)]
    clock: Duration,
    /// Print each call with its event, its answer, its log line and its requests to DynamoDB
    #[arg(long)]
    trace: bool,
    /// Keep no calls for the console: functions then reach DynamoDB directly
    #[arg(long, conflicts_with = "trace")]
    no_trace: bool,
    /// Print one JSON line when the service is ready, for scripts: url, console, feedUrl, appKey, appSecret, issuer, dynamodb
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
        // Dropping what serves ends it all: the server, the engine, the functions' processes, or cargo while it builds.
        tokio::select! {
            result = serve => return result,
            asked = stop::requested() => asked?,
        }
        eprintln!("stopped");
        Ok(())
    }

    async fn start(self) -> Result<Service> {
        // Before minutes are spent on a build.
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

/// Prints the functions' lines, but for those that a trace shows with their calls.
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

/// What matters, in one screen.
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
