//! The memory that the control group of the process leaves it (cgroup v2), so that the replica refuses work before the
//! kernel kills it.

use crate::limits;
use std::{fs, io, path::PathBuf};

/// A control group that has a limit.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    is_low: bool,
}

impl Cgroup {
    /// The group of this process, if the system has such groups and this one a limit of its own.
    pub(crate) fn of_this_process() -> Option<Self> {
        let path = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = path.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Self::at(PathBuf::from("/sys/fs/cgroup").join(path))
    }

    fn at(folder: PathBuf) -> Option<Self> {
        let group = Self { folder, is_low: false };
        group.share().ok()?.map(|_| group)
    }

    /// Whether memory has become low, or is not any more; nothing if neither is new. What the page cache holds and would
    /// give back does not count.
    pub(crate) fn change(&mut self) -> Option<bool> {
        // A group that cannot be read any more has no limit that could be kept.
        let percent = self.share().ok()??;
        let bound =
            if self.is_low { limits::MEMORY_ENOUGH_PERCENT } else { limits::MEMORY_LOW_PERCENT };
        let is_low = percent >= bound;
        (is_low != self.is_low).then(|| {
            self.is_low = is_low;
            is_low
        })
    }

    /// How much of its limit the group uses, in percent; nothing if it has none.
    fn share(&self) -> io::Result<Option<u64>> {
        let Ok(limit) = self.text("memory.max")?.trim().parse::<u64>() else { return Ok(None) };
        let used = number(&self.text("memory.current")?)?;
        let stat = self.text("memory.stat")?;
        let cached = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
        let cached = cached.map_or(Ok(0), number)?;
        Ok(Some(used.saturating_sub(cached).saturating_mul(100) / limit.max(1)))
    }

    fn text(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(self.folder.join(file))
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_low_near_the_limit_until_enough_is_free_again() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        write("memory.max", "max\n");
        write("memory.current", "950\n");
        write("memory.stat", "anon 5\ninactive_file 100\n");
        assert!(Cgroup::at(folder.path().to_owned()).is_none(), "no limit");
        write("memory.max", "1000\n");
        let mut group = Cgroup::at(folder.path().to_owned()).unwrap();
        let mut at = |used: &str| {
            write("memory.current", used);
            group.change()
        };
        assert_eq!(at("950"), None, "the cache would give some back");
        assert_eq!(at("1010"), Some(true));
        assert_eq!(at("960"), None, "not yet enough");
        assert_eq!(at("900"), Some(false));
    }
}
