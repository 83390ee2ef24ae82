//! The command line.

mod backend;
mod cost;
mod erase;
mod replay;
mod seed;
mod send;
mod serve;
mod stop;
mod token;
mod trace;
mod trigger;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use session_local::emulator::clock;

use backend::{Backend, Target};

/// The session service, run locally: the template's routes on a loopback port, the functions' executables run through the Lambda
/// Runtime API, and a DynamoDB engine behind them.
#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  cargo local\n  cargo local --data ./data --trace\n  cargo local --clock +31d"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Print a token for a user of a running service
    #[command(
        after_help = "Example:\n  curl -s http://127.0.0.1:8080/v1/sessions -H \"Authorization: Bearer $(cargo local token bob)\""
    )]
    Token {
        /// The user's account
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        user: String,
        #[command(flatten)]
        target: Target,
    },
    /// Post a signed message copy to a running service: a text message to an account, a team or a super team
    #[command(
        after_help = "Examples:\n  cargo local send --from alice --to bob --text 'hello bob'\n  cargo local send --from alice --team 7 --members alice,bob --text 'hello team'\n  cargo local send --from alice --to bob --recall"
    )]
    Send {
        #[command(flatten)]
        message: send::Message,
        #[command(flatten)]
        backend: Backend,
    },
    /// Post a sample of any kind of message copy to a running service, such as a recall, a kick, an edit or an irregular copy
    #[command(
        after_help = "Examples:\n  cargo local trigger --list\n  cargo local trigger kick --set carol=dave\n  cargo local trigger text --set msgType=TIPS --print"
    )]
    Trigger {
        #[command(flatten)]
        choice: trigger::Choice,
        #[command(flatten)]
        backend: Backend,
    },
    /// Post the lines of a file to a local or deployed service: a first import, events that a feed lost, dead letters
    #[command(
        after_help = "Examples:\n  cargo local replay copies.jsonl\n  cargo local replay copies.jsonl --url \"$ApiUrl\" --feed-url \"$FeedUrl\" --app-key \"$APP_KEY\" --rate 500\n\nExit status: 0 if every line was applied or ignored, 1 if it could not go on, 2 if some lines were not applied, 130 after Ctrl-C."
    )]
    Replay {
        #[command(flatten)]
        plan: replay::Plan,
        #[command(flatten)]
        backend: Backend,
    },
    /// Erase a user: delete everything in their partition, with as many requests as that needs
    #[command(
        after_help = "Examples:\n  cargo local erase bob\n  cargo local erase bob --url \"$ApiUrl\" --app-key \"$APP_KEY\""
    )]
    Erase {
        #[command(flatten)]
        account: erase::ToErase,
        #[command(flatten)]
        backend: Backend,
    },
    /// Print the cost of a million requests of each operation, or of a month. Request units are counted here and multiplied by a
    /// price table. Builds the functions first
    #[command(
        after_help = "Examples:\n  cargo local cost --prices my-prices.json --billed-ms 5\n  cargo local cost --users 100000 --syncs 20 --messages 30 --groups 10"
    )]
    Cost(cost::Cost),
    /// Fill a running service with realistic sessions
    #[command(after_help = "Example:\n  cargo local seed --users 100 --sessions 50 --teams 5")]
    Seed {
        #[command(flatten)]
        plan: seed::Plan,
        #[command(flatten)]
        backend: Backend,
    },
}

/// Runs the command that the command line names.
pub(crate) async fn run() -> Result<ExitCode> {
    let cli = Cli::parse_from(arguments());
    match cli.command {
        None => cli.serve.run().await?,
        Some(Command::Token { user, target }) => println!("{}", token::token(&user, &target.url).await?),
        Some(Command::Send { message, backend }) => message.send(&backend).await?,
        Some(Command::Trigger { choice, backend }) if choice.posts() => {
            choice.run(&backend.feed().await?).await?;
        }
        Some(Command::Trigger { choice, .. }) => choice.print(clock::now_ms())?,
        Some(Command::Replay { plan, backend }) => return plan.run(backend.feed().await?).await,
        Some(Command::Erase { account, backend }) => {
            account.erase(&backend.feed().await?, backend.is_local()).await?;
        }
        Some(Command::Cost(cost)) => cost.run().await?,
        Some(Command::Seed { plan, backend }) => seed::run(&plan, &backend.feed().await?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The command line's arguments, with `help --help` replaced by `--help`.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.len() == 3 && arguments[1] == "help" && (arguments[2] == "--help" || arguments[2] == "-h") {
        arguments.remove(1);
    }
    arguments
}
