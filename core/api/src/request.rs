//! What a client may ask, after etcd's `rpc.proto`.

use crate::{
    AuthRequest, ClusterRequest, Key, KeyRange, LeaseId, LeaseRequest, MaintenanceRequest,
    MemberChange, NodeId, Revision, Value,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Write one key.
    Put(PutRequest),
    /// Read a range of keys.
    Range(RangeRequest),
    /// Delete a range of keys.
    DeleteRange(DeleteRangeRequest),
    /// Compare, then do one of two lists of operations, at one revision.
    Txn(TxnRequest),
    /// Forget the history below a revision.
    Compact(CompactRequest),
    /// Make, end, prolong and inspect leases.
    Lease(LeaseRequest),
    /// Change the membership of the cluster.
    Member(MemberChange),
    /// Hand the leadership to another voter.
    MoveLeader(NodeId),
    /// What an operator asks of one member.
    Maintenance(MaintenanceRequest),
    /// Say who may do what.
    Auth(AuthRequest),
    /// What an operator asks about the members.
    Cluster(ClusterRequest),
}

/// `put`: write one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutRequest {
    /// The key to write.
    pub key: Key,
    /// Its new value.
    pub value: Value,
    /// The lease to attach the key to. A put without one detaches the key from its old lease.
    #[serde(default)]
    pub lease: LeaseId,
    /// Answer with what was there before.
    #[serde(default)]
    pub prev_kv: bool,
    /// Keep the old value; an error if there is none, or if a value is given too.
    #[serde(default)]
    pub ignore_value: bool,
    /// Keep the old lease; an error if the key is absent, or if a lease is given too.
    #[serde(default)]
    pub ignore_lease: bool,
}

/// `range`: read keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeRequest {
    /// Which keys.
    pub range: KeyRange,
    /// At most so many; 0 means no limit. `more` in the answer tells that some were cut off.
    #[serde(default)]
    pub limit: u64,
    /// Read at this revision; [`Revision::LATEST`] for the newest.
    #[serde(default)]
    pub revision: Revision,
    /// In which order. `None`: by key, ascending.
    #[serde(default)]
    pub sort: Option<Sort>,
    /// Answer from the state of the node that is asked, which may be stale.
    #[serde(default)]
    pub serializable: bool,
    /// Leave the values out.
    #[serde(default)]
    pub keys_only: bool,
    /// Answer with the count only.
    #[serde(default)]
    pub count_only: bool,
    /// Only keys last modified at or after this revision; 0 means no bound. Does not change `count`.
    #[serde(default)]
    pub min_mod_revision: Revision,
    /// Only keys last modified at or before this revision; 0 means no bound.
    #[serde(default)]
    pub max_mod_revision: Revision,
    /// Only keys created at or after this revision; 0 means no bound.
    #[serde(default)]
    pub min_create_revision: Revision,
    /// Only keys created at or before this revision; 0 means no bound.
    #[serde(default)]
    pub max_create_revision: Revision,
}

/// The order of a range's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// By what.
    pub target: SortTarget,
    /// Largest first. etcd's order NONE on a target other than the key means ascending.
    #[serde(default)]
    pub descending: bool,
}

/// By what a range is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortTarget {
    /// The key's bytes.
    Key,
    /// How often the key was written since it was created.
    Version,
    /// The revision that created it.
    Create,
    /// The revision that last wrote it.
    Mod,
    /// The value's bytes.
    Value,
}

/// `delete_range`: delete keys. Deleting nothing makes no revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRangeRequest {
    /// Which keys.
    pub range: KeyRange,
    /// Answer with what was deleted.
    #[serde(default)]
    pub prev_kv: bool,
}

/// `txn`: if all compares hold then `success`, else `failure`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxnRequest {
    /// All must hold for the success branch.
    #[serde(default)]
    pub compares: Vec<Compare>,
    /// Done if all compares hold.
    #[serde(default)]
    pub success: Vec<TxnOp>,
    /// Done otherwise.
    #[serde(default)]
    pub failure: Vec<TxnOp>,
}

