//! The bytes of a file. What was never written is zero and costs no memory, so that preallocating is free.

use crate::limits::{FILE_BYTES_MAX, SECTOR_BYTES};
use bytes::Bytes;

/// A file's bytes and length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// From the start; the rest up to the length is zero. Invariant: not longer than `length`, except inside of a
    /// power loss, between [`Self::patch`] and [`Self::set_length`].
    written: Vec<u8>,
    length: u64,
}

impl Contents {
    /// The bytes up to the last one that was ever written; all others are zero.
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }

    /// The sector that begins at `at`.
    pub(crate) fn sector(&self, at: u64) -> Vec<u8> {
        let mut sector = vec![0; index(SECTOR_BYTES)];
        let rest = self.written.get(index(at)..).unwrap_or_default();
        let there = rest.len().min(sector.len());
        sector[..there].copy_from_slice(&rest[..there]);
        sector
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// All bytes, those that were never written too.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let length = index(self.length);
        if self.written.len() == length {
            return Bytes::copy_from_slice(&self.written);
        }
        // Fresh zeros cost nothing until they are read.
        let mut bytes = vec![0; length];
        bytes[..self.written.len()].copy_from_slice(&self.written);
        Bytes::from(bytes)
    }

    /// Writes, and grows where needed.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.patch(offset, bytes);
        self.length = self.length.max(end(offset, bytes));
    }

    /// Cuts off, or grows with zeros.
    pub(crate) fn set_length(&mut self, length: u64) {
        if length < self.length || length < as_u64(self.written.len()) {
            self.written.truncate(index(length));
        }
        self.length = length;
    }

    /// Writes without a look at the length.
    pub(crate) fn patch(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (start, end) = (index(offset), index(end(offset, bytes)));
        let overlap = self.written.len().clamp(start, end) - start;
        if self.written.len() < start {
            self.written.resize(start, 0);
        }
        self.written[start..start + overlap].copy_from_slice(&bytes[..overlap]);
        self.written.extend_from_slice(&bytes[overlap..]);
    }
}

/// Where a write ends.
pub(crate) fn end(offset: u64, bytes: &[u8]) -> u64 {
    offset.saturating_add(as_u64(bytes.len()))
}

pub(crate) fn as_u64(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits 64 bits")
}

pub(crate) fn index(position: u64) -> usize {
    assert!(position <= FILE_BYTES_MAX, "a position of {position} is past any file's end");
    usize::try_from(position).expect("the limit fits any machine's word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_never_written_are_zero() {
        let mut contents = Contents::default();
        contents.write(2, b"ab");
        contents.set_length(6);
        assert_eq!(contents.to_bytes(), &b"\0\0ab\0\0"[..]);
        contents.set_length(3);
        contents.set_length(5);
        assert_eq!(contents.to_bytes(), &b"\0\0a\0\0"[..]);
        contents.write(1, b"xyz");
        assert_eq!(contents.to_bytes(), &b"\0xyz\0"[..]);
        assert_eq!((contents.written(), contents.length()), (&b"\0xyz"[..], 5));
    }
}
