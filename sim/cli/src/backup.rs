//! The backups that clusters begin with: read once a process, and held to what the plan says of them.

use crate::exit::CliError;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};
use whitewater_record::{BackupPlan, Plan};
use whitewater_world::Import;

/// The last one. A campaign has one; a search over plans hardly ever two.
static LAST: Mutex<Option<(BackupPlan, Import)>> = Mutex::new(None);

/// What a plan says of a file that the command line names.
pub(crate) fn named(file: &Path) -> Result<BackupPlan, CliError> {
    let name = file.display().to_string();
    // Workers and later replays may run elsewhere.
    let whole = fs::canonicalize(file).map_err(|error| missing(&name, &error.to_string()))?;
    let bytes = fs::read(&whole).map_err(|error| missing(&name, &error.to_string()))?;
    let plan = BackupPlan { file: whole.display().to_string(), sha256: sha256(&bytes) };
    keep(plan.clone(), &bytes)?;
    Ok(plan)
}

/// What a plan begins with, if it begins with a backup.
pub(crate) fn of(plan: &Plan) -> Result<Option<Import>, CliError> {
    let Some(wanted) = &plan.cluster.backup else { return Ok(None) };
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, import)) = last.filter(|(plan, _)| plan.sha256 == wanted.sha256) {
        return Ok(Some(import));
    }
    let bytes =
        fs::read(&wanted.file).map_err(|error| missing(&wanted.file, &error.to_string()))?;
    let found = sha256(&bytes);
    if found != wanted.sha256 {
        return Err(CliError::Usage(format!(
            "{}: the plan begins with a backup of this name whose SHA-256 is {}, and that of this file is {found}; \
             put the right one there, or say in the plan where it is (`backup` under `[cluster]`)",
            wanted.file, wanted.sha256
        )));
    }
    keep(wanted.clone(), &bytes).map(Some)
}

fn keep(plan: BackupPlan, bytes: &[u8]) -> Result<Import, CliError> {
    let import = Import::read(bytes).map_err(|error| {
        CliError::Usage(format!(
            "{}: {error}; a backup is what `etcdctl snapshot save` or `whitewater-server snapshot save` writes",
            plan.file
        ))
    })?;
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((plan, import.clone()));
    Ok(import)
}

fn missing(file: &str, why: &str) -> CliError {
    CliError::Usage(format!("{file}: the backup to begin with: {why}"))
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
