//! DNS lookups of DynamoDB's endpoint.

use std::{net::IpAddr, sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use tokio::{net, sync::Mutex, time::Instant};

/// How long a result is reused. DynamoDB's names are valid for seconds.
const FRESH: Duration = Duration::from_secs(1);

/// Shares one lookup among all connections that are opened concurrently. Each lookup takes a thread of its own, which a cold start
/// would create only for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CachingResolver(Arc<Mutex<Option<Found>>>);

#[derive(Debug)]
struct Found {
    name: String,
    addresses: Vec<IpAddr>,
    at: Instant,
}

impl ResolveDns for CachingResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            // Concurrent lookups wait for the same result.
            let mut last = self.0.lock().await;
            if let Some(found) =
                last.as_ref().filter(|found| found.name == name && found.at.elapsed() < FRESH)
            {
                return Ok(found.addresses.clone());
            }
            let found = net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            let addresses: Vec<_> = found.map(|address| address.ip()).collect();
            *last = Some(Found { name: name.to_owned(), addresses: addresses.clone(), at: Instant::now() });
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lookup_is_cached_for_its_name_and_a_short_time() {
        let resolver = CachingResolver::default();
        let found = resolver.resolve_dns("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
        let entry = |addresses: Vec<IpAddr>, at| Found { name: "localhost".to_owned(), addresses, at };
        let other = IpAddr::from([192, 0, 2, 1]);
        *resolver.0.lock().await = Some(entry(vec![other], Instant::now()));
        assert_eq!(resolver.resolve_dns("localhost").await.unwrap(), [other], "not asked again");
        assert_ne!(resolver.resolve_dns("127.0.0.1").await.unwrap(), [other], "another name");
        *resolver.0.lock().await = Some(entry(vec![other], Instant::now() - FRESH));
        assert_eq!(resolver.resolve_dns("localhost").await.unwrap(), found, "asked again");
    }
}
