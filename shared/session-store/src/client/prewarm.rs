//! Opening connections before the first invocation.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Config, config};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
    },
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use futures_util::{FutureExt, future};
use http_body_util::{BodyStream, StreamBody};
use tokio::{sync::Barrier, time::timeout};

use crate::{
    Store,
    codec::{
        item::s,
        schema::{SESSION_ID, USER_ID},
    },
};

impl Store {
    /// Opens `count` connections, each by reading a key that never exists, because accounts do not contain `/`. It is the only key
    /// that every function may read. Whatever the response is, the connection is open. If DynamoDB cannot be reached soon, the
    /// first invocation will show it.
    pub async fn prewarm(&self, count: usize) {
        const PATIENCE: Duration = Duration::from_millis(500);
        let Some(http) = self.client.config().http_client() else { return };
        let config = Config::builder().http_client(one_connection_each(http, count));
        let reads = (0..count).map(|_| self.read_nothing(config.clone()));
        let _ = timeout(PATIENCE, future::join_all(reads)).await;
    }

    async fn read_nothing(&self, config: config::Builder) {
        let read = self
            .client
            .get_item()
            .table_name(&*self.sessions_table)
            .key(USER_ID, s("/open-connection"))
            .key(SESSION_ID, s("/"));
        let _ = read.customize().config_override(config).send().await;
    }
}

/// A client for `count` concurrent requests, each of which gets a connection of its own. No request is sent completely before all
/// of them are under way. Otherwise the first response would free a connection for the next request. That request would use it
/// rather than wait for its own connection, which would stay half open for the first invocation to finish.
fn one_connection_each(http: SharedHttpClient, count: usize) -> SharedHttpClient {
    let all = Arc::new(Barrier::new(count));
    http_client_fn(move |settings, components| {
        let connector = http.http_connector(settings, components);
        SharedHttpConnector::new(SendsTogether { connector, all: Arc::clone(&all) })
    })
}

#[derive(Debug)]
struct SendsTogether {
    connector: SharedHttpConnector,
    all: Arc<Barrier>,
}

impl HttpConnector for SendsTogether {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.connector.call(request.map(|body| {
            // A body is requested when its request has a connection.
            let all = Arc::clone(&self.all);
            let late = async move {
                all.wait().await;
                BodyStream::new(body)
            };
            SdkBody::from_body_1_x(StreamBody::new(late.flatten_stream()))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use aws_sdk_dynamodb::{Client, config::Credentials};
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio::{
        io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::{JoinSet, spawn},
        time::sleep,
    };
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, crypto::ring},
    };

    use super::*;
    use crate::{Settings, TrustedRoots};

    /// Responds to each request immediately, and reports on which connection it arrived. Each connection opens later than those
    /// before it.
    async fn response(listener: TcpListener, tls: TlsAcceptor, seen: mpsc::Sender<u32>) {
        let mut connections = JoinSet::new();
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (tls, seen) = (tls.clone(), seen.clone());
            connections.spawn(async move {
                sleep(Duration::from_millis(20) * connection).await;
                let mut stream = tls.accept(stream).await.unwrap();
                while read_request(&mut stream).await.is_some() {
                    seen.send(connection).unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
                }
            });
        }
    }

    /// Reads one request to the end of its JSON, if one comes.
    async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"}}}") {
            stream.read_buf(&mut request).await.ok().filter(|length| *length > 0)?;
        }
        Some(())
    }

    fn certificate() -> (TlsAcceptor, TrustedRoots) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.into())
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), TrustedRoots::parse(cert.pem().into_bytes()).unwrap())
    }

    #[tokio::test]
    async fn all_connections_are_opened_at_start_and_none_later() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (tls, root) = certificate();
        let (seen, requests) = mpsc::channel();
        spawn(response(listener, tls, seen));
        let mut store = Store::connect(Settings {
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint),
            sessions_table: "Sessions".to_owned(),
            ca_bundle: Some(root),
            ..Settings::default()
        })
        .unwrap();
        let credentials = Credentials::new("id", "secret", None, None, "test");
        let config = store.client.config().to_builder().credentials_provider(credentials);
        store.client = Client::from_conf(config.build());
        for when in ["opened", "still open"] {
            store.prewarm(3).await;
            let mut connections: Vec<_> = requests.try_iter().collect();
            connections.sort_unstable();
            assert_eq!(connections, [0, 1, 2], "{when}");
        }
    }
}
