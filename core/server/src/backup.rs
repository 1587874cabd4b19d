//! `whitewater-server snapshot save | status | restore`: backups as files, in etcd's own form.
//!
//! ```text
//!  member ──Maintenance/Snapshot──▶ save ──▶ FILE ──▶ status
//!  a real etcd's snapshot, or its database ─▶ FILE ──▶ restore ──▶ the data directory of a new cluster's member
//! ```

use crate::{
    flags::{self, Flags},
    proto::etcdserverpb::{self as pb, maintenance_client::MaintenanceClient},
    server::{self, ServerError},
    settings::SettingsError,
};
use clap::{CommandFactory, Parser};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use thiserror::Error as ThisError;
use tonic::transport::Endpoint;
use whitewater_api::KvHash;
use whitewater_replica::{BackupStatus, OpenError, Restoration, backup_status, seal};

/// Backups of a member, in etcd's form.
#[derive(Debug, Parser)]
#[command(name = "whitewater-server snapshot")]
enum Command {
    /// Take a backup of a running member.
    Save {
        /// Where it goes.
        file: PathBuf,
        /// The member, as http://HOST:PORT.
        #[arg(long, env = "ETCDCTL_ENDPOINTS", default_value = "http://127.0.0.1:2379")]
        endpoint: String,
    },
    /// Read a backup whole, and say what it holds.
    Status {
        /// The backup.
        file: PathBuf,
    },
    /// Make the data directory of a member of a new cluster that has the content of a backup, ours or a real etcd's. Start
    /// it with the same flags then.
    Restore(Box<Restore>),
}

/// `snapshot restore`
#[derive(Debug, clap::Args)]
struct Restore {
    /// The backup.
    file: PathBuf,
    /// How many revisions are left out, so that no client that saw more than the backup holds takes an old revision for
    /// a new one.
    #[arg(long, default_value_t = 0)]
    bump_revision: u64,
    /// Everything before counts as compacted, so that watches from there end.
    #[arg(long, requires = "bump_revision")]
    mark_compacted: bool,
    /// The file is a database without the hash that a snapshot has at its end, such as `member/snap/db` of a stopped etcd.
    #[arg(long)]
    skip_hash_check: bool,
    /// Who the member is.
    #[command(flatten)]
    flags: Flags,
}

/// Why a backup was not taken, read or restored.
#[derive(Debug, ThisError)]
pub enum BackupError {
    /// The command line is wrong.
    #[error(transparent)]
    Flags(#[from] clap::Error),
    /// Flags make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is no backup, or damaged.
    #[error("{path}: {error}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: OpenError,
    },
    /// The member did not give it.
    #[error("{endpoint}: {reason}")]
    Member {
        /// Which.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// The new data directory cannot be made.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Does what the command line says, `snapshot` first. What to print.
pub fn run(arguments: impl IntoIterator<Item = String>) -> Result<String, BackupError> {
    let command = Command::command().mut_subcommands(|command| command.mut_args(flags::switch));
    match flags::read(command, arguments)? {
        Command::Save { file, endpoint } => {
            let part = part_of(&file);
            let saved = save(&endpoint, &part).and_then(|()| status(&file, &read(&part)?));
            if saved.is_err() {
                // What is not whole would only be taken for a backup; that it may be gone already is no matter.
                drop(fs::remove_file(&part));
            }
            let status = saved?;
            put(&part, &file).map_err(|error| BackupError::File { path: file.clone(), error })?;
            Ok(format!("saved {}: {}", file.display(), describe(&status)))
        }
        Command::Status { file } => {
            let status = status(&file, &read(&file)?)?;
            Ok(format!("{}: {}", file.display(), describe(&status)))
        }
        Command::Restore(restore) => {
            let mut backup = read(&restore.file)?;
            if restore.skip_hash_check {
                seal(&mut backup);
            }
            let status = status(&restore.file, &backup)?;
            let settings = restore.flags.settings()?;
            let data = settings.data_dir().display().to_string();
            let (revision_bump, mark_compacted) = (restore.bump_revision, restore.mark_compacted);
            let from = Restoration { backup: backup.into(), revision_bump, mark_compacted };
            server::restore(&settings, from)?;
            Ok(format!("restored {data}: {}", describe(&status)))
        }
    }
}

/// Takes a backup of the member at this URL, and says what it holds.
pub fn content(endpoint: &str) -> Result<KvHash, BackupError> {
    let mut backup = Vec::new();
    take(endpoint, |bytes| {
        backup.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(status(Path::new(endpoint), &backup)?.content)
}

/// Takes a backup of the member at this URL into a file, as it comes, without a look at what it holds.
pub fn save(endpoint: &str, path: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::File { path: path.to_owned(), error };
    let mut file = File::create(path).map_err(failed)?;
    take(endpoint, |bytes| file.write_all(bytes).map_err(failed))?;
    file.sync_all().map_err(failed)
}

fn read(path: &Path) -> Result<Vec<u8>, BackupError> {
    fs::read(path).map_err(|error| BackupError::File { path: path.to_owned(), error })
}

fn status(path: &Path, backup: &[u8]) -> Result<BackupStatus, BackupError> {
    backup_status(backup).map_err(|error| BackupError::Damaged { path: path.to_owned(), error })
}

fn describe(status: &BackupStatus) -> String {
    let BackupStatus { content, bytes, index: _ } = status;
    format!(
        "revision {}, compacted {}, hash over revisions {}, {bytes} bytes",
        content.revision.0, content.compacted.0, content.hash
    )
}

/// Takes a backup of a member, piece by piece.
fn take(
    endpoint: &str,
    mut on_bytes: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let failed = |error: &dyn std::fmt::Display| BackupError::Member {
        endpoint: endpoint.to_owned(),
        reason: error.to_string(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| failed(&error))?.block_on(async {
        let member = Endpoint::from_shared(endpoint.to_owned()).map_err(|error| failed(&error))?;
        let channel = member.connect().await.map_err(|error| failed(&error))?;
        let asked = MaintenanceClient::new(channel).snapshot(pb::SnapshotRequest {}).await;
        let mut blobs = asked.map_err(|status| failed(&status.message()))?.into_inner();
        while let Some(response) =
            blobs.message().await.map_err(|status| failed(&status.message()))?
        {
            on_bytes(&response.blob)?;
        }
        Ok(())
    })
}

/// What a backup is called before it is known to be whole.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Gives a file that is on the disk its name.
fn put(part: &Path, path: &Path) -> io::Result<()> {
    fs::rename(part, path)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
