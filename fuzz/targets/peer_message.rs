//! What a replica is told by a peer.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use whitewater_mutation::Mutations;
use whitewater_replica::{PeerMessage, wire};

fuzz_target!(|bytes: &[u8]| {
    for version in wire::VERSION_MIN..=wire::VERSION {
        let read = |bytes: &Bytes| PeerMessage::decode(version, bytes, Mutations::none());
        let Ok(message) = read(&Bytes::copy_from_slice(bytes)) else { continue };
        let mut written = Vec::new();
        message.encode(version, &mut written);
        read(&written.into()).expect("what was written is read");
    }
});
