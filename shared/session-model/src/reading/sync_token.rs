//! Sync tokens: where a device's next request continues.

use std::{fmt, str::FromStr};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{
    reader::IndexKey,
    sync_pass::{Phase, SyncPass},
};
use crate::{
    id::{Account, SessionId},
    json::InvalidValue,
    time::Timestamp,
};

/// The part that marks a pass that follows another one immediately.
const FOLLOW_UP: &str = "f";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Where a device continues: a sync pass, bound to an account and to an epoch. Opaque to callers. It contains only positions, so a
/// forged token cannot reach outside the caller's own list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncToken {
    account: [u8; 8],
    epoch: u32,
    sync_pass: SyncPass,
}

/// The reason why a token cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRejection {
    /// It reaches back too far, or belongs to another account or epoch. The list must be fetched again.
    Expired,
}

/// A token as received from a caller: parsed, and not yet verified to belong to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedToken(SyncToken);

impl SyncToken {
    /// How far back a token reaches, in days. Tombstones are kept longer.
    pub const MAX_AGE_DAYS: u64 = 30;

    /// Creates the token for a pass of this account. An operator who restores tables raises the epoch, which invalidates all
    /// tokens.
    #[must_use]
    pub fn new(account: &Account, epoch: u32, sync_pass: SyncPass) -> Self {
        Self { account: hash(account), epoch, sync_pass }
    }
}

impl UnverifiedToken {
    /// Returns the token's pass, if the token belongs to this account and epoch and does not reach back too far at `now`.
    pub fn sync_pass(
        self,
        account: &Account,
        epoch: u32,
        now: Timestamp,
    ) -> Result<SyncPass, TokenRejection> {
        let SyncToken { account: owner, epoch: of, sync_pass } = self.0;
        let oldest = now.earlier_by(SyncToken::MAX_AGE_DAYS * DAY_MS);
        // A token from the future was created by a skewed clock.
        let (_, newest) = sync_pass.change_times(now);
        if owner == hash(account) && of == epoch && (oldest..=newest).contains(&sync_pass.since) {
            Ok(sync_pass)
        } else {
            Err(TokenRejection::Expired)
        }
    }
}

fn hash(account: &Account) -> [u8; 8] {
    let mut hash = [0; 8];
    hash.copy_from_slice(&Sha256::digest(account.as_str())[..8]);
    hash
}

/// Formats the token as base64url of the account's hash, followed by these parts, which are separated by NUL: the epoch, `f` for a
/// pass that follows another one immediately, P, and for a pass under way its start, its phase, and the time and the id of what was
/// reported last, as far as they exist.
impl fmt::Display for SyncToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyncPass { since, under_way, is_follow_up } = &self.sync_pass;
        let mut parts = vec![self.epoch.to_string()];
        parts.extend(is_follow_up.then(|| FOLLOW_UP.to_owned()));
        parts.push(since.to_string());
        if let Some((started, phase)) = under_way {
            let key = |key: &IndexKey| vec![key.time.to_string(), key.session_id.to_string()];
            let (name, after) = match phase {
                Phase::Changed(after) => ("c", after.as_ref().map(key)),
                Phase::Updated(after) => ("u", after.as_ref().map(key)),
                Phase::Groups(after) => ("g", after.as_ref().map(|group| vec![group.to_string()])),
            };
            parts.extend([started.to_string(), name.to_owned()].into_iter().chain(after.unwrap_or_default()));
        }
        let plain = parts.join("\0");
        f.write_str(&URL_SAFE_NO_PAD.encode_to_string([&self.account[..], plain.as_bytes()].concat()))
    }
}

impl FromStr for UnverifiedToken {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let parse = || {
            let bytes = URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
            let (account, plain) = bytes.split_first_chunk::<8>()?;
            let (epoch, parts) = str::from_utf8(plain).ok()?.split_once('\0')?;
            let mut parts: Vec<&str> = parts.split('\0').collect();
            let is_follow_up = parts.first() == Some(&FOLLOW_UP);
            if is_follow_up {
                parts.remove(0);
            }
            let key = |time: &str, id: &str| {
                let session_id: SessionId = id.parse().ok()?;
                Some(Some(IndexKey { time: time.parse().ok()?, session_id }))
            };
            let (since, under_way) = match parts[..] {
                [since] => (since, None),
                [since, started, "c"] => (since, Some((started, Phase::Changed(None)))),
                [since, started, "c", time, id] => (since, Some((started, Phase::Changed(key(time, id)?)))),
                [since, started, "u"] => (since, Some((started, Phase::Updated(None)))),
                [since, started, "u", time, id] => (since, Some((started, Phase::Updated(key(time, id)?)))),
                [since, started, "g"] => (since, Some((started, Phase::Groups(None)))),
                [since, started, "g", group] => {
                    (since, Some((started, Phase::Groups(Some(group.parse().ok()?)))))
                }
                _ => return None,
            };
            let under_way = match under_way {
                Some((started, phase)) => Some((started.parse().ok()?, phase)),
                None => None,
            };
            let sync_pass = SyncPass { since: since.parse().ok()?, under_way, is_follow_up };
            let epoch = epoch.parse().ok()?;
            sync_pass.is_sound().then_some(Self(SyncToken { account: *account, epoch, sync_pass }))
        };
        parse().ok_or_else(|| InvalidValue::new("must be a syncToken as a list or an earlier page gave it"))
    }
}

