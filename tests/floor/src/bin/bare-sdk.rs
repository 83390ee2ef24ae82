//! Sends the operations' requests with the SDK alone, in a loop, and drops the responses. `list 200 USER SESSION` on standard input
//! sends 200 queries and prints one line with the microseconds of each.

#![expect(clippy::disallowed_methods, reason = "a program of a few lines, configured by its environment")]

use std::{
    env, fs,
    io::{BufRead, stdin},
    time::Instant,
};

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

type Failure = Box<dyn std::error::Error>;

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let trust = TrustStore::empty().with_pem_certificate(fs::read(env::var("AWS_CA_BUNDLE")?)?);
    let tls = TlsContext::builder().with_trust_store(trust).build()?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    let client = Client::new(&aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await);
    let table = env::var("SESSIONS_TABLE")?;
    for line in stdin().lock().lines() {
        let line = line?;
        let [operation, calls, user, session] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err("usage: OPERATION CALLS USER SESSION".into());
        };
        let mut micros = Vec::new();
        for _ in 0..calls.parse()? {
            let started = Instant::now();
            call(&client, &table, operation, user, session).await?;
            micros.push(started.elapsed().as_micros().to_string());
        }
        println!("{}", micros.join(" "));
    }
    Ok(())
}

async fn call(
    client: &Client,
    table: &str,
    operation: &str,
    user: &str,
    session: &str,
) -> Result<(), Failure> {
    match operation {
        "list" => {
            let query = client.query().table_name(table).index_name("byUpdateTime").consistent_read(true);
            let query = query
                .key_condition_expression("userId = :user")
                .expression_attribute_values(":user", s(user));
            query.scan_index_forward(false).limit(101).send().await?;
        }
        "get" => {
            let get = client.get_item().table_name(table).consistent_read(true);
            get.key("userId", s(user)).key("sessionId", s(session)).send().await?;
        }
        _ => {
            let update =
                client.update_item().table_name(table).key("userId", s(user)).key("sessionId", s(session));
            let update =
                update.update_expression("SET ext = :ext").expression_attribute_values(":ext", s("x"));
            update.send().await?;
        }
    }
    Ok(())
}
