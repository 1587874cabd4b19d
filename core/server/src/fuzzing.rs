//! The parsers of this crate, for `fuzz/`. Built under `--cfg fuzzing` only.

use crate::{convert, gateway, peers, proto::etcdserverpb as pb};
use bytes::Bytes;
use prost::Message;

/// What another member says on a connection.
pub fn frame(bytes: &[u8]) {
    peers::fuzz(&Bytes::copy_from_slice(bytes));
}

/// JSON that is posted to the gateway, at the path of this number.
pub fn gateway(path: usize, json: &[u8]) {
    gateway::fuzz(path, json);
}

/// A client's message of this kind, as a request of the core.
pub fn conversion(kind: u8, message: &[u8]) {
    match kind % 6 {
        0 => drop(read(message).map(convert::range_request)),
        1 => drop(read(message).map(convert::put_request)),
        2 => drop(read(message).map(convert::delete_request)),
        3 => drop(read(message).map(convert::txn_request)),
        4 => drop(read(message).map(convert::watch_create)),
        _ => drop(read::<pb::AlarmRequest>(message).map(|alarm| convert::alarm_request(&alarm))),
    }
}

fn read<M: Message + Default>(message: &[u8]) -> Option<M> {
    M::decode(message).ok()
}
