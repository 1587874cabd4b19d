//! How deep transactions may lie in each other where they are read from bytes.

use crate::request::TxnRequest;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::cell::Cell;

/// What clients send is bounded by protobuf's own 100 messages, which are 50 transactions.
pub const TXN_DEPTH_MAX: usize = 64;

thread_local! {
    /// How deep the reader is.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Reading recurses, and bytes of a peer could make it do so until the stack is full, which ends the process.
pub(crate) fn nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TxnRequest, D::Error> {
    let depth = DEPTH.get();
    if depth >= TXN_DEPTH_MAX {
        return Err(D::Error::custom("transactions lie too deep in each other"));
    }
    DEPTH.set(depth + 1);
    let read = TxnRequest::deserialize(deserializer);
    DEPTH.set(depth);
    read
}
