//! Why a member does not start, or has ended.

use crate::{limits, tls::TlsError};
use std::{io, path::PathBuf};
use thiserror::Error as ThisError;
use whitewater_replica::{OpenError, StopReason, identity::IdentityError};

/// Why a member does not start, or has ended.
#[derive(Debug, ThisError)]
pub enum ServerError {
    /// The data directory is in use, or cannot be used.
    #[error("{path}: {error}. Is another process using the directory?")]
    Data {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A new member would overwrite an old one.
    #[error("{0}: there is a member in it already. Name a new folder by --data-dir")]
    InUse(PathBuf),
    /// An address cannot be listened at.
    #[error("cannot listen at {authority}: {error}")]
    Listen {
        /// Host and port.
        authority: String,
        /// Why.
        error: io::Error,
    },
    /// The system lets it have too few files and sockets to serve anybody.
    #[error("only {0} files and sockets may be open: more than {needed} are needed (ulimit -n)", needed = limits::RESERVED_FILES)]
    TooFewFiles(usize),
    /// The identity file is damaged.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The disk is refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Certificates do not do.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The old log and the new one would lie in one folder.
    #[error(
        "--force-new-cluster cannot be used with --wal-dir: move the log beside the data first"
    )]
    Elsewhere,
    /// None of the members could be asked who this one is.
    #[error("none of the members of --initial-cluster told who this one is: {0}")]
    Strangers(String),
    /// The members know nobody with these URLs.
    #[error("no member has the peer URLs {0:?}: say `etcdctl member add` first")]
    NotAdded(Vec<String>),
    /// The replica has stopped.
    #[error("the replica has stopped: {}", words(*.0))]
    Stopped(StopReason),
    /// Something of the operating system's.
    #[error(transparent)]
    System(#[from] io::Error),
}

const fn words(reason: StopReason) -> &'static str {
    match reason {
        StopReason::DiskFailed(_) => {
            "a write or sync failed, and nothing after it can be trusted; start again when the disk is well"
        }
        StopReason::Corrupt => {
            "most members hold other content; remove this member, wipe its data and add it again"
        }
        StopReason::WipedDisk => {
            "the others know this member with another disk; remove it and add it again"
        }
        StopReason::DamagedDisk => "the disk is damaged, and the members have not made up for it",
    }
}
