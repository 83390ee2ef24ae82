//! The store: the embedded engine behind a proxy that terminates TLS, because cryptography is a large part of a cold start.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use dynoxide::{Database, ImportOptions, types::AttributeValue};
use indicatif::ProgressBar;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_RSA_SHA256};
use rsa::{RsaPrivateKey, pkcs8::EncodePrivateKey, rand_core::OsRng};
use session_local::{
    backend::signing::{LOCAL_APP_KEY, LOCAL_APP_SECRET},
    emulator::{dynamodb::DynamoDb, template::Template},
    workspace::workspace,
};
use tokio::{
    io,
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_blocking},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::events;

type Item = HashMap<String, AttributeValue>;

/// A filled store, which is served until it is dropped.
pub struct Store {
    /// The URL of the store, with TLS.
    endpoint: String,
    /// The root certificate, as a PEM file.
    ca_bundle: PathBuf,
    _tasks: JoinSet<()>,
}

impl Store {
    /// Creates a store. Its users are given by the numbers of their sessions, and by the numbers of their groups.
    pub async fn start(users: &[u64], groups: &[u64]) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let database = Database::memory()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let plain = listener.local_addr()?.to_string();
        tasks.spawn(dynoxide::server::serve_on(listener, database.clone()));
        DynamoDb::at(&format!("http://{plain}"))
            .create_tables(&Template::of_the_repository()?.tables)
            .await?;
        fill(&database, users, groups).await?;
        let (acceptor, root) = certificates()?;
        let ca_bundle = workspace().canonicalize()?.join("target/benchmark-root.pem");
        std::fs::write(&ca_bundle, root)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("https://localhost:{}", listener.local_addr()?.port());
        tasks.spawn(proxy(listener, acceptor, plain));
        Ok(Self { endpoint, ca_bundle, _tasks: tasks })
    }

    /// Returns the environment variables that Lambda would give to a function on this store.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let ca_bundle = self.ca_bundle.display().to_string();
        vec![
            ("AWS_LAMBDA_FUNCTION_NAME", "benchmark".into()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "benchmark".into()),
            ("AWS_SECRET_ACCESS_KEY", "benchmark".into()),
            ("AWS_SESSION_TOKEN", "benchmark".into()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.endpoint.clone()),
            ("AWS_CA_BUNDLE", ca_bundle.clone()),
            ("SSL_CERT_FILE", ca_bundle),
            ("SESSIONS_TABLE", "SessionsTable".into()),
            ("GROUPS_TABLE", "GroupsTable".into()),
            ("DEAD_LETTERS_TABLE", "DeadLettersTable".into()),
            ("MESSAGE_COPY_APP_KEY", LOCAL_APP_KEY.into()),
            ("MESSAGE_COPY_APP_SECRET", LOCAL_APP_SECRET.into()),
        ]
    }
}

async fn fill(database: &Database, users: &[u64], groups: &[u64]) -> Result<()> {
    let total: u64 = users.iter().sum();
    let progress = ProgressBar::new(total);
    let import = async |table: &'static str, items: Vec<Item>| {
        let database = database.clone();
        let options = ImportOptions { record_streams: false, set_cached_at: false };
        spawn_blocking(move || database.import_items(table, items, options))
            .await?
            .context("cannot fill the store")
    };
    database.enable_bulk_loading()?;
    for &count in users {
        for first in (0..count).step_by(10_000) {
            let range = first..count.min(first + 10_000);
            let items: Vec<Item> =
                range.map(|number| session_item(&events::user(count), number, count)).collect();
            progress.inc(items.len() as u64);
            import("SessionsTable", items).await?;
        }
    }
    for &count in groups {
        let user = events::member(count);
        let mut session_items: Vec<Item> = (0..100).map(|number| session_item(&user, number, 100)).collect();
        session_items.extend((0..count).map(|number| membership(&user, number)));
        import("SessionsTable", session_items).await?;
    }
    let most = groups.iter().copied().max().unwrap_or_default();
    import("GroupsTable", (0..most).map(group_item).collect()).await?;
    database.disable_bulk_loading()?;
    progress.finish_and_clear();
    Ok(())
}

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn register(number: u64, message: String) -> Item {
    [
        ("updateTime", n(events::time(number))),
        ("msgTime", n(events::time(number))),
        ("msgId", s((8_200_000_000 + number).to_string())),
        ("lastMsg", s(message)),
        ("lastMsgType", n(0)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn session_item(user: &str, number: u64, count: u64) -> Item {
    let mut session_item = register(number, events::message(&events::peer(number, count), number));
    session_item.insert("userId".into(), s(user));
    session_item.insert("sessionId".into(), s(format!("p2p|{}", events::peer(number, count))));
    if number.is_multiple_of(3) {
        session_item.insert("ext".into(), s(events::EXT));
    }
    session_item
}

fn membership(user: &str, number: u64) -> Item {
    let since = events::time(0);
    [
        ("userId", s(user)),
        ("sessionId", s(events::group(number))),
        ("memberSince", n(since)),
        ("memberAt", n(since)),
        ("memberRank", n(0)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn group_item(number: u64) -> Item {
    let mut group_item = register(number % 100, events::message("somebody", number));
    group_item.insert("groupId".into(), s(events::group(number)));
    group_item
}

/// Creates a root certificate and a certificate for localhost, with RSA keys of 2,048 bits like DynamoDB's.
fn certificates() -> Result<(TlsAcceptor, String)> {
    let key = || -> Result<KeyPair> {
        let key = RsaPrivateKey::new(&mut OsRng, 2_048)?.to_pkcs8_der()?;
        let der = PrivateKeyDer::try_from(key.as_bytes().to_vec()).map_err(anyhow::Error::msg)?;
        Ok(KeyPair::from_der_and_sign_algo(&der, &PKCS_RSA_SHA256)?)
    };
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, key()?)?;
    let leaf_key = key()?;
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&leaf_key, &root)?;
    let private = PrivateKeyDer::try_from(leaf_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), root.pem()))
}

async fn proxy(listener: TcpListener, acceptor: TlsAcceptor, plain: String) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, plain) = (acceptor.clone(), plain.clone());
        // The client handles a broken connection.
        connections.spawn(async move {
            tcp.set_nodelay(true)?;
            let mut tls = acceptor.accept(tcp).await?;
            let mut engine = TcpStream::connect(plain).await?;
            engine.set_nodelay(true)?;
            io::copy_bidirectional_with_sizes(&mut tls, &mut engine, 1 << 16, 1 << 16).await
        });
    }
}
