//! The log as a crash or a bad disk leaves it: two segments, the second behind a length.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use whitewater_api::{DiskImage, FileName, Incarnation, release::Release};
use whitewater_mutation::Mutations;
use whitewater_replica::wal::{Follower, Settings, Wal, knows_peers, readable_peers};

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let first = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (first, second) = rest.split_at(first);
    let mut image = DiskImage::new();
    for (sequence, segment) in [(1, first), (2, second)] {
        if !segment.is_empty() {
            let name = FileName(format!("wal-{sequence:016x}.log"));
            image.insert(name, Bytes::copy_from_slice(segment));
        }
    }
    let mut ops = Vec::new();
    for release in [Release::Previous, Release::Newest] {
        let settings = Settings {
            owner: Incarnation(1),
            segment_bytes: 1 << 16,
            release,
            mutations: Mutations::none(),
        };
        drop(Wal::recover(settings, &image, &mut ops));
        drop(knows_peers(&image, release));
        drop(readable_peers(&image, release));
    }
    let mut follower = Follower::new();
    for (name, segment) in &image {
        drop(follower.advance(name, segment, &mut |_| {}));
    }
});
