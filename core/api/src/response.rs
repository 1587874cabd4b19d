//! What comes back.

use crate::{
    AuthResponse, ClusterId, Key, LeaseId, LeaseResponse, MaintenanceResponse, Member, NodeId,
    Revision, Term, Value,
};
use serde::{Deserialize, Serialize};

/// A key with its value and its history, as etcd's `mvccpb.KeyValue`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    pub key: Key,
    /// The value; empty where the request said `keys_only`.
    pub value: Value,
    /// The revision that created the key, the last time that it was absent.
    pub create_revision: Revision,
    /// The revision that last wrote it.
    pub mod_revision: Revision,
    /// How often it was written since it was created, from 1.
    pub version: u64,
    /// The lease that it hangs on.
    #[serde(default)]
    pub lease: LeaseId,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Who answered, and at which revision.
    pub header: Header,
    /// The answer itself.
    pub body: Body,
}

/// Who answered, and when in the logical time of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The cluster that answered.
    pub cluster: ClusterId,
    /// The member that answered.
    pub node: NodeId,
    /// Its term when it answered.
    pub term: Term,
    /// The store's revision: for a write the one that it made (or left standing), for a read the one that it saw.
    pub revision: Revision,
}

/// The answer to each kind of request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// To a put.
    Put(PutResponse),
    /// To a range.
    Range(RangeResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a transaction.
    Txn(TxnResponse),
    /// To a compaction.
    Compact,
    /// To a request about leases.
    Lease(LeaseResponse),
    /// To a membership change: the members afterwards.
    Member(Members),
    /// To a leadership transfer: it is done.
    MoveLeader,
    /// To what an operator asked of the member.
    Maintenance(MaintenanceResponse),
    /// To a request about who may do what.
    Auth(AuthResponse),
    /// To what an operator asked about the members: all of them, afterwards, by id.
    Cluster(Vec<Member>),
}

/// The answer to a put.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutResponse {
    /// What was there before, if it was asked for and there was something.
    #[serde(default)]
    pub prev_kv: Option<KeyValue>,
}

/// The answer to a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeResponse {
    /// The keys, in the order asked for.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit cut some off.
    #[serde(default)]
    pub more: bool,
    /// How many keys are in the range, whatever the limit and the revision filters.
    pub count: u64,
}

/// The answer to a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRangeResponse {
    /// How many keys went.
    pub deleted: u64,
    /// What they were, in key order, if it was asked for.
    #[serde(default)]
    pub prev_kvs: Vec<KeyValue>,
}

/// The answer to a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxnResponse {
    /// Whether all compares held.
    pub succeeded: bool,
    /// The answers of the branch that was taken, in order.
    pub responses: Vec<TxnOpResponse>,
}

/// The answer to one operation of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TxnOpResponse {
    /// To a put.
    Put(PutResponse),
    /// To a range.
    Range(RangeResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a nested transaction.
    Txn(TxnResponse),
}

/// The members of the cluster, as the answering node has applied them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Members that vote.
    pub voters: Vec<NodeId>,
    /// Voters of the outgoing half of a joint configuration; empty outside one.
    #[serde(default)]
    pub voters_outgoing: Vec<NodeId>,
    /// Members that only follow.
    #[serde(default)]
    pub learners: Vec<NodeId>,
}
