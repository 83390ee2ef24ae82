//! The HTTP client of everything in this crate. It uses TLS for `https` URLs.

use reqwest::Client;
use rustls::crypto::{CryptoProvider, ring};

/// Creates a client. It trusts the machine's root certificates and uses ring for cryptography, as the functions do.
#[must_use]
pub fn client() -> Client {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have installed the same provider first.
        let _ = ring::default_provider().install_default();
    }
    Client::new()
}
