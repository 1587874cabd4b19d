//! Every bound of the command.

use std::time::Duration;

/// CPU time of a simulated second, in per cent over that of an earlier campaign, at which `report --against` fails.
pub(crate) const SLOWER_PERCENT: u64 = 50;

/// Plans that `diff` plays to find a neighbour that passes.
pub(crate) const NEIGHBOURS_MAX: usize = 100;
/// The same for the report of a shrunk plan, whose neighbours mostly pass.
pub(crate) const NEIGHBOURS_OF_SHRUNK: usize = 8;

/// Moments of a failing run from which `explain` plays other futures, and at most.
pub(crate) const FORKS: u64 = 12;

/// See [`FORKS`].
pub(crate) const FORKS_MAX: u64 = 1_000;

/// Futures from each of them, and at most.
pub(crate) const FUTURES: u64 = 20;

/// See [`FUTURES`].
pub(crate) const FUTURES_MAX: u64 = 10_000;

/// Seeds of a campaign that does not say how many.
pub(crate) const SEEDS: u64 = 100;

/// Signatures of which a failing seed is kept in a folder.
pub(crate) const FAILURES_MAX: usize = 5;

/// Address space of a worker, in bytes. What needs more dies, and its seed fails.
pub(crate) const WORKER_BYTES_MAX: u64 = 8 << 30;

/// After how many milliseconds a worker gives back memory that it has freed: what one large seed needed must not stay with
/// the thousands behind it. A variable of the allocator, and its value.
pub(crate) const GIVE_BACK_AFTER: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "100");

/// Time on the wall that one seed may take, in seconds, unless `--patience` says otherwise. About a thousand times of
/// what it takes.
pub(crate) const PATIENCE: &str = "300s";

/// Lines of a dying worker's stderr that are looked at.
pub(crate) const LAST_WORDS_MAX: usize = 20;

/// Seconds between two lines of progress where there is no terminal.
pub(crate) const PROGRESS_SECONDS: u64 = 10;

/// `check` judges a file of so many bytes while it reads it, unless `--stream-from` says otherwise: as a whole it would
/// take three times as much memory.
pub(crate) const STREAM_FROM: &str = "512M";

/// By how much a compressed history is smaller.
pub(crate) const PACKED_BY: u64 = 10;

/// Workers at most.
pub(crate) const WORKERS_MAX: usize = 1_024;

/// Time on the wall that shrinking one plan may take, unless `--time` says otherwise.
pub(crate) const SHRINK_TIME: &str = "60s";

/// Time on the wall that a campaign spends on shrinking its failures, unless `--shrink-budget` says otherwise.
pub(crate) const SHRINK_BUDGET: &str = "20s";

/// Time on the wall that one run may take while a plan is shrunk.
pub(crate) const SHRINK_PATIENCE: &str = "60s";

/// Seeds after which the zoo gives a bug up, unless `--seeds` says otherwise.
pub(crate) const ZOO_SEEDS: u64 = 2_000;

/// Plans after which a search gives a bug up, unless `--plans` says otherwise.
pub(crate) const SEARCH_PLANS: u64 = 400;

/// Bugs of a hundred that the zoo must find, unless `--gate` says otherwise.
pub(crate) const ZOO_PERCENT: u64 = 90;

/// Time on the wall that the zoo spends on shrinking the first find of one bug.
pub(crate) const ZOO_SHRINK: Duration = Duration::from_mins(1);
