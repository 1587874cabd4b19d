//! What a client does, as a plan says it: `put k3 v9`.

mod auth;
mod cluster;
mod condition;
mod lease;
mod lock;
mod maintenance;
mod option;

pub use self::{
    auth::AuthStep,
    cluster::MEMBER_IDS,
    condition::{Aspect, Condition},
    lease::{LeaseChoice, LeaseStep},
    lock::LockStep,
    maintenance::MaintenanceStep,
    option::OptionStep,
};

use std::{fmt, str::FromStr};
use whitewater_api::{ClusterRequest, Key, NodeId, Value};

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
    /// `nest KEY VALUE`: a transaction that puts if nobody has written since, and asks the same once more in a transaction
    /// inside, which gets the key: all conditions are about the state before, whatever was put meanwhile. Else gets.
    Nest(Key, Value),
    /// `by-version PREFIX LIMIT`: a linearizable read of a prefix, the keys that were written least first; limit 0 means none.
    ByVersion(Key, u64),
    /// `compact KEEP`: forgets all but the last so many revisions that this client has seen.
    Compact(u64),
    /// A request with options that few clients give.
    Option(OptionStep),
    /// Something about leases.
    Lease(LeaseStep),
    /// `remove KEY`: a transaction that deletes if the mod revision is the one that this client saw last, else gets.
    Remove(Key),
    /// `append KEY ELEMENT`: a transaction that puts what this client saw last with the element behind it, if nobody has
    /// written since, else gets. A value that has grown long begins anew.
    Append(Key, Value),
    /// `if CONDITION put KEY VALUE`: a transaction that puts and reads back if the condition holds. Else it puts the value
    /// under the condition's key, if that is another one and absent (a transaction in the transaction), or gets it.
    If(Condition, Key, Value),
    /// `turn VALUE`: bids for the next compaction, as the servers of Kubernetes do (`storage/etcd3/compact.go`): a
    /// transaction that puts [`COMPACTION_KEY`] if its version is the one that this client saw last, else gets it.
    Turn(Value),
    /// `compact-turned`: forgets what is older than this client's bid before the last one, if the last one was won.
    CompactTurned,
    /// Something about locks.
    Lock(LockStep),
    /// Something about who may do what.
    Auth(AuthStep),
    /// What an operator does.
    Maintain(MaintenanceStep),
    /// What an operator asks about the members. A member that is added starts as soon as it is one.
    Cluster(ClusterRequest),
}

impl Step {
    /// The member that it adds.
    pub const fn newcomer(&self) -> Option<NodeId> {
        if let Self::Cluster(ClusterRequest::Add { member, .. }) = self {
            Some(*member)
        } else {
            None
        }
    }
}

/// The key that servers of Kubernetes agree by on who compacts.
pub const COMPACTION_KEY: &str = "compact_rev_key";

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
            Self::Nest(key, value) => write!(f, "nest {key} {value}"),
            Self::ByVersion(prefix, limit) => write!(f, "by-version {prefix} {limit}"),
            Self::Compact(keep) => write!(f, "compact {keep}"),
            Self::Option(step) => step.fmt(f),
            Self::Lease(step) => step.fmt(f),
            Self::Remove(key) => write!(f, "remove {key}"),
            Self::Append(key, element) => write!(f, "append {key} {element}"),
            Self::If(condition, key, value) => write!(f, "if {condition} put {key} {value}"),
            Self::Turn(value) => write!(f, "turn {value}"),
            Self::CompactTurned => f.write_str("compact-turned"),
            Self::Lock(step) => step.fmt(f),
            Self::Auth(step) => step.fmt(f),
            Self::Maintain(step) => step.fmt(f),
            Self::Cluster(request) => request.fmt(f),
        }
    }
}

impl FromStr for Step {
    /// What was expected.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        // Other bytes would be shown as `\xNN`, which is another step to whoever reads that.
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t') && byte != b'\\') {
            return Err("printable ASCII without a backslash");
        }
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
            ["nest", key, value] => Ok(Self::Nest(key.into(), value.into())),
            ["by-version", prefix, limit] => Ok(Self::ByVersion(prefix.into(), number(limit)?)),
            ["compact", keep] => Ok(Self::Compact(number(keep)?)),
            ["remove", key] => Ok(Self::Remove(key.into())),
            ["append", key, element] => Ok(Self::Append(key.into(), element.into())),
            ["if", aspect, of, relation, "put", key, value] => {
                let condition = Condition::parse([aspect, of, relation])?;
                Ok(Self::If(condition, key.into(), value.into()))
            }
            ["turn", value] => Ok(Self::Turn(value.into())),
            ["compact-turned"] => Ok(Self::CompactTurned),
            ["touch" | "rewrite" | "take" | "count" | "recent" | "past", ..] => {
                OptionStep::parse(&words).map(Self::Option).ok_or(EXPECTED)
            }
            [
                "defragment" | "hash-kv" | "status" | "alarm-list" | "alarm-raise" | "alarm-disarm",
                ..,
            ] => MaintenanceStep::parse(&words).map(Self::Maintain).ok_or(EXPECTED),
            _ => {
                let lease = || LeaseStep::parse(&words).map(|step| step.map(Self::Lease));
                let lock = || LockStep::parse(&words).map(|step| Ok(Self::Lock(step)));
                let cluster = || cluster::parse(&words).map(|step| step.map(Self::Cluster));
                let auth = || AuthStep::parse(&words).map(|step| step.map(Self::Auth));
                lease().or_else(lock).or_else(cluster).or_else(auth).unwrap_or(Err(EXPECTED))
            }
        }
    }
}

const EXPECTED: &str = "put K V, get K, stale-get K, list P N, delete K, delete-all P, swap K V, create K V, both K K V, \
                        put-past K V N, nest K V, by-version P N, touch K, rewrite K V, take K, count P, recent P N, past P N, compact N, lease-grant TTL [ID], lease-put L K V, lease-keep-alive L, \
                        lease-revoke L, lease-time-to-live L, lease-list, remove K, append K V, if ASPECT K RELATION put K V, \
                        turn V, compact-turned, lock-join M V, lock-look M, lock-write M K V, lock-proclaim M V, \
                        lock-leave M, lock-observe M, login U P, logout, auth-.., user-.., role-.., sneak K V, look K V, peek K, defragment, hash-kv N, \
                        status, alarm-list, alarm-raise NODE, alarm-disarm NODE, cluster-add NODE URLS [as learner], cluster-promote NODE, \
                        cluster-update NODE URLS, cluster-remove NODE, cluster-list or stale-cluster-list";

fn number(word: &str) -> Result<u64, &'static str> {
    word.parse().map_err(|_| "a whole number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a fuzzer: it was read as it stands, and written as `\xca\xa0`, which is ten bytes.
    #[test]
    fn what_would_be_written_otherwise_is_not_read() {
        for text in ["put k v\u{2a0}25", "put k v\\x41", "put k\u{a0}0 v", "get \u{1}"] {
            assert_eq!(text.parse::<Step>(), Err("printable ASCII without a backslash"), "{text}");
        }
        for text in ["put k v_1~", "delete\tk", "list / 3"] {
            let step: Step = text.parse().unwrap();
            assert_eq!(step.to_string().parse(), Ok(step), "{text}");
        }
    }
}
