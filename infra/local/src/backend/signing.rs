//! The signature of the messaging backend's requests.

use std::collections::HashMap;

use hex::encode;
use md5::Md5;
use sha1::{Digest, Sha1};

/// The default AppKey of a local service. The key pair protects nothing but a loopback port.
pub const LOCAL_APP_KEY: &str = "local-app-key";
/// The secret that belongs to [`LOCAL_APP_KEY`].
pub const LOCAL_APP_SECRET: &str = "local-app-secret";

/// A key pair of the messaging backend.
#[derive(Clone)]
pub(crate) struct KeyPair {
    pub(crate) app_key: String,
    pub(crate) app_secret: String,
}

impl KeyPair {
    /// Reads the pair from the template's parameters.
    pub(crate) fn of(parameters: &HashMap<&str, String>) -> Self {
        let parameter = |name| parameters.get(name).cloned().unwrap_or_default();
        Self { app_key: parameter("MessageCopyAppKey"), app_secret: parameter("MessageCopyAppSecret") }
    }
}

/// The `MD5` and the `CheckSum` header of a body.
#[must_use]
pub fn sign(app_secret: &str, body: impl AsRef<[u8]>, cur_time: &str) -> (String, String) {
    let md5 = encode(Md5::digest(body));
    let check_sum = encode(Sha1::digest(format!("{app_secret}{md5}{cur_time}")));
    (md5, check_sum)
}
