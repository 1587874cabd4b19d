//! Damage to the files of a member that is not running: some bits of one of them are turned.

use super::failed;
use crate::exit::CliError;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use whitewater_record::seed::Stream;

/// What a member of ours says that has found damage in what it promised.
pub(super) const NOTICED: &str = "the disk is damaged";

/// Bits that are turned at once, at most.
const BITS_MAX: u64 = 3;

/// Turns some bits of one of its logs and snapshots, where something is written.
pub(super) fn turn_bits(data: &Path, draws: &mut Stream) -> Result<(), CliError> {
    let mut files = Vec::new();
    collect(data, &mut files).map_err(|error| failed(data, &error))?;
    files.sort_unstable();
    if files.is_empty() {
        return Err(CliError::Internal(format!("{}: no log and no snapshot", data.display())));
    }
    let file = draws.pick(&files);
    let mut bytes = fs::read(file).map_err(|error| failed(file, &error))?;
    // Behind the last record there are zeros, which nobody reads.
    let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else { return Ok(()) };
    for _ in 0..draws.between(1, BITS_MAX) {
        let last = u64::try_from(last).expect("a file fits into memory");
        let place = usize::try_from(draws.between(0, last)).expect("it is not behind the last");
        bytes[place] ^= 1 << draws.between(0, 7);
    }
    fs::write(file, bytes).map_err(|error| failed(file, &error))
}

/// The logs and snapshots below a folder. Its identity is one sector: who has lost that has lost its disk.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            collect(&path, files)?;
        } else if is_damaged(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_damaged(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("wal-") || name.starts_with("snapshot-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::Seed;

    #[test]
    fn some_bits_of_what_is_written_are_turned_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("whitewater-damage-{}", std::process::id()));
        let member = folder.join("member");
        fs::create_dir_all(&member).unwrap();
        let written = [vec![0x5a; 1000], vec![0; 3000]].concat();
        fs::write(member.join("wal-1"), &written).unwrap();
        fs::write(member.join("identity"), b"who").unwrap();
        turn_bits(&folder, &mut Seed(7).stream("damage", 0)).unwrap();
        let damaged = fs::read(member.join("wal-1")).unwrap();
        assert_eq!(damaged.len(), written.len());
        let turned: u32 =
            written.iter().zip(&damaged).map(|(was, is)| (was ^ is).count_ones()).sum();
        assert!((1..=3).contains(&turned), "{turned} bits");
        assert_eq!(damaged[1000..], written[1000..]);
        assert_eq!(fs::read(member.join("identity")).unwrap(), b"who");
        fs::remove_dir_all(&folder).unwrap();
    }
}
