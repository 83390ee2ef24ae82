//! The connection to DynamoDB.

use std::{sync::Arc, time::Duration};

use aws_config::{
    BehaviorVersion, Region, environment::EnvironmentVariableCredentialsProvider, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::Client;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use session_model::register::LastMsgBytes;

use super::{dns::CachingResolver, user_agent::UserAgent};
use crate::{ClockCheck, Store, read::group_items};

/// Amazon Root CA 1 to 4 and Starfield Services Root CA - G2: the roots that Amazon Trust Services publishes for AWS's endpoints.
/// Parsing these 5 takes a tenth of the instructions that a system's 145 roots take.
const AMAZON_ROOTS: &[u8] = include_bytes!("../../amazon-roots.pem");

/// How long an idle connection is kept for the next request. DynamoDB closes a connection that has been idle for about a minute. A
/// request that is on its way at that moment would be lost, and sent again.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// The PEM certificates to trust. They are checked, because the TLS client would panic on invalid ones.
#[derive(Clone, Debug)]
pub struct TrustedRoots(Vec<u8>);

/// The error for a text that contains no certificate, or one that cannot be a root of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("holds no valid PEM certificates")]
pub struct InvalidRoots;

impl TrustedRoots {
    /// Amazon's own roots.
    fn amazon() -> Self {
        Self(AMAZON_ROOTS.to_vec())
    }

    /// Parses the certificates of a PEM text, of which there must be at least one.
    pub fn parse(pem: Vec<u8>) -> Result<Self, InvalidRoots> {
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| InvalidRoots)?;
            webpki::anchor_from_trusted_cert(&certificate).map_err(|_| InvalidRoots)?;
            count += 1;
        }
        if count == 0 { Err(InvalidRoots) } else { Ok(Self(pem)) }
    }
}

/// The settings of a store.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The AWS region.
    pub region: String,
    /// The URL of a DynamoDB other than the region's.
    pub endpoint: Option<String>,
    /// Whether to use the region's FIPS endpoint.
    pub fips: bool,
    /// Whether to use the region's dual-stack endpoint.
    pub dual_stack: bool,
    /// The name of the `Sessions` table.
    pub sessions_table: String,
    /// The name of the `Groups` table.
    pub groups_table: String,
    /// The limits of what items show, which bound how many group items are read together.
    pub last_msg_bytes: LastMsgBytes,
    /// The certificates to trust instead of Amazon's roots (`AWS_CA_BUNDLE`).
    pub ca_bundle: Option<TrustedRoots>,
    /// The check of the local clock against DynamoDB's, if it is to be done.
    pub clock_check: Option<ClockCheck>,
    /// The operation that the requests are for, which their `user-agent` names.
    pub operation: &'static str,
}

/// The error if no client could be created.
#[derive(Debug, thiserror::Error)]
#[error("the TLS client could not be set up")]
pub struct ConnectError;

impl Store {
    /// Creates a client with the credentials of the environment, where Lambda puts them. The SDK's chain of other providers would
    /// be an eighth of the executable. This sends no request.
    pub fn connect(settings: Settings) -> Result<Self, ConnectError> {
        let roots = settings.ca_bundle.unwrap_or_else(TrustedRoots::amazon);
        let trust = TrustStore::empty().with_pem_certificate(roots.0);
        let tls = TlsContext::builder().with_trust_store(trust).build().map_err(|_| ConnectError)?;
        let http = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls)
            .pool_idle_timeout(MAX_IDLE)
            .build_with_resolver(CachingResolver::default());
        // DynamoDB responds in milliseconds. An attempt that takes most of a second is lost, and the next one mostly is not. All 3
        // attempts and their pauses end before a function's own deadline at 4 s, so nothing else needs a timer. Each timer costs a
        // system call.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(500))
            .operation_attempt_timeout(Duration::from_millis(900))
            .build();
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region))
            .use_fips(settings.fips)
            .use_dual_stack(settings.dual_stack)
            .credentials_provider(EnvironmentVariableCredentialsProvider::new())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(
                RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(UserAgent::of(settings.operation));
        config.set_endpoint_url(settings.endpoint);
        if let Some(check) = settings.clock_check {
            config = config.interceptor(check);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            sessions_table: settings.sessions_table.into(),
            groups_table: settings.groups_table.into(),
            group_items_at_once: group_items::at_once(settings.last_msg_bytes),
            meter: Arc::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazon_s_five_roots_are_valid() {
        assert_eq!(CertificateDer::pem_slice_iter(AMAZON_ROOTS).count(), 5);
        assert!(TrustedRoots::parse(AMAZON_ROOTS.to_vec()).is_ok());
    }

    #[test]
    fn invalid_roots_are_rejected() {
        let mut damaged = AMAZON_ROOTS.to_vec();
        damaged[100] = b'!';
        let no_certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        for pem in [Vec::new(), b"text".to_vec(), damaged, no_certificate] {
            assert_eq!(TrustedRoots::parse(pem).err(), Some(InvalidRoots));
        }
    }
}
