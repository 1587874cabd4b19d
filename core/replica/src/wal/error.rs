//! Why a log is refused.

use thiserror::Error as ThisError;
use whitewater_api::{FileName, Incarnation, Index};

/// Why a log is refused. Nothing was changed, and starting again changes nothing: someone has to look.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum WalError {
    /// There is no segment at all.
    #[error(
        "there is no write-ahead log. A member that has an identity and no log has lost its disk: \
         remove it from the cluster and add it again as a new member"
    )]
    Absent,
    /// A segment of another version.
    #[error(
        "{file}: version {found}, expected at most {newest}. Start the release that wrote it; it can write the older \
         form, and when its log holds nothing else, this release can read it"
    )]
    Version {
        /// Which file.
        file: FileName,
        /// The version that it names.
        found: u16,
        /// The newest version that this release reads.
        newest: u16,
    },
    /// A segment that another disk wrote.
    #[error(
        "{file}: belongs to incarnation {found}, expected {expected}. \
         Put back the files of this member, or move the foreign ones away"
    )]
    Foreign {
        /// Which file.
        file: FileName,
        /// Whose it is.
        found: Incarnation,
        /// Whose it should be.
        expected: Incarnation,
    },
    /// A file that calls itself part of the log and is none.
    #[error("{file}: not the name of a segment. Move the file out of the directory")]
    ForeignName {
        /// Which file.
        file: FileName,
    },
    /// A segment that must be there is not.
    #[error(
        "{file}: missing, expected because the log after snapshot index {snapshot} starts in it or before it. \
         Put the file back, or remove the member and add it again with an empty disk"
    )]
    MissingSegment {
        /// Which file.
        file: FileName,
        /// The index of the newest snapshot mark.
        snapshot: Index,
    },
    /// Bytes that were promised to be durable are not what was written.
    #[error(
        "{file}: damaged at byte {offset}: expected {expected}; {proof}. Put back a good copy of the file, or remove \
         the member and add it again with an empty disk. Do not cut the file: what it held was promised"
    )]
    Damaged {
        /// Which file.
        file: FileName,
        /// Where.
        offset: u64,
        /// What should be there.
        expected: String,
        /// How we know that it is not a torn tail.
        proof: String,
    },
    /// Every checksum holds and yet the records contradict each other.
    #[error(
        "{file}: {found}, expected {expected}. This is a bug of the program that wrote the log; keep the files, \
         and remove the member and add it again with an empty disk"
    )]
    Inconsistent {
        /// The newest file that was read.
        file: FileName,
        /// What the records say.
        found: String,
        /// What they should say.
        expected: String,
    },
}
