//! Passwords, by bcrypt (Provos and Mazières, 1999), in the text form that etcd's `golang.org/x/crypto/bcrypt` writes.

use base64::{Engine, alphabet::BCRYPT, engine::GeneralPurpose, engine::general_purpose::NO_PAD};
use bcrypt::bcrypt;
use whitewater_api::auth::Secret;

/// bcrypt's own order of the alphabet, without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);
/// Of the 24 bytes that come out, the last is not written.
const HASH_BYTES: usize = 23;
const SALT_BYTES: usize = 16;
const SALT_CHARS: usize = 22;
/// Beyond this bcrypt looks at nothing.
const PASSWORD_BYTES_MAX: usize = 72;
/// Costs that the form allows.
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

/// What a host does with a password, away from the replica.
#[derive(Clone, Debug)]
pub enum PasswordWork {
    /// Hash it.
    Hash {
        /// The password.
        password: Secret,
        /// Two to the power of how many rounds.
        cost: u64,
        /// What nobody can guess.
        salt: [u8; SALT_BYTES],
    },
    /// Compare it with a hash.
    Compare {
        /// The password.
        password: Secret,
        /// The hash.
        hash: String,
    },
}

/// What came of [`PasswordWork`].
#[derive(Clone, Debug)]
pub enum PasswordDone {
    /// The hash of the password.
    Hash(String),
    /// Whether the hash is that of the password.
    Fits(bool),
}

impl PasswordWork {
    /// Does it. Takes a tenth of a second at a cost of 11.
    pub fn run(&self) -> PasswordDone {
        match self {
            Self::Hash { password, cost, salt } => {
                PasswordDone::Hash(hash(password.reveal(), *cost, *salt))
            }
            Self::Compare { password, hash } => PasswordDone::Fits(verify(password.reveal(), hash)),
        }
    }
}

/// The hash of a password: two to the power of `cost` rounds.
fn hash(password: &str, cost: u64, salt: [u8; SALT_BYTES]) -> String {
    let highest = *COSTS.end();
    let cost = u32::try_from(cost).unwrap_or(highest).clamp(*COSTS.start(), highest);
    let hash = rounds(password, cost, salt);
    format!("$2b${cost:02}${}{}", BASE64.encode(salt), BASE64.encode(hash))
}

/// Whether a hash is that of a password. What is no hash is that of none.
fn verify(password: &str, hash: &str) -> bool {
    let Some((cost, salt, expected)) = parse(hash) else { return false };
    let found = rounds(password, cost, salt);
    // All bytes are looked at, wherever the first difference is.
    found.iter().zip(expected).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}

fn rounds(password: &str, cost: u32, salt: [u8; SALT_BYTES]) -> [u8; HASH_BYTES] {
    let mut bytes = password.as_bytes().to_vec();
    bytes.push(0);
    bytes.truncate(PASSWORD_BYTES_MAX);
    let [hash @ .., _] = bcrypt(cost, salt, &bytes);
    hash
}

fn parse(hash: &str) -> Option<(u32, [u8; SALT_BYTES], [u8; HASH_BYTES])> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    let (cost, rest) = rest.split_once('$')?;
    let cost = cost.parse().ok().filter(|cost| COSTS.contains(cost))?;
    let (salt, hash) = rest.split_at_checked(SALT_CHARS)?;
    let salt = BASE64.decode(salt).ok()?.try_into().ok()?;
    let hash = BASE64.decode(hash).ok()?.try_into().ok()?;
    Some((cost, salt, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hashed = hash("open sesame", 4, [7; 16]);
        assert_eq!(hashed.len(), 60);
        assert!(verify("open sesame", &hashed));
        assert!(!verify("open sesam", &hashed));
        assert_ne!(hash("open sesame", 4, [8; 16]), hashed);
        assert!(!verify("", "no hash at all"));
    }

    /// From the test vectors of jBCrypt and of OpenBSD.
    #[test]
    fn hashes_of_other_programs_are_understood() {
        for (password, hash) in [
            ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
            ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        ] {
            assert!(verify(password, hash), "{password}");
        }
    }
}
