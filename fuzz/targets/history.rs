//! A recorded history, of ours or of others, whatever it looks like.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_record::{History, formats};

fuzz_target!(|bytes: &[u8]| {
    drop(formats::read("fuzz", None, bytes));
    if let Ok(history) = History::read("fuzz", bytes) {
        let mut written = Vec::new();
        history.write(&mut written).expect("a vector takes all");
        let again = History::read("fuzz", &written[..]).expect("what was written is read");
        assert_eq!(again, history);
    }
});
