//! Who a disk belongs to: one small file, written once, before the disk promises anything.
//!
//! ```text
//!  0      4         6   8         16       24            32         36
//!  +------+---------+---+---------+--------+-------------+----------+
//!  | WWID | version | 0 | cluster | member | incarnation | checksum |
//!  +------+---------+---+---------+--------+-------------+----------+
//! ```
//!
//! All numbers are little endian. The checksum is the CRC-32C of the bytes before it.

use crate::wal::codec::Reader;
use bytes::Bytes;
use thiserror::Error as ThisError;
use whitewater_api::{ClusterId, DiskImage, DiskOp, FileName, Incarnation, NodeId};

const FILE: &str = "identity";
const FILE_TEMPORARY: &str = "identity.tmp";
const MAGIC: [u8; 4] = *b"WWID";
const VERSION: u16 = 1;
const LENGTH: usize = 36;

/// Who a disk belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The member.
    pub member: NodeId,
    /// Which life of the member's disk this is. A wiped disk starts another one, and is not the member that promised.
    pub incarnation: Incarnation,
}

/// Why a disk is refused.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum IdentityError {
    /// The file is shorter or longer than an identity.
    #[error("{file}: {found} bytes, expected {LENGTH}. {ADVICE}")]
    Length {
        /// Which file.
        file: FileName,
        /// Its length.
        found: usize,
    },
    /// The file was not written by us, or was damaged since.
    #[error("{file}: damaged: the checksum or the first bytes are wrong. {ADVICE}")]
    Damaged {
        /// Which file.
        file: FileName,
    },
    /// The file is of another version.
    #[error("{file}: version {found}, expected {VERSION}. Start the release that wrote it")]
    Version {
        /// Which file.
        file: FileName,
        /// The version that it names.
        found: u16,
    },
    /// The disk belongs to another cluster.
    #[error(
        "the disk belongs to cluster {found}, expected {expected}. Check the directory and the cluster that were given"
    )]
    ForeignCluster {
        /// Whose it is.
        found: ClusterId,
        /// Whose it should be.
        expected: ClusterId,
    },
    /// The disk belongs to another member.
    #[error(
        "the disk belongs to member {found}, expected {expected}. Check the directory and the member that were given"
    )]
    WrongMember {
        /// Whose it is.
        found: NodeId,
        /// Whose it should be.
        expected: NodeId,
    },
}

const ADVICE: &str =
    "Put back a good copy, or remove the member and add it again with an empty disk";

impl Identity {
    /// Writes the identity. It is durable under its name when the operations are done, and not there at all before.
    pub fn write(&self, ops: &mut Vec<DiskOp>) {
        let temporary = FileName::from(FILE_TEMPORARY);
        ops.extend([
            DiskOp::Create { file: temporary.clone() },
            DiskOp::Write { file: temporary.clone(), offset: 0, bytes: Bytes::from(self.encode()) },
            DiskOp::Sync { file: temporary.clone() },
            DiskOp::Rename { from: temporary, to: FILE.into() },
            DiskOp::SyncDirectory,
        ]);
    }

    /// The identity on a disk; `None` if the disk has none. A leftover of an interrupted write counts for nothing.
    pub fn read(image: &DiskImage) -> Result<Option<Self>, IdentityError> {
        image.get(&FileName::from(FILE)).map(|bytes| Self::decode(bytes)).transpose()
    }

    /// Refuses a disk that belongs to someone else.
    pub fn check(&self, cluster: ClusterId, member: NodeId) -> Result<(), IdentityError> {
        if self.cluster != cluster {
            return Err(IdentityError::ForeignCluster { found: self.cluster, expected: cluster });
        }
        if self.member != member {
            return Err(IdentityError::WrongMember { found: self.member, expected: member });
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0_u16.to_le_bytes());
        bytes.extend_from_slice(&self.cluster.0.to_le_bytes());
        bytes.extend_from_slice(&self.member.0.to_le_bytes());
        bytes.extend_from_slice(&self.incarnation.0.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let file = FileName::from(FILE);
        let mut reader = Reader::new(bytes);
        let is_ours = reader.bytes(MAGIC.len()).is_some_and(|magic| magic == MAGIC);
        // The version comes before the length: another version may have another one.
        match reader.u16() {
            Some(found) if is_ours && found != VERSION => {
                return Err(IdentityError::Version { file, found });
            }
            Some(_) | None => {}
        }
        if bytes.len() != LENGTH {
            return Err(IdentityError::Length { file, found: bytes.len() });
        }
        Self::fields(bytes)
            .filter(|_| is_ours)
            .ok_or(IdentityError::Damaged { file: FileName::from(FILE) })
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let (covered, checksum) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*checksum) != crc32c::crc32c(covered) && !cfg!(fuzzing) {
            return None;
        }
        let mut reader = Reader::new(covered.get(8..)?);
        Some(Self {
            cluster: ClusterId(reader.u64()?),
            member: NodeId(reader.u64()?),
            incarnation: Incarnation(reader.u64()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity =
        Identity { cluster: ClusterId(7), member: NodeId(2), incarnation: Incarnation(99) };

    fn image(bytes: Vec<u8>) -> DiskImage {
        DiskImage::from([(FileName::from(FILE), Bytes::from(bytes))])
    }

    #[test]
    fn an_identity_comes_back_whole() {
        assert_eq!(Identity::read(&image(IDENTITY.encode())), Ok(Some(IDENTITY)));
        assert_eq!(IDENTITY.encode().len(), LENGTH);
    }

    #[test]
    fn an_interrupted_write_leaves_no_identity() {
        let temporary = DiskImage::from([(FILE_TEMPORARY.into(), Bytes::from(IDENTITY.encode()))]);
        assert_eq!(Identity::read(&temporary), Ok(None));
        assert_eq!(Identity::read(&DiskImage::new()), Ok(None));
    }

    #[test]
    fn the_name_comes_after_the_bytes_and_before_the_promise() {
        let mut ops = Vec::new();
        IDENTITY.write(&mut ops);
        let sync = ops.iter().position(|op| matches!(op, DiskOp::Sync { .. }));
        let rename = ops.iter().position(|op| matches!(op, DiskOp::Rename { .. }));
        assert!(sync < rename);
        assert_eq!(ops.last(), Some(&DiskOp::SyncDirectory));
    }

    #[test]
    fn any_changed_bit_and_any_shorter_file_is_refused() {
        let bytes = IDENTITY.encode();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::read(&image(changed)).is_err(), "bit {bit}");
        }
        for length in 0..LENGTH {
            let short = Identity::read(&image(bytes[..length].to_vec()));
            assert_eq!(short, Err(IdentityError::Length { file: FILE.into(), found: length }));
        }
    }

    #[test]
    fn a_disk_of_someone_else_is_refused_by_name() {
        assert_eq!(IDENTITY.check(ClusterId(7), NodeId(2)), Ok(()));
        assert_eq!(
            IDENTITY.check(ClusterId(8), NodeId(2)),
            Err(IdentityError::ForeignCluster { found: ClusterId(7), expected: ClusterId(8) })
        );
        assert_eq!(
            IDENTITY.check(ClusterId(7), NodeId(3)),
            Err(IdentityError::WrongMember { found: NodeId(2), expected: NodeId(3) })
        );
    }
}