/// One operation of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TxnOp {
    /// Write one key.
    Put(PutRequest),
    /// Read, and see the earlier writes of the same transaction.
    Range(RangeRequest),
    /// Delete keys.
    DeleteRange(DeleteRangeRequest),
    /// A transaction inside the transaction.
    Txn(#[serde(deserialize_with = "crate::nesting::nested")] TxnRequest),
}

/// One condition of a transaction. With a range, it must hold for every key in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// Which keys. An absent single key has version, create and mod revision and lease 0, and no value.
    pub range: KeyRange,
    /// How what is there relates to `target`.
    pub relation: Relation,
    /// What it is compared with.
    pub target: CompareTarget,
}

/// How the stored thing relates to the given one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
}

/// What a [`Compare`] looks at, with the number or value given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareTarget {
    /// How often the key was written since it was created.
    Version(u64),
    /// The revision that created the key.
    Create(Revision),
    /// The revision that last wrote the key.
    Mod(Revision),
    /// The value. Never holds for an absent key.
    Value(Value),
    /// The lease that the key hangs on.
    Lease(LeaseId),
}

/// `compact`: after it, reads below `revision` are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactRequest {
    /// The oldest revision that stays readable.
    pub revision: Revision,
    /// Answer only when the space is free.
    #[serde(default)]
    pub physical: bool,
}

impl PutRequest {
    /// A plain put.
    pub fn new(key: impl Into<Key>, value: impl Into<Value>) -> Self {
        Self { key: key.into(), value: value.into(), ..Self::default() }
    }
}

impl RangeRequest {
    /// A linearizable read of everything in `range`.
    #[must_use]
    pub fn new(range: KeyRange) -> Self {
        Self {
            range,
            limit: 0,
            revision: Revision::LATEST,
            sort: None,
            serializable: false,
            keys_only: false,
            count_only: false,
            min_mod_revision: Revision(0),
            max_mod_revision: Revision(0),
            min_create_revision: Revision(0),
            max_create_revision: Revision(0),
        }
    }
}

impl Request {
    /// Whether no branch of the request can write, so that it need not go through the log.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match self {
            Self::Range(_) => true,
            Self::Txn(txn) => txn.is_read(),
            Self::Lease(lease) => lease.is_read(),
            Self::Maintenance(maintenance) => maintenance.is_read(),
            Self::Auth(auth) => auth.is_read(),
            Self::Cluster(cluster) => cluster.is_read(),
            Self::Put(_)
            | Self::DeleteRange(_)
            | Self::Compact(_)
            | Self::Member(_)
            | Self::MoveLeader(_) => false,
        }
    }

    /// Whether it asks for no more than a state of the past: a read that may be stale, and nothing else.
    #[must_use]
    pub fn is_serializable(&self) -> bool {
        match self {
            Self::Range(range) => range.serializable,
            Self::Txn(txn) => txn.is_serializable(),
            Self::Cluster(cluster) => {
                matches!(cluster, ClusterRequest::List { linearizable: false })
            }
            Self::Put(_)
            | Self::DeleteRange(_)
            | Self::Compact(_)
            | Self::Lease(_)
            | Self::Member(_)
            | Self::MoveLeader(_)
            | Self::Maintenance(_)
            | Self::Auth(_) => false,
        }
    }
}

impl TxnRequest {
    /// Whether no branch can write.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.success.iter().chain(&self.failure).all(|op| match op {
            TxnOp::Range(_) => true,
            TxnOp::Txn(txn) => txn.is_read(),
            TxnOp::Put(_) | TxnOp::DeleteRange(_) => false,
        })
    }

    /// Whether it may be answered from a stale state: it does nothing but reads that say so of themselves. One that holds
    /// another transaction, or does nothing at all, is not (etcd, `txn.go`, `IsTxnSerializable`, which looks at no
    /// transaction within).
    #[must_use]
    pub fn is_serializable(&self) -> bool {
        let mut ops = self.success.iter().chain(&self.failure).peekable();
        let is_stale = |op: &TxnOp| matches!(op, TxnOp::Range(range) if range.serializable);
        ops.peek().is_some() && ops.all(is_stale)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(put) => put.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::DeleteRange(delete) => delete.fmt(f),
            Self::Txn(txn) => txn.fmt(f),
            Self::Compact(compact) => write!(f, "compact {}", compact.revision),
            Self::Lease(lease) => lease.fmt(f),
            Self::Member(change) => change.fmt(f),
            Self::MoveLeader(to) => write!(f, "move-leader {to}"),
            Self::Maintenance(maintenance) => maintenance.fmt(f),
            Self::Auth(auth) => auth.fmt(f),
            Self::Cluster(cluster) => cluster.fmt(f),
        }
    }
}

