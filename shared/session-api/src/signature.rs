//! The signature of the messaging backend, as Yunxin makes it.

use md5::Md5;
use sha1::{Digest, Sha1};
use subtle::{Choice, ConstantTimeEq};

use crate::{Call, Environment, Problem};

/// The key pair the backend signs with, and during a rotation the secret it signed with before.
pub struct Signature {
    app_key: String,
    secrets: Vec<String>,
}

impl Signature {
    /// Reads `MESSAGE_COPY_APP_KEY`, `MESSAGE_COPY_APP_SECRET` and, during a rotation,
    /// `MESSAGE_COPY_PREVIOUS_APP_SECRET`.
    pub fn configure(environment: &mut Environment) -> Self {
        let app_key = environment.required("MESSAGE_COPY_APP_KEY");
        let mut secrets = vec![environment.required("MESSAGE_COPY_APP_SECRET")];
        secrets.extend(environment.optional("MESSAGE_COPY_PREVIOUS_APP_SECRET"));
        Self { app_key, secrets }
    }

    /// Verifies that the backend signed the body: `MD5` is that of the raw body, and `CheckSum` the SHA-1 of the secret,
    /// that MD5 and `CurTime`. Compared in constant time, without telling which secret fitted.
    pub fn verify(&self, call: &Call, body: &[u8]) -> Result<(), Problem> {
        let header =
            |name: &str| call.header(name).ok_or_else(|| Problem::forbidden(format!("{name} is missing")));
        if !bool::from(header("AppKey")?.as_bytes().ct_eq(self.app_key.as_bytes())) {
            return Err(Problem::forbidden("AppKey is not known"));
        }
        let md5 = header("MD5")?;
        if decoded::<16>(md5).is_none_or(|given| given != Md5::digest(body).as_slice()) {
            return Err(Problem::forbidden("MD5 is not the MD5 of the body"));
        }
        let cur_time = header("CurTime")?;
        let check_sum = decoded::<20>(header("CheckSum")?).unwrap_or_default();
        let fits = self.secrets.iter().fold(Choice::from(0), |fits, secret| {
            let expected =
                Sha1::new().chain_update(secret).chain_update(md5).chain_update(cur_time).finalize();
            fits | expected.ct_eq(&check_sum)
        });
        if bool::from(fits) {
            Ok(())
        } else {
            Err(Problem::forbidden("CheckSum does not fit AppSecret, MD5 and CurTime"))
        }
    }
}

fn decoded<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(hex, &mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::tests::call;

    const BODY: &str = r#"{"eventType":"1"}"#;

    fn md5(body: &str) -> String {
        hex::encode(Md5::digest(body))
    }

    async fn verified(changes: &[(&str, &str)]) -> Result<(), String> {
        let signature = Signature { app_key: "key".into(), secrets: vec!["new".into(), "old".into()] };
        let check_sum = hex::encode(Sha1::digest(format!("new{}1700000000000", md5(BODY))));
        let mut headers =
            json!({"appkey": "key", "curtime": "1700000000000", "md5": md5(BODY), "checksum": check_sum});
        for (name, value) in changes {
            headers[*name] = (*value).into();
        }
        let call = call(json!({"headers": headers, "body": BODY})).await;
        let body = call.body(100).unwrap();
        signature.verify(&call, body).map_err(|problem| format!("{} {}", problem.status(), problem.detail()))
    }

    #[tokio::test]
    async fn both_secrets_are_accepted_during_a_rotation() {
        assert_eq!(verified(&[]).await, Ok(()));
        let with = |secret: &str| hex::encode(Sha1::digest(format!("{secret}{}1700000000000", md5(BODY))));
        assert_eq!(verified(&[("checksum", &with("old"))]).await, Ok(()));
        let refused = Err("403 CheckSum does not fit AppSecret, MD5 and CurTime".to_owned());
        assert_eq!(verified(&[("checksum", &with("older"))]).await, refused);
        assert_eq!(verified(&[("checksum", &with(""))]).await, refused);
    }

    #[tokio::test]
    async fn whatever_does_not_fit_is_refused_by_its_name() {
        let other_md5 = md5("{}");
        for (header, value, named) in [
            ("appkey", "other", "403 AppKey is not known"),
            ("appkey", "", "403 AppKey is not known"),
            ("md5", &other_md5, "403 MD5 is not the MD5 of the body"),
            ("md5", "", "403 MD5 is not the MD5 of the body"),
            ("md5", "zz", "403 MD5 is not the MD5 of the body"),
            ("curtime", "1700000000001", "403 CheckSum does not fit AppSecret, MD5 and CurTime"),
            ("checksum", "", "403 CheckSum does not fit AppSecret, MD5 and CurTime"),
            ("checksum", "00", "403 CheckSum does not fit AppSecret, MD5 and CurTime"),
        ] {
            assert_eq!(verified(&[(header, value)]).await, Err(named.to_owned()), "{header}: {value}");
        }
    }
}
