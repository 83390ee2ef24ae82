//! Tokens: an issuer for local use, and an authorizer that checks them as API Gateway's JWT authorizer does.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    jwk::{Jwk, JwkSet},
};
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::OsRng};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{clock::Clock, template};

/// The lifetime of a token of the local issuer, in seconds.
const LIFETIME: u64 = 12 * 60 * 60;

/// The key of the issuers that share one. Generating it takes longer than the rest of a service's start-up.
static SHARED_KEY: Mutex<Option<EncodingKey>> = Mutex::new(None);

/// An issuer of signed tokens.
pub struct Issuer {
    url: String,
    audience: String,
    key_id: String,
    key: EncodingKey,
    clock: Clock,
}

impl Issuer {
    /// Creates an issuer with this URL and clock, and a new key.
    pub fn new(url: String, audience: String, clock: Clock) -> Result<Self> {
        Ok(Self::with_key(new_key()?, url, audience, clock))
    }

    /// Creates an issuer with the key that all such issuers of this process share.
    pub fn with_shared_key(url: String, audience: String, clock: Clock) -> Result<Self> {
        // While one thread generates the key, the others wait.
        let mut shared = SHARED_KEY.lock().unwrap_or_else(PoisonError::into_inner);
        let key = match &*shared {
            Some(key) => key.clone(),
            None => shared.insert(new_key()?).clone(),
        };
        Ok(Self::with_key(key, url, audience, clock))
    }

    fn with_key(key: EncodingKey, url: String, audience: String, clock: Clock) -> Self {
        Self { url, audience, key_id: Uuid::new_v4().to_string(), key, clock }
    }

    /// The `iss` claim of its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The id of its key, which differs at every start.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the claims of a valid token for the user.
    #[must_use]
    pub fn claims(&self, user: &str) -> Value {
        let now = self.clock.since_epoch().as_secs();
        json!({"iss": self.url, "aud": self.audience, "sub": user, "iat": now, "exp": now + LIFETIME})
    }

    /// Returns a valid token for the user.
    pub fn token(&self, user: &str) -> Result<String> {
        self.sign(&self.claims(user))
    }

    /// Signs any claims as a token.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::RS256) };
        Ok(encode(&header, claims, &self.key)?)
    }

    /// Returns the public key in the form that authorizers read.
    pub fn keys(&self) -> Result<JwkSet> {
        let mut key = Jwk::from_encoding_key(&self.key, Algorithm::RS256)?;
        key.common.key_id = Some(self.key_id.clone());
        Ok(JwkSet { keys: vec![key] })
    }

    /// Returns the response body of `/.well-known/openid-configuration`.
    #[must_use]
    pub fn configuration(&self) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}/.well-known/jwks.json", self.url),
            "token_endpoint": format!("{}/token", self.url),
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }
}

fn new_key() -> Result<EncodingKey> {
    let key = RsaPrivateKey::new(&mut OsRng, 2048).context("cannot create a signing key")?;
    Ok(EncodingKey::from_rsa_der(key.to_pkcs1_der()?.as_bytes()))
}

/// An authorizer, which checks tokens: RS256, a key of the issuer's set by its `kid`, issuer, audience, expiry, not-before and
/// issued-at.
pub struct Authorizer {
    settings: template::Authorizer,
    keys: JwkSet,
    clock: Clock,
}

impl Authorizer {
    /// Creates an authorizer that accepts tokens of the template's issuer, signed with these keys, while they are valid by this
    /// clock.
    #[must_use]
    pub fn new(settings: template::Authorizer, keys: JwkSet, clock: Clock) -> Self {
        Self { settings, keys, clock }
    }

