//! Tokens: what a client shows instead of its password.
//!
//! *Simple* ones are words that only the members know, each with its own clock: a member that restarts has forgotten
//! them, and a token that nobody has shown there for a while is over (etcd, `server/auth/simple_token.go`). *Signed* ones
//! say themselves whose they are, as of which revision and until when, and are believed for their signature
//! (RFC 7519; etcd, `server/auth/jwt.go`).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use whitewater_api::{AuthRevision, Identity, Monotonic};
use whitewater_mutation::{Mutation, Mutations};

/// The header of a signed token. There is one algorithm, so what a token says of itself is not asked.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What is drawn for a simple token: 16 characters, as in etcd, though of a larger alphabet.
const WORD_BYTES: usize = 12;

/// The simple tokens of a member.
#[derive(Default)]
pub(crate) struct Tokens {
    known: BTreeMap<String, Known>,
}

struct Known {
    user: String,
    /// Until when, by this member's clock.
    until: Monotonic,
}

/// What a signed token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    username: String,
    revision: u64,
    /// Seconds since 1970.
    exp: u64,
}

impl Tokens {
    /// A token was given, by way of the log.
    pub(crate) fn assign(&mut self, token: String, user: String, until: Monotonic) {
        self.known.insert(token, Known { user, until });
    }

    /// Whose token it is. Showing it begins its time anew.
    pub(crate) fn user(&mut self, token: &str, now: Monotonic, ttl: u64) -> Option<&str> {
        let known = self.known.get_mut(token).filter(|known| now < known.until)?;
        known.until = now.after(ttl);
        Some(&known.user)
    }

    /// Forgets the tokens whose time is over.
    pub(crate) fn expire(&mut self, now: Monotonic) {
        self.known.retain(|_, known| now < known.until);
    }

    /// Forgets the tokens of a user.
    pub(crate) fn forget_user(&mut self, user: &str) {
        self.known.retain(|_, known| known.user != user);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}

/// A signed token for somebody, good until so many seconds after 1970.
pub(crate) fn sign(key: &[u8], who: &Identity, until: u64) -> String {
    let claims = Claims { username: who.user.clone(), revision: who.revision.0, exp: until };
    let claims = serde_json::to_vec(&claims).expect("plain data has an encoding");
    let signed = format!("{}.{}", BASE64.encode(HEADER), BASE64.encode(claims));
    let signature = mac(key, &signed).finalize().into_bytes();
    format!("{signed}.{}", BASE64.encode(signature))
}

/// Whom a signed token is for, if the signature is ours and its time is not over.
pub(crate) fn verify(key: &[u8], token: &str, now: u64, mutations: Mutations) -> Option<Identity> {
    let (signed, signature) = token.rsplit_once('.')?;
    mac(key, signed).verify_slice(&BASE64.decode(signature).ok()?).ok()?;
    let (_, claims) = signed.split_once('.')?;
    let claims: Claims = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
    let is_over = claims.exp <= now && !mutations.has(Mutation::TokenNeverExpires);
    (!is_over)
        .then_some(Identity { user: claims.username, revision: AuthRevision(claims.revision) })
}

/// A word of entropy.
pub(crate) fn word(entropy: &[u8]) -> String {
    BASE64.encode(&entropy[..WORD_BYTES])
}

fn mac(key: &[u8], signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("a key of any length will do");
    mac.update(signed.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Identity {
        Identity { user: "alice".into(), revision: AuthRevision(7) }
    }

    #[test]
    fn a_signed_token_is_good_until_its_time_is_over() {
        let none = Mutations::none();
        let token = sign(b"key", &alice(), 100);
        assert_eq!(verify(b"key", &token, 99, none), Some(alice()));
        assert_eq!(verify(b"key", &token, 100, none), None);
        assert_eq!(verify(b"other key", &token, 99, none), None);
        let on = none.with(Mutation::TokenNeverExpires);
        assert_eq!(verify(b"key", &token, 100, on), Some(alice()));
    }

    #[test]
    fn a_signed_token_cannot_be_changed() {
        let token = sign(b"key", &alice(), 100);
        let root = Identity { user: "root".into(), ..alice() };
        let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let claims = sign(b"guess", &root, 100);
        let claims = claims.split('.').nth(1).unwrap();
        let unsigned = BASE64.encode(r#"{"alg":"none"}"#);
        for forged in [
            format!("{header}.{claims}.{signature}"),
            format!("{unsigned}.{claims}."),
            format!("{unsigned}.{claims}"),
            String::new(),
        ] {
            assert_eq!(verify(b"key", &forged, 1, Mutations::none()), None, "{forged}");
        }
    }

    /// The example of RFC 7515, A.1: its key and signature, with claims that are not ours.
    #[test]
    fn the_signature_is_the_one_of_the_standard() {
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = BASE64
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signature = mac(&key, signed).finalize().into_bytes();
        assert_eq!(BASE64.encode(signature), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn a_simple_token_lives_as_long_as_it_is_used() {
        let mut tokens = Tokens::default();
        tokens.assign("t".into(), "alice".into(), Monotonic(100));
        assert_eq!(tokens.user("t", Monotonic(99), 100), Some("alice"));
        assert_eq!(tokens.user("t", Monotonic(150), 100), Some("alice"));
        tokens.expire(Monotonic(249));
        assert_eq!(tokens.user("t", Monotonic(250), 100), None);
        tokens.forget_user("alice");
        assert_eq!(tokens.user("t", Monotonic(150), 100), None);
    }
}
