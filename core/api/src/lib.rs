//! Plain data that every other crate speaks: ids, requests, responses, errors, disk operations. No logic.
//!
//! Open [`request`] first: it is what a client may ask. [`response`] is what comes back, and
//! [`error`] says, for each refusal, whether the request took effect.
//!
//! ```
//! use whitewater_api::{KeyRange, Request, request::PutRequest};
//!
//! let put = Request::Put(PutRequest::new("k3", "v9"));
//! assert_eq!(put.to_string(), "put k3 v9");
//! assert!(KeyRange::prefix("k").contains(&"k3".into()));
//! ```
//!
//! # Glossary: one word, one meaning
//!
//! - *term, index, entry, hard state, conf state, read index*: as in the Raft paper and raft-rs.
//! - *append / commit / apply*: log written / known on a quorum / executed.
//! - *revision, version, lease, watch, compact, member*: as in etcd.
//! - *replica*: the sans-io object; *node*: a machine with one replica, one disk, one clock; *host*: the code that
//!   runs a replica.
//! - *process*: a logical single-threaded client, retired after an unknown outcome.
//! - *incarnation*: one life of a member's disk. A wiped disk starts another one.
//! - *mutation*: one deliberate bug; *mutant*: a build or run with one switched on; *kill*: a checker objected.
//!
//! Notation in scripts, traces and reports: `n2` node, `p7` process, `n1@3` node at term, `5@3` entry index at term,
//! `r41` revision.

#![expect(
    clippy::disallowed_macros,
    reason = "`nesting` alone: a reader has no other place for how deep it is, and it is back at zero when the reading ends"
)]
#![forbid(unsafe_code)]

pub mod auth;
pub mod bytes;
pub mod cluster;
pub mod completion;
pub mod concurrency;
pub mod disk;
pub mod error;
pub mod ids;
pub mod lease;
pub mod maintenance;
pub mod nesting;
pub mod range;
pub mod release;
pub mod request;
pub mod response;
pub mod tuning;
pub mod watch;

pub use crate::{
    auth::{AuthRequest, AuthResponse, AuthRevision, Caller, Identity},
    bytes::{Key, Value},
    cluster::{ClusterRequest, Member, MemberAttributes, MemberChange},
    completion::Completion,
    disk::{DiskError, DiskImage, DiskOp, FileName, WriteId},
    error::{Code, Effect, Error},
    ids::{
        ClusterId, Incarnation, Index, LeaseId, Monotonic, NodeId, Process, RequestId, Revision,
        StreamId, Term,
    },
    lease::{LEASE_TTL_MAX, LeaseCheckpoint, LeaseRequest, LeaseResponse},
    maintenance::{
        Alarm, AlarmAction, AlarmMember, KvHash, MaintenanceRequest, MaintenanceResponse,
        MemberStatus,
    },
    range::{End, KeyRange},
    request::Request,
    response::{Body, Header, KeyValue, Response},
    tuning::Tuning,
    watch::{StreamEnd, WatchId, WatchRequest, WatchResponse},
};
