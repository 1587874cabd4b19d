//! A file that a user restores from: of this server or of etcd, from anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_replica::{backup_status, etcd_snapshot};

fuzz_target!(|bytes: &[u8]| {
    // With the checksums waived the content may contradict itself, so all that can be asked is that no reader panics.
    drop(backup_status(bytes));
    drop(etcd_snapshot(bytes).map(|written| backup_status(&written)));
});
