//! raft-rs, WAL, snapshots and recovery behind one sans-io door: [`Replica::step`].
//!
//! Open [`door`] first: it is all that a host sees. Then [`replica`], which decides what each input does, then
//! `ready.rs`, where raft-rs's Ready contract is kept.
//!
//! # Invariants that hold everywhere
//!
//! 1. No vote, candidacy or acknowledgement leaves before the disk holds what it promises.
//! 2. `applied <= commit`, and `applied` is durable here and on a quorum.
//! 3. A client is told OK only after its own entry, known by its id, was applied here.
//! 4. A linearizable read is answered from a state that holds all that was acknowledged before it was asked.
//! 5. After a failed sync nothing more is promised: the replica stops.
//! 6. A watch is told what is applied here: each event once, in order, whichever member serves it.
//! 7. A member whose disk is new takes part only after a majority of those that were voters when it came in has said that
//!    it never knew it by another one.
//! 8. A member that finds damage in what it promised says nothing until the others have taken its promises back.

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod alone;
mod arrival;
mod auth;
mod auto_compaction;
mod backup;
mod chores;
mod cluster;
mod compaction;
pub mod config;
mod corruption;
pub mod door;
pub mod identity;
pub mod ids;
mod introduction;
mod leases;
pub mod lessor;
pub mod limits;
mod log;
mod long_reads;
mod maintenance;
mod members;
mod membership;
pub mod message;
mod persistence;
mod reads;
mod ready;
mod recovery;
mod repair;
pub mod replica;
pub mod snapshot;
mod timeouts;
mod transfer;
pub mod wal;
mod watches;
pub mod wire;
mod writes;

pub use crate::{
    auth::{PasswordDone, PasswordWork},
    backup::{
        BackupStatus, EtcdExport, EtcdSnapshot, backup_status, read_backup, seal, write_backup,
    },
    config::{Boot, Config, Restoration, Security},
    door::{Asked, Event, Input, LeaseClock, Output, Phase, Role, Status, StopReason},
    message::{Envelope, MessageKind, PeerMessage, Promise},
    recovery::OpenError,
    replica::Replica,
};
pub use whitewater_store::Tally;