    /// Returns the claims of the token in the `Authorization` header, as API Gateway forwards them. Returns none if the token is
    /// not valid.
    #[must_use]
    pub fn claims(&self, header: Option<&str>) -> Option<Map<String, Value>> {
        let header = header?;
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return None,
            None => header,
        };
        let key_id = decode_header(token).ok()?.kid?;
        let key = DecodingKey::from_jwk(self.keys.find(&key_id)?).ok()?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.set_issuer(&[&self.settings.issuer]);
        // Checked below, with our own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Map<String, Value>>(token, &key, &validation).ok()?.claims;
        if !self.is_valid_now(&claims) {
            return None;
        }
        let handed_on = || claims.iter().map(|(name, value)| (name.clone(), handed_on(value)));
        self.has_audience(&claims).then(|| handed_on().collect())
    }

    /// Whether `exp` is in the future, and `iat` and `nbf`, if present, are not.
    fn is_valid_now(&self, claims: &Map<String, Value>) -> bool {
        let now = self.clock.since_epoch().as_secs_f64();
        let time = |name: &str| claims.get(name).map(|value| value.as_f64().unwrap_or(f64::INFINITY));
        let has_come = |name| time(name).is_none_or(|time| time <= now);
        has_come("iat")
            && has_come("nbf")
            && claims.get("exp").and_then(Value::as_f64).is_some_and(|exp| exp > now)
    }

    /// Whether the audience matches. API Gateway reads `client_id` only if there is no `aud`.
    fn has_audience(&self, claims: &Map<String, Value>) -> bool {
        let named = claims.get("aud").or_else(|| claims.get("client_id"));
        let fits = |name: &Value| self.settings.audience.iter().any(|audience| name == audience);
        named
            .is_some_and(|named| named.as_array().map_or_else(|| fits(named), |names| names.iter().any(fits)))
    }
}

/// Converts a claim as API Gateway does, which forwards every claim as a string. Lists and objects are left as they are. Converted
/// to a string, they would name no user or a wrong one; unconverted, they name no user.
fn handed_on(value: &Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => value.to_string().into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn issuer() -> Issuer {
        Issuer::new("http://issuer".into(), "app".into(), Clock::default()).unwrap()
    }

    fn authorizer(issuer: &Issuer) -> Authorizer {
        let settings = template::Authorizer { issuer: "http://issuer".into(), audience: vec!["app".into()] };
        Authorizer::new(settings, issuer.keys().unwrap(), issuer.clock.clone())
    }

    #[test]
    fn a_valid_token_gives_its_claims() {
        let issuer = issuer();
        let token = issuer.token("alice").unwrap();
        for header in [token.clone(), format!("Bearer {token}"), format!("bearer {token}")] {
            let claims = authorizer(&issuer).claims(Some(&header)).unwrap();
            assert_eq!(claims["sub"], "alice");
            assert!(claims["exp"].is_string());
        }
    }

    #[test]
    fn a_token_ends_by_the_clock_of_the_service() {
        let issuer = issuer();
        let (authorizer, token) = (authorizer(&issuer), issuer.token("alice").unwrap());
        assert!(issuer.clock.advance(Duration::from_hours(13)));
        assert_eq!(authorizer.claims(Some(&token)), None);
        assert!(authorizer.claims(Some(&issuer.token("alice").unwrap())).is_some());
    }

    #[test]
    fn any_other_token_is_rejected() {
        let (issuer, stranger) = (issuer(), self::issuer());
        let authorizer = authorizer(&issuer);
        let with = |name: &str, value: Value| {
            let mut claims = issuer.claims("alice");
            claims[name] = value;
            issuer.sign(&claims).unwrap()
        };
        let now = issuer.clock.since_epoch().as_secs();
        let forged = Header { kid: Some(issuer.key_id.clone()), ..Header::new(Algorithm::RS256) };
        let symmetric = Header { kid: Some(issuer.key_id.clone()), ..Header::new(Algorithm::HS256) };
        let claims = issuer.claims("alice");
        let none = {
            let token = issuer.token("alice").unwrap();
            let payload = token.split('.').nth(1).unwrap();
            let header = json!({"alg": "none", "kid": issuer.key_id}).to_string();
            let header = base64_simd::URL_SAFE_NO_PAD.encode_to_string(header);
            format!("{header}.{payload}.")
        };
        for (case, token) in [
            ("expired", with("exp", (now - 1).into())),
            ("no expiry", with("exp", Value::Null)),
            ("not yet valid", with("nbf", (now + 60).into())),
            ("issued in future", with("iat", (now + 60).into())),
            ("wrong issuer", with("iss", "http://other".into())),
            ("wrong audience", with("aud", "other".into())),
            ("no audience", with("aud", Value::Null)),
            ("unknown key", stranger.token("alice").unwrap()),
            ("wrong key", encode(&forged, &claims, &stranger.key).unwrap()),
            ("wrong algorithm", encode(&symmetric, &claims, &EncodingKey::from_secret(b"secret")).unwrap()),
            ("alg none", none),
            ("no token", String::new()),
            ("no bearer", format!("Basic {}", issuer.token("alice").unwrap())),
        ] {
            assert_eq!(authorizer.claims(Some(&token)), None, "{case}");
        }
        assert_eq!(authorizer.claims(None), None);
        assert!(authorizer.claims(Some(&with("aud", json!(["other", "app"])))).is_some());
    }
}