impl Serialize for SyncToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn alice() -> Account {
        "alice".parse().unwrap()
    }

    #[test]
    fn a_token_belongs_to_its_account_for_30_days() {
        let now = ms(1_700_000_000_000);
        let accepted = |account: &str, epoch, now: Timestamp| {
            let written: UnverifiedToken =
                SyncToken::new(&alice(), 3, SyncPass::after(ms(1_700_000_000_000)))
                    .to_string()
                    .parse()
                    .unwrap();
            written.sync_pass(&account.parse().unwrap(), epoch, now)
        };
        assert_eq!(accepted("alice", 3, now), Ok(SyncPass::after(now)));
        assert_eq!(accepted("bob", 3, now), Err(TokenRejection::Expired));
        assert_eq!(accepted("alice", 4, now), Err(TokenRejection::Expired));
        let month = now.later_by(SyncToken::MAX_AGE_DAYS * DAY_MS);
        assert!(accepted("alice", 3, month.earlier_by(super::super::sync_pass::WINDOW_MS)).is_ok());
        assert_eq!(accepted("alice", 3, month), Err(TokenRejection::Expired));
        let hours_before = now.earlier_by(DAY_MS / 8);
        assert_eq!(accepted("alice", 3, hours_before), Err(TokenRejection::Expired), "from a skewed clock");
    }

    #[test]
    fn a_made_up_token_is_rejected() {
        let encoded = |parts: &[&str]| {
            URL_SAFE_NO_PAD.encode_to_string([b"8 bytes ", parts.join("\0").as_bytes()].concat())
        };
        for text in [
            String::new(),
            "?".into(),
            URL_SAFE_NO_PAD.encode_to_string("short"),
            encoded(&[]),
            encoded(&["1"]),
            encoded(&["x", "5"]),
            encoded(&["-1", "5"]),
            encoded(&["1", "5", ""]),
            encoded(&["1", "f"]),
            encoded(&["1", "f", "f", "5"]),
            encoded(&["1", "5", "6", "x"]),
            encoded(&["1", "5", "6", "c", "7"]),
            encoded(&["1", "5", "6", "c", "7", "alice"]),
            encoded(&["1", "5", "6", "g", "p2p|alice"]),
            encoded(&["1", "5", "6", "g", "team|1", ""]),
            encoded(&["1", "70000", "6", "g"]),
            encoded(&["1", "5", "6", "c", "4", "p2p|a"]),
            encoded(&["1", "5", "6", "c", "60007", "p2p|a"]),
            encoded(&["1", "250000", "250000", "u", "9999", "p2p|a"]),
        ] {
            assert!(text.parse::<UnverifiedToken>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn text_and_token_are_inverse(
            since in 0..=Timestamp::MAX.as_millis() / 2,
            epoch in any::<u32>(),
            lasts in proptest::option::of(0..1_000_000_000u64),
            phase in 0..3u8,
            after in 0..1_000_000_000u64,
            is_follow_up in any::<bool>(),
            id in proptest::option::of("(team|super_team)\\|[^/|\u{fffd}\\p{Cc}]{1,40}"),
        ) {
            let time = ms(since + after.min(lasts.unwrap_or_default()));
            let key = id.as_ref().map(|id| IndexKey { time, session_id: id.parse().unwrap() });
            let phase = match phase {
                0 => Phase::Changed(key),
                1 => Phase::Updated(key),
                _ => Phase::Groups(id.map(|id| id.parse().unwrap())),
            };
            let under_way = lasts.map(|lasts| (ms(since + lasts), phase));
            let token = SyncToken::new(&alice(), epoch, SyncPass { since: ms(since), under_way, is_follow_up });
            prop_assert_eq!(token.to_string().parse(), Ok(UnverifiedToken(token)));
        }

        #[test]
        fn any_string_is_rejected_or_a_token(text in "[A-Za-z0-9_-]{0,60}") {
            if let Ok(token) = text.parse::<UnverifiedToken>() {
                let again: Result<UnverifiedToken, _> = token.0.to_string().parse();
                prop_assert_eq!(again, Ok(token));
            }
        }
    }
}
