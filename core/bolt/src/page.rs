//! What both directions share: constants, and the checksum of a meta page.

/// The first bytes of a meta.
pub(crate) const MAGIC: u32 = 0xED0C_DAED;
pub(crate) const VERSION: u32 = 2;

/// Bytes of a page's own header.
pub(crate) const HEADER: usize = 16;
/// Bytes of an element, of a leaf or of a branch.
pub(crate) const ELEMENT: usize = 16;
/// Bytes of a meta, with its checksum.
pub(crate) const META: usize = 64;

pub(crate) const BRANCH: u16 = 1;
pub(crate) const LEAF: u16 = 2;
pub(crate) const META_KIND: u16 = 4;
pub(crate) const FREELIST: u16 = 16;

/// An element of a leaf that is a bucket.
pub(crate) const IS_BUCKET: u32 = 1;

/// FNV-1a, 64 bits, of what is before the checksum.
pub(crate) fn checksum(meta: &[u8]) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    meta.iter().fold(0xcbf2_9ce4_8422_2325, add)
}
