//! A file that a user restores from: of this server or of etcd, from anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_replica::{EtcdExport, backup_status};

fuzz_target!(|bytes: &[u8]| {
    // With the checksums waived the content may contradict itself, so all that can be asked is that no reader panics.
    drop(backup_status(bytes));
    let mut export = EtcdExport::default();
    if export.push(&bytes.to_vec().into()).is_ok()
        && let Ok(file) = export.finish()
    {
        let mut written = Vec::new();
        file.write(&mut written).expect("memory takes everything");
        assert_eq!(written.len() as u64, file.bytes());
        drop(backup_status(&written));
    }
});
