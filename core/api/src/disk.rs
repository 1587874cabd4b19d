//! What a replica asks of its disk. One flat directory, files named by the replica.
//!
//! Nothing is durable before [`DiskOp::Sync`] of the file and, for its name, [`DiskOp::SyncDirectory`] are done.

use ::bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use thiserror::Error as ThisError;

/// The name of a file in the replica's directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(pub String);

/// A batch of disk operations; numbers rise within one life of a replica.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WriteId(pub u64);

/// One operation. A batch is carried out in order and stops at the first error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Create the file, or cut an existing one to nothing.
    Create {
        /// Which file.
        file: FileName,
    },
    /// Set the length; new bytes are zero. Preallocates.
    SetLength {
        /// Which file.
        file: FileName,
        /// The new length in bytes.
        length: u64,
    },
    /// Write bytes at an offset; the file grows where needed.
    Write {
        /// Which file.
        file: FileName,
        /// Where, in bytes from the start.
        offset: u64,
        /// What.
        bytes: Bytes,
    },
    /// Make the file's bytes and length durable, not its name.
    Sync {
        /// Which file.
        file: FileName,
    },
    /// Give the file another name, replacing what had it.
    Rename {
        /// The old name.
        from: FileName,
        /// The new name.
        to: FileName,
    },
    /// Remove the file; nothing to do if it is not there, so that a batch may be repeated.
    Remove {
        /// Which file.
        file: FileName,
    },
    /// Make all names of the directory durable: creations, renames and removals so far.
    SyncDirectory,
}

/// Why a batch failed. What it wrote before is undefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskError {
    /// An input/output error; after a failed sync nothing unsynced may be trusted.
    #[error("input/output error")]
    Io,
    /// No space is left. Nothing of the failing operation was written.
    #[error("no space left on device")]
    NoSpace,
}

/// All files of a replica's directory, as a starting process reads them.
pub type DiskImage = BTreeMap<FileName, Bytes>;

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for FileName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl DiskOp {
    /// How many bytes the operation moves.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            Self::Create { .. }
            | Self::SetLength { .. }
            | Self::Sync { .. }
            | Self::Rename { .. }
            | Self::Remove { .. }
            | Self::SyncDirectory => 0,
        }
    }
}
