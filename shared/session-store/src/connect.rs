//! The connection to DynamoDB.

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::Client;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

use tokio::time::timeout;

use crate::{
    Store,
    item::s,
    table::{SESSION_ID, USER_ID},
};

/// Amazon Root CA 1 to 4 and Starfield Services Root CA - G2: the roots that Amazon Trust Services publishes for AWS's
/// endpoints. Reading these five takes a tenth of the instructions that a system's 145 roots do.
const AMAZON_ROOTS: &[u8] = include_bytes!("../amazon-roots.pem");

/// What a store needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the `Sessions` table.
    pub sessions_table: String,
    /// The name of the `Groups` table.
    pub groups_table: String,
    /// PEM certificates to trust instead of Amazon's roots (`AWS_CA_BUNDLE`).
    pub ca_bundle: Option<Vec<u8>>,
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[error("the TLS client could not be set up")]
pub struct ConnectError;

impl Store {
    /// A client for the region, the credentials and the endpoint of the environment, as every AWS SDK reads them
    /// (`AWS_ENDPOINT_URL_DYNAMODB` included). Makes no request.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        let roots = settings.ca_bundle.unwrap_or_else(|| AMAZON_ROOTS.to_vec());
        let trust = TrustStore::empty().with_pem_certificate(roots);
        let tls = TlsContext::builder().with_trust_store(trust).build().map_err(|_| ConnectError)?;
        let http =
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
        // DynamoDB answers in milliseconds: an attempt that takes most of a second is lost, and the next one mostly is
        // not. Three of them and their pauses end before a function's own deadline at 4 s.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(500))
            .operation_attempt_timeout(Duration::from_millis(900))
            .operation_timeout(Duration::from_millis(3_200))
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(
                RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)),
            )
            .load()
            .await;
        Ok(Self {
            client: Client::new(&config),
            sessions_table: settings.sessions_table.into(),
            groups_table: settings.groups_table.into(),
            meter: Arc::default(),
        })
    }

    /// Opens a connection, by reading a key that never exists: no account holds a `/`. Whatever comes back, the
    /// connection is open, so this needs no permission; if DynamoDB cannot be reached soon, the first call will tell.
    pub async fn open_connection(&self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        let read = self
            .client
            .get_item()
            .table_name(&*self.sessions_table)
            .key(USER_ID, s("/open-connection"))
            .key(SESSION_ID, s("/"));
        let _ = timeout(PATIENCE, read.send()).await;
    }
}
