//! The signature of the messaging backend, in Yunxin's format.

use std::{borrow::Cow, time::Duration};

use md5::Md5;
use sha1::{Digest, Sha1};
use subtle::{Choice, ConstantTimeEq};

use session_model::Timestamp;

use crate::{Environment, HttpRequest, Note, Outcome, Problem};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The minimum length of a secret, in characters. Yunxin's have 12. A shorter one is a word that stands for no secret, such as `none`,
/// or one that can be guessed.
const MIN_SECRET: usize = 12;

/// The key pair that the backend signs with, and during a rotation also the previous secret.
pub struct Signature {
    app_key: String,
    secrets: Vec<String>,
    /// The maximum age of a signature, in days; 0 means no maximum.
    max_age_days: u64,
}

impl Signature {
    /// Reads `MESSAGE_COPY_APP_KEY`, `MESSAGE_COPY_APP_SECRET`, `MESSAGE_COPY_PREVIOUS_APP_SECRET` (set during a rotation) and
    /// `MAX_CUR_TIME_AGE_DAYS` (default 7). With a secret that is too short, start-up fails.
    pub fn configure(environment: &mut Environment) -> Self {
        let app_key = environment.required("MESSAGE_COPY_APP_KEY");
        let secret = environment.required("MESSAGE_COPY_APP_SECRET");
        let previous = environment.optional("MESSAGE_COPY_PREVIOUS_APP_SECRET");
        for (name, secret) in [
            ("MESSAGE_COPY_APP_SECRET", Some(&secret)),
            ("MESSAGE_COPY_PREVIOUS_APP_SECRET", previous.as_ref()),
        ] {
            if secret.is_some_and(|secret| secret.chars().count() < MIN_SECRET) {
                environment.problem(format!("{name} must have {MIN_SECRET} characters or more"));
            }
        }
        let secrets = [secret].into_iter().chain(previous).collect();
        let max_age_days = environment.parsed("MAX_CUR_TIME_AGE_DAYS").unwrap_or(7);
        Self { app_key, secrets, max_age_days }
    }

    /// Verifies that the backend signed the body. `MD5` must be the MD5 of the raw body, and `CheckSum` the SHA-1 of the secret,
    /// that MD5 and `CurTime`. The comparison takes constant time and does not reveal which secret matched. The secret proves the
    /// sender; `AppKey` is compared if it is present.
    ///
    /// Old signatures are rejected: a copy from an archive must not restore what was removed since.
    pub fn verify(&self, request: &HttpRequest<'_>, body: &[u8]) -> Result<(), Problem> {
        let cur_time = self.verify_sums(request, body)?;
        self.check_age(&cur_time, request.now()).map_err(Problem::forbidden)
    }

    /// Verifies a request that must have been signed at most `max_age` before or after now, whatever is configured.
    pub fn verify_recent(
        &self,
        request: &HttpRequest<'_>,
        body: &[u8],
        max_age: Duration,
    ) -> Result<(), Problem> {
        let signed = signed_at(&self.verify_sums(request, body)?).map_err(Problem::forbidden)?;
        let apart = Duration::from_millis(signed.abs_diff(request.now().as_millis()));
        if apart > max_age {
            let minutes = max_age.as_secs() / 60;
            return Err(Problem::forbidden(format!("CurTime must be of the last {minutes} minutes")));
        }
        Ok(())
    }

    /// Verifies `AppKey`, `MD5` and `CheckSum`, and returns the `CurTime` at which the backend signed the body.
    fn verify_sums<'a>(&self, request: &HttpRequest<'a>, body: &[u8]) -> Result<Cow<'a, str>, Problem> {
        let is_ours = |app_key: &str| bool::from(app_key.as_bytes().ct_eq(self.app_key.as_bytes()));
        let app_key = request.header("AppKey");
        if app_key.as_deref().is_some_and(|app_key| !is_ours(app_key)) {
            return Err(Problem::forbidden("AppKey is not known"));
        }
        let rejected = |detail: String| {
            let problem = Problem::forbidden(detail);
            // With our AppKey, it is a request of the backend whose headers a proxy has lost, or whose body it has changed.
            let of_backend = Note { outcome: Some(Outcome::Rejected), ..Note::default() };
            if app_key.is_some() { problem.with_note(of_backend) } else { problem }
        };
        let header = |name: &str| request.header(name).ok_or_else(|| rejected(format!("{name} is missing")));
        let md5 = header("MD5")?;
        if decoded::<16>(&md5).is_none_or(|given| given != Md5::digest(body).as_slice()) {
            return Err(rejected("MD5 is not the MD5 of the body".to_owned()));
        }
        let cur_time = header("CurTime")?;
        let check_sum = decoded::<20>(&header("CheckSum")?).unwrap_or_default();
        let fits = self.secrets.iter().fold(Choice::from(0), |fits, secret| {
            let expected =
                Sha1::new().chain_update(secret).chain_update(&*md5).chain_update(&*cur_time).finalize();
            fits | expected.ct_eq(&check_sum)
        });
        if !bool::from(fits) {
            return Err(Problem::forbidden("CheckSum does not fit AppSecret, MD5 and CurTime"));
        }
        Ok(cur_time)
    }

    fn check_age(&self, cur_time: &str, now: Timestamp) -> Result<(), String> {
        let (signed, now) = (signed_at(cur_time)?, now.as_millis());
        if signed > now + DAY_MS {
            Err("CurTime must not be more than a day ahead".into())
        } else if self.max_age_days != 0 && signed < now.saturating_sub(self.max_age_days * DAY_MS) {
            Err(format!("CurTime must not be more than {} days ago", self.max_age_days))
        } else {
            Ok(())
        }
    }
}

