//! raft-rs, WAL, snapshots and recovery behind one sans-io door.

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

pub mod wal;
