//! How many files and sockets the system lets this process have, and how many of them clients may.

use crate::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks for as many as there may be, as Go's runtime does for etcd. How many there are then.
fn raise() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

/// How many connections clients may have at the same time; or, where nothing would be left for them, how many files and
/// sockets there are.
pub(crate) fn room() -> Result<usize, usize> {
    of(raise())
}

fn of(files: usize) -> Result<usize, usize> {
    match files.saturating_sub(limits::RESERVED_FILES) {
        0 => Err(files),
        left => Ok(left.min(limits::CONNECTIONS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_the_member_is_not_for_clients() {
        assert_eq!(of(1024), Ok(1024 - limits::RESERVED_FILES));
        assert_eq!(of(usize::MAX), Ok(limits::CONNECTIONS));
        assert_eq!(of(limits::RESERVED_FILES), Err(limits::RESERVED_FILES));
        let others = limits::WATCHER_CONNECTIONS + limits::PEER_CONNECTIONS + limits::PEERS_MAX;
        assert!(others < limits::RESERVED_FILES, "some are left for files");
    }
}
