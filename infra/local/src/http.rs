//! The client by which everything here makes calls, over TLS where an address says so.

use reqwest::Client;
use rustls::crypto::{CryptoProvider, ring};

/// A client. It trusts what the machine trusts, and does its cryptography with ring, as the functions do.
#[must_use]
pub fn client() -> Client {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, with the same.
        let _ = ring::default_provider().install_default();
    }
    Client::new()
}
