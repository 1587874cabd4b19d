//! A database of bbolt.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whitewater_bolt::Database;

fuzz_target!(|file: &[u8]| {
    let Ok(database) = Database::open(file) else { return };
    for name in [&b"key"[..], b"meta", b"lease", b"auth", b"authUsers", b"a"] {
        // Damage is an error; a panic, a loop or a place out of bounds is what is looked for.
        drop(database.bucket(name, &mut |_, _| {}));
    }
});
