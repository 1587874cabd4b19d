//! Every bound of the crate. Files come from elsewhere; a bad one must cost an error, not the machine.

/// Bytes of one line of a history.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 20;

/// Bytes at the start of a file that may be looked at to tell its format.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;

/// How deep EDN values may be nested.
pub(crate) const EDN_DEPTH_MAX: usize = 64;