impl fmt::Display for PutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "put {} {}", self.key, self.value)?;
        if self.lease == LeaseId::NONE { Ok(()) } else { write!(f, " on {}", self.lease) }
    }
}

impl fmt::Display for RangeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.serializable { "stale-get " } else { "get " })?;
        self.range.fmt(f)?;
        if self.revision != Revision::LATEST {
            write!(f, "@{}", self.revision)?;
        }
        Ok(())
    }
}

impl fmt::Display for DeleteRangeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delete {}", self.range)
    }
}

impl fmt::Display for TxnRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, ops: &[TxnOp]| -> fmt::Result {
            for (i, op) in ops.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { "; " })?;
                op.fmt(f)?;
            }
            Ok(())
        };
        f.write_str("txn if ")?;
        for (i, compare) in self.compares.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " & " })?;
            compare.fmt(f)?;
        }
        f.write_str(" then {")?;
        join(f, &self.success)?;
        f.write_str("} else {")?;
        join(f, &self.failure)?;
        f.write_str("}")
    }
}

impl fmt::Display for TxnOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(put) => put.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::DeleteRange(delete) => delete.fmt(f),
            Self::Txn(txn) => txn.fmt(f),
        }
    }
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.relation {
            Relation::Equal => "=",
            Relation::NotEqual => "!=",
            Relation::Less => "<",
            Relation::Greater => ">",
        };
        match &self.target {
            CompareTarget::Version(n) => write!(f, "version({}){relation}{n}", self.range),
            CompareTarget::Create(r) => write!(f, "create({}){relation}{r}", self.range),
            CompareTarget::Mod(r) => write!(f, "mod({}){relation}{r}", self.range),
            CompareTarget::Value(v) => write!(f, "value({}){relation}{v}", self.range),
            CompareTarget::Lease(l) => write!(f, "lease({}){relation}{l}", self.range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nesting::TXN_DEPTH_MAX;

    /// Bytes of a transaction in which so many others lie in each other.
    fn deep(depth: usize) -> Vec<u8> {
        // No compares; one operation on success, a transaction; at the end of each, none on failure.
        let open = [0, 1, 3].repeat(depth);
        [open, vec![0; 3], vec![0; depth]].concat()
    }

    #[test]
    fn transactions_that_lie_too_deep_are_refused_before_the_stack_is_full() {
        let read = |depth| postcard::from_bytes::<TxnRequest>(&deep(depth));
        assert_eq!(read(1).unwrap().success, [TxnOp::Txn(TxnRequest::default())]);
        assert!(read(TXN_DEPTH_MAX).is_ok());
        for too_deep in [TXN_DEPTH_MAX + 1, 1_000_000] {
            read(too_deep).unwrap_err();
            assert!(read(TXN_DEPTH_MAX).is_ok(), "a refusal leaves no mark");
        }
    }

    #[test]
    fn only_a_transaction_of_stale_reads_is_answered_from_the_past() {
        let read = |serializable| {
            let range = KeyRange::single("k");
            TxnOp::Range(RangeRequest { serializable, ..RangeRequest::new(range) })
        };
        let txn = |success: Vec<TxnOp>, failure: Vec<TxnOp>| TxnRequest {
            success,
            failure,
            ..TxnRequest::default()
        };
        assert!(txn(vec![read(true)], vec![]).is_serializable());
        assert!(txn(vec![read(true)], vec![read(true)]).is_serializable());
        assert!(!txn(vec![read(true)], vec![read(false)]).is_serializable());
        assert!(!txn(vec![], vec![]).is_serializable());
        assert!(!txn(vec![TxnOp::Put(PutRequest::new("k", "v"))], vec![]).is_serializable());
        for within in [txn(vec![], vec![]), txn(vec![read(true)], vec![])] {
            assert!(!txn(vec![read(true), TxnOp::Txn(within)], vec![]).is_serializable());
        }
    }
}
