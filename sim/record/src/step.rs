//! What a client does, as a plan says it: `put k3 v9`.

mod lease;

pub use self::lease::{LeaseChoice, LeaseStep};

use std::{fmt, str::FromStr};
use whitewater_api::{Key, Value};

/// What a client does. Some depend on what the client saw before, so that optimistic transactions can succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `put KEY VALUE`
    Put(Key, Value),
    /// `get KEY`: a linearizable read.
    Get(Key),
    /// `stale-get KEY`: a serializable read.
    StaleGet(Key),
    /// `list PREFIX LIMIT`: a linearizable read of a prefix; limit 0 means none.
    List(Key, u64),
    /// `delete KEY`
    Delete(Key),
    /// `delete-all PREFIX`
    DeleteAll(Key),
    /// `swap KEY VALUE`: a transaction that puts if the mod revision is the one that this client saw last, else gets.
    Swap(Key, Value),
    /// `create KEY VALUE`: a transaction that puts if the key is absent, else gets.
    Create(Key, Value),
    /// `both KEY KEY VALUE`: a transaction that puts the value under both keys if they are equal in mod revision to
    /// what this client saw last, else gets both.
    Both(Key, Key, Value),
    /// `put-past KEY VALUE BACK`: a transaction that puts, then gets the key as it was so many revisions before the newest
    /// that this client has seen. If that revision is compacted, the transaction must leave nothing behind.
    PutPast(Key, Value, u64),
    /// `compact KEEP`: forgets all but the last so many revisions that this client has seen.
    Compact(u64),
    /// Something about leases.
    Lease(LeaseStep),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(key, value) => write!(f, "put {key} {value}"),
            Self::Get(key) => write!(f, "get {key}"),
            Self::StaleGet(key) => write!(f, "stale-get {key}"),
            Self::List(prefix, limit) => write!(f, "list {prefix} {limit}"),
            Self::Delete(key) => write!(f, "delete {key}"),
            Self::DeleteAll(prefix) => write!(f, "delete-all {prefix}"),
            Self::Swap(key, value) => write!(f, "swap {key} {value}"),
            Self::Create(key, value) => write!(f, "create {key} {value}"),
            Self::Both(a, b, value) => write!(f, "both {a} {b} {value}"),
            Self::PutPast(key, value, back) => write!(f, "put-past {key} {value} {back}"),
            Self::Compact(keep) => write!(f, "compact {keep}"),
            Self::Lease(step) => step.fmt(f),
        }
    }
}

impl FromStr for Step {
    /// What was expected.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["put", key, value] => Ok(Self::Put(key.into(), value.into())),
            ["get", key] => Ok(Self::Get(key.into())),
            ["stale-get", key] => Ok(Self::StaleGet(key.into())),
            ["list", prefix, limit] => Ok(Self::List(prefix.into(), number(limit)?)),
            ["delete", key] => Ok(Self::Delete(key.into())),
            ["delete-all", prefix] => Ok(Self::DeleteAll(prefix.into())),
            ["swap", key, value] => Ok(Self::Swap(key.into(), value.into())),
            ["create", key, value] => Ok(Self::Create(key.into(), value.into())),
            ["both", a, b, value] => Ok(Self::Both(a.into(), b.into(), value.into())),
            ["put-past", key, value, back] => {
                Ok(Self::PutPast(key.into(), value.into(), number(back)?))
            }
            ["compact", keep] => Ok(Self::Compact(number(keep)?)),
            _ => match LeaseStep::parse(&words) {
                Some(step) => step.map(Self::Lease),
                None => Err(EXPECTED),
            },
        }
    }
}

const EXPECTED: &str = "put K V, get K, stale-get K, list P N, delete K, delete-all P, swap K V, create K V, both K K V, \
                        put-past K V N, compact N, lease-grant TTL [ID], lease-put L K V, lease-keep-alive L, \
                        lease-revoke L, lease-time-to-live L or lease-list";

fn number(word: &str) -> Result<u64, &'static str> {
    word.parse().map_err(|_| "a whole number")
}
