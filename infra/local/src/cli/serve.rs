//! `cargo local`: build, start, tell how to use it, serve until Ctrl-C.

use std::{path::PathBuf, sync::Arc};

use anyhow::Result;
use clap::Args;
use serde_json::json;
use session_local::{
    Options, Service, executables,
    feed::{LOCAL_APP_KEY, LOCAL_APP_SECRET, feed_url},
    listen,
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Args)]
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
    /// Print one JSON line when the service is ready, for scripts: url, feedUrl, appKey, appSecret, issuer, dynamodb
    #[arg(long)]
    json: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let json = self.json;
        let serve = async move {
            let service = self.start().await?;
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
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopped");
        Ok(())
    }

    async fn start(self) -> Result<Service> {
        // Before minutes are spent on a build.
        let listener = listen(self.port).await?;
        eprintln!("building the functions (minutes the first time)");
        let executables = executables::build(if self.release { "release" } else { "dev" }).await?;
        Service::start(Options {
            listener,
            data: self.data,
            dynamodb_endpoint: self.dynamodb_endpoint,
            functions_endpoint: None,
            parameters: std::collections::HashMap::new(),
            executables,
            log: Arc::new(|function, line| eprintln!("{function}: {line}")),
        })
        .await
    }
}

fn print_json(service: &Service) {
    let ready = json!({
        "url": service.url(),
        "feedUrl": feed_url(service.url()),
        "appKey": LOCAL_APP_KEY,
        "appSecret": LOCAL_APP_SECRET,
        "issuer": service.issuer().url(),
        "dynamodb": service.dynamodb().endpoint(),
    });
    println!("{ready}");
}

fn print_guide(service: &Service) {
    let url = service.url();
    println!("\nThe service is ready at {url}");
    println!("Its contract is at {url}/openapi.json, the part for apps at {url}/openapi-apps.json");
    println!("DynamoDB answers at {}\n\nRoutes", service.dynamodb().endpoint());
    for route in service.routes() {
        println!("  {:<7}{}", route.method, route.path);
    }
    let option = if url.ends_with(":8080") { String::new() } else { format!(" --url {url}") };
    println!("\nTry, in another terminal");
    println!("  BOB=$(cargo local token bob{option})");
    println!("  cargo local send --from alice --to bob --text 'hello bob'{option}");
    println!("  cargo local send --from alice --team 7 --members alice,bob --text 'hello team'{option}");
    println!("  curl -s {url}/v1/sessions -H \"Authorization: Bearer $BOB\"");
    println!("  curl -s {url}/v1/sessions/p2p%7Calice -H \"Authorization: Bearer $BOB\"");
    println!("  curl -s -X PATCH {url}/v1/sessions/p2p%7Calice -H \"Authorization: Bearer $BOB\" \\");
    println!("       -H 'Content-Type: application/json' -d '{{\"ext\": \"pinned\"}}'");
    println!("  curl -s -X DELETE {url}/v1/sessions/p2p%7Calice -H \"Authorization: Bearer $BOB\"");
    println!("  cargo local seed --teams 5{option}");
    println!("\nTokens, which end with the service");
    for user in ["alice", "bob"] {
        println!("  {user}: {}", service.issuer().token(user).unwrap_or_else(|error| error.to_string()));
    }
    println!("\nCtrl-C stops everything.\n");
}
