//! JSON that a client posts, for a method that the first byte chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_server::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    if let Some((method, json)) = bytes.split_first() {
        fuzzing::gateway(usize::from(*method), json);
    }
});
