//! The file that says whose a disk is.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use whitewater_api::DiskImage;
use whitewater_replica::identity::Identity;

fuzz_target!(|bytes: &[u8]| {
    let image = DiskImage::from([("identity".into(), Bytes::copy_from_slice(bytes))]);
    drop(Identity::read(&image));
});
