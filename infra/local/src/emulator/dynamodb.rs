//! A DynamoDB-compatible engine, either embedded or already running, accessed through DynamoDB's JSON protocol.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use dynoxide::Database;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet, time};

use super::{clock::Clock, template::Table};
use crate::http;

/// How often expired items are deleted. DynamoDB itself takes up to a few days.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The address of an engine, and a client for it.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    endpoint: Arc<str>,
    http: Client,
}

/// Creates the folder and the file of the embedded engine, unless they exist. What is created is for its owner only.
fn create_files(folder: &Path) -> Result<PathBuf> {
    if !folder.exists() {
        fs::create_dir_all(folder)
            .and_then(|()| restrict(folder, 0o700))
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let file = folder.join("dynamodb.sqlite");
    // SQLite gives its other files the permissions of this one.
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|_| restrict(&file, 0o600))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// Elsewhere, a user's folder is private already.
#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

impl DynamoDb {
    /// Uses the engine that runs at this address.
    #[must_use]
    pub fn at(endpoint: &str) -> Self {
        Self { endpoint: endpoint.trim_end_matches('/').into(), http: http::client() }
    }

    /// Starts the embedded engine, with its data in this folder or in memory. Its tasks run in `tasks`.
    pub async fn embedded(data: Option<&Path>, tasks: &mut JoinSet<()>) -> Result<Self> {
        let database = match data {
            None => Database::memory()?,
            Some(folder) => {
                let file = create_files(folder)?;
                let path = file.to_str().with_context(|| format!("{} is not UTF-8", file.display()))?;
                Database::new(path).with_context(|| format!("cannot open {path}"))?
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let engine = Self::at(&format!("http://{}", listener.local_addr()?));
        tasks.spawn(async move { dynoxide::server::serve_on(listener, database).await });
        Ok(engine)
    }

    /// Deletes expired items periodically, by a clock that the engine itself does not have.
    pub fn keep_swept(&self, tables: Vec<Table>, clock: Clock, tasks: &mut JoinSet<()>) {
        let engine = self.clone();
        tasks.spawn(async move {
            let mut ticks = time::interval(SWEEP_EVERY);
            loop {
                ticks.tick().await;
                if let Err(error) = engine.sweep(&tables, &clock).await {
                    eprintln!("cannot delete expired items: {error:#}");
                }
            }
        });
    }

    /// Deletes all expired items once.
    pub async fn sweep(&self, tables: &[Table], clock: &Clock) -> Result<()> {
        let expired = |table: &Table, attribute: &str| {
            json!({
                "TableName": table.name, "ExpressionAttributeNames": {"#ttl": attribute},
                "ExpressionAttributeValues": {":now": {"N": clock.since_epoch().as_secs().to_string()}},
            })
        };
        for table in tables {
            let Some(attribute) = &table.ttl_attribute else { continue };
            let mut scan = expired(table, attribute);
            scan["FilterExpression"] = "#ttl < :now".into();
            loop {
                let page = self.request("Scan", &scan).await?;
                for item in page["Items"].as_array().into_iter().flatten() {
                    let mut delete = expired(table, attribute);
                    delete["Key"] = table.key_of(item);
                    // The item may have been written again since the scan.
                    delete["ConditionExpression"] = "#ttl < :now".into();
                    match self.request("DeleteItem", &delete).await {
                        Err(error) if error.to_string().contains("ConditionalCheckFailed") => {}
                        other => drop(other?),
                    }
                }
                match page.get("LastEvaluatedKey") {
                    None | Some(Value::Null) => break,
                    Some(key) => scan["ExclusiveStartKey"] = key.clone(),
                }
            }
        }
        Ok(())
    }

    /// The URL of the engine.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Creates the tables that do not exist yet, with their TTL.
    pub async fn create_tables(&self, tables: &[Table]) -> Result<()> {
        for table in tables {
            match self.request("CreateTable", &table.create).await {
                Err(error) if error.to_string().contains("ResourceInUseException") => {
                    self.check_indexes(table).await?;
                }
                other => drop(other.with_context(|| format!("cannot create table {}", table.name))?),
            }
            let Some(attribute) = &table.ttl_attribute else { continue };
            let described = self.request("DescribeTimeToLive", &json!({"TableName": table.name})).await?;
            if described["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED" {
                let ttl = json!({"AttributeName": attribute, "Enabled": true});
                let input = json!({"TableName": table.name, "TimeToLiveSpecification": ttl});
                self.request("UpdateTimeToLive", &input).await?;
            }
        }
        Ok(())
    }

    /// Fails if an older version created the table. Local indexes cannot be added to it later.
    async fn check_indexes(&self, table: &Table) -> Result<()> {
        let names = |of: &Value| -> BTreeSet<String> {
            let indexes = of["LocalSecondaryIndexes"].as_array().into_iter().flatten();
            indexes.filter_map(|index| Some(index["IndexName"].as_str()?.to_owned())).collect()
        };
        let there = self.request("DescribeTable", &json!({"TableName": table.name})).await?;
        let missing = &names(&table.create) - &names(&there["Table"]);
        if let Some(index) = missing.first() {
            bail!(
                "the table {} was created by another version of the service: it has no index {index}, and none can be added. \
                 Take another folder or engine, or delete this one's data",
                table.name
            );
        }
        Ok(())
    }

    /// Sends one request to DynamoDB's API, with the action's name.
    pub async fn request(&self, action: &str, input: &Value) -> Result<Value> {
        // Local engines check only the form of a signature.
        let authorization = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, \
                             SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
        let request = self
            .http
            .post(&*self.endpoint)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{action}"))
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", authorization)
            .body(input.to_string());
        let unreachable = || format!("no response from DynamoDB at {}", self.endpoint);
        let response = request.send().await.with_context(unreachable)?;
        let status = response.status();
        let text = response.text().await.with_context(unreachable)?;
        if !status.is_success() {
            bail!("{action}: {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{action}: not JSON: {text}"))
    }
}
