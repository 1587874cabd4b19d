//! A client's message, of a kind that the first byte chooses, as the core's request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_server::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    if let Some((kind, message)) = bytes.split_first() {
        fuzzing::conversion(*kind, message);
    }
});
