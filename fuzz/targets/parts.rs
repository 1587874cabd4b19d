//! A snapshot as it comes from a peer: parts, each with its length before it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_mutation::Mutations;
use whitewater_store::Restore;

fuzz_target!(|bytes: &[u8]| {
    let mut restore = Restore::new(Mutations::none());
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (part, behind) = behind.split_at(length);
        if restore.push(part).is_err() {
            return;
        }
        rest = behind;
    }
    drop(restore.finish());
});