/// Parses a `CurTime` into ms. Yunxin's own samples also show it in seconds.
fn signed_at(cur_time: &str) -> Result<u64, &'static str> {
    let signed: Timestamp = cur_time.parse().map_err(|_| "CurTime must be a time in milliseconds")?;
    let unit = if cur_time.len() <= 10 { 1_000 } else { 1 };
    Ok(signed.as_millis().saturating_mul(unit))
}

fn decoded<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(hex, &mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::tests::with_request;

    const BODY: &str = r#"{"eventType":"1"}"#;

    fn md5(body: &str) -> String {
        hex::encode(Md5::digest(body))
    }

    fn check_sum(secret: &str, cur_time: &str) -> String {
        hex::encode(Sha1::digest(format!("{secret}{}{cur_time}", md5(BODY))))
    }

    fn signature(max_age_days: u64) -> Signature {
        Signature { app_key: "key".into(), secrets: vec!["new".into(), "old".into()], max_age_days }
    }

    /// Verifies a request that is signed correctly except for these headers. A header without a value is left out.
    fn verified(changes: &[(&str, Option<&str>)]) -> Result<(), String> {
        let mut headers =
            json!({"appkey": "key", "curtime": "1", "md5": md5(BODY), "checksum": check_sum("new", "1")});
        for (name, value) in changes {
            headers[*name] = (*value).into();
        }
        with_request(&json!({"headers": headers, "body": BODY}), |request| {
            let verified = signature(7).verify(request, request.body(100).unwrap());
            verified.map_err(|problem| format!("{} {}", problem.status(), problem.detail()))
        })
    }

    #[test]
    fn both_secrets_are_accepted_during_a_rotation() {
        let with = |secret| verified(&[("checksum", Some(&*check_sum(secret, "1")))]);
        assert_eq!((with("new"), with("old")), (Ok(()), Ok(())));
        let rejected = Err("403 CheckSum does not fit AppSecret, MD5 and CurTime".to_owned());
        assert_eq!((with("older"), with("")), (rejected.clone(), rejected));
    }

    #[test]
    fn the_secret_proves_the_sender_even_without_an_app_key() {
        assert_eq!(verified(&[("appkey", None)]), Ok(()));
    }

    #[test]
    fn a_mismatch_names_what_does_not_match() {
        let other_md5 = md5("{}");
        for (header, value, named) in [
            ("appkey", Some("other"), "403 AppKey is not known"),
            ("appkey", Some(""), "403 AppKey is not known"),
            ("md5", Some(&*other_md5), "403 MD5 is not the MD5 of the body"),
            ("md5", Some(""), "403 MD5 is not the MD5 of the body"),
            ("md5", Some("zz"), "403 MD5 is not the MD5 of the body"),
            ("md5", None, "403 MD5 is missing"),
            ("curtime", Some("2"), "403 CheckSum does not fit AppSecret, MD5 and CurTime"),
            ("curtime", None, "403 CurTime is missing"),
            ("checksum", Some(""), "403 CheckSum does not fit AppSecret, MD5 and CurTime"),
            ("checksum", Some("00"), "403 CheckSum does not fit AppSecret, MD5 and CurTime"),
            ("checksum", None, "403 CheckSum is missing"),
        ] {
            assert_eq!(verified(&[(header, value)]), Err(named.to_owned()), "{header}: {value:?}");
        }
        let soon = check_sum("new", "soon");
        let rejected = verified(&[("curtime", Some("soon")), ("checksum", Some(&soon))]);
        assert_eq!(rejected, Err("403 CurTime must be a time in milliseconds".into()));
        let ahead = "100000";
        let rejected = verified(&[("curtime", Some(ahead)), ("checksum", Some(&check_sum("new", ahead)))]);
        assert_eq!(rejected, Err("403 CurTime must not be more than a day ahead".into()));
    }

    #[test]
    fn an_old_or_future_signature_is_rejected() {
        let now = 1_700_000_000_000;
        let checked = |days: u64, cur_time: u64| {
            signature(days).check_age(&cur_time.to_string(), Timestamp::from_millis(now)).is_ok()
        };
        for (days, cur_time, expected) in [
            (7, now, true),
            (7, now - 7 * DAY_MS, true),
            (7, now - 7 * DAY_MS - 1, false),
            (8, now - 7 * DAY_MS - 1, true),
            (0, 1_000_000_000_000, true),
            (7, now + DAY_MS, true),
            (7, now + DAY_MS + 1, false),
            (0, now + DAY_MS + 1, false),
            (7, now / 1_000, true),
            (7, now / 1_000 - 7 * 86_400 - 1, false),
            (7, now / 1_000 + 86_401, false),
        ] {
            assert_eq!(checked(days, cur_time), expected, "{days} days, {cur_time}");
        }
    }
}
