//! What another member says on a connection.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_server::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::frame(bytes));
