//! What a replica is told by a peer.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use whitewater_replica::PeerMessage;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = PeerMessage::decode(&Bytes::copy_from_slice(bytes)) else { return };
    let mut written = Vec::new();
    message.encode(&mut written);
    PeerMessage::decode(&written.into()).expect("what was written is read");
});
