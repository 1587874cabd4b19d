//! A scenario that somebody wrote.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_scenarios::Scenario;

fuzz_target!(|text: &str| {
    drop(Scenario::parse("fuzz", text));
});
