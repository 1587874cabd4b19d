//! A packed trace.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_record::Trace;

fuzz_target!(|bytes: &[u8]| {
    let Ok(trace) = Trace::unpack("fuzz", bytes) else { return };
    let mut written = Vec::new();
    trace.pack(&mut written).expect("a vector takes all");
    let again = Trace::unpack("fuzz", &written).expect("what was written is read");
    assert_eq!(again.rows(), trace.rows());
});
