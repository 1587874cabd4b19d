//! The deterministic state machine: a multi-version key-value store with etcd's semantics.
//!
//! Replicas that apply the same requests in the same order hold the same content and give the same answers. The crate
//! has no clock, no entropy, no thread and no I/O; what a request does depends on the requests before it and on
//! nothing else, above all not on how far the physical compaction or a snapshot of the local replica has come.
//!
//! ```
//! use whitewater_api::{Body, KeyRange, Request, request::{PutRequest, RangeRequest}};
//! use whitewater_mutation::Mutations;
//! use whitewater_store::Store;
//!
//! let mut store = Store::new(Mutations::none());
//! store.apply(&Request::Put(PutRequest::new("k3", "v9"))).unwrap();
//! let get = Request::Range(RangeRequest::new(KeyRange::single("k3")));
//! let Body::Range(answer) = store.read(&get).unwrap() else { panic!("a range is answered by a range") };
//! assert_eq!(answer.kvs[0].value, "v9".into());
//! assert_eq!(store.revision().to_string(), "r2");
//! ```
//!
//! Open [`store`](crate::Store) first, then `history`, which holds what one key was and when, and `lease`, on which keys
//! may hang. `auth` says who may do what. [`watch`] tells of changes as they come; `check` refuses what no
//! state could accept, before it reaches the log. `view`, `part` and [`Restore`] are snapshots: out, on the wire, in;
//! `etcd` is both ways in etcd's format.

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod store;

// What it is made of.
mod history;
mod journal;

// What requests do.
mod alarm;
mod auth;
mod check;
mod count;
mod lease;
mod range;
mod scan;
mod tally;
mod txn;

// Who hears of it.
pub mod watch;

// What goes on besides: space is freed, members compare themselves, snapshots go out and come in.
mod defragment;
mod etcd;
mod hash_kv;
mod intake;
mod part;
mod restore;
mod scrub;
mod view;

// What all of them use.
mod hash;
mod invariants;
mod limits;

pub use crate::{
    auth::Auth,
    defragment::Defragmentation,
    etcd::{EtcdFile, EtcdFileBuilder, EtcdFileError},
    hash_kv::KvHasher,
    lease::Lease,
    restore::{Restore, RestoreError},
    scan::RangeScan,
    store::Store,
    tally::Tally,
    view::{Cursor, Part, View},
    watch::{WatchLimits, WatchOutput, Watches},
};
