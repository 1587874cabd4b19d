//! A plan that somebody wrote or changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_record::Plan;

fuzz_target!(|text: &str| {
    let Ok(plan) = Plan::from_toml("fuzz", text) else { return };
    let again = Plan::from_toml("fuzz", &plan.to_toml()).expect("what was written is read");
    assert_eq!(again, plan);
});
