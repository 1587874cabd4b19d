//! CPU time and memory of this process, as the operating system counts them.

use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};
use std::{fs, time::Duration};

/// Work that takes less is done again and again for so long.
const LEAST: Duration = Duration::from_millis(2);

/// CPU time of all threads so far, user and system.
pub fn cpu() -> Duration {
    time(&usage(UsageWho::RUSAGE_SELF))
}

/// The same of the processes that it started, and that are over.
pub fn children_cpu() -> Duration {
    time(&usage(UsageWho::RUSAGE_CHILDREN))
}

fn time(usage: &Usage) -> Duration {
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

/// The largest resident memory so far, in bytes. Never decreases.
pub fn peak_bytes() -> u64 {
    resident(&usage(UsageWho::RUSAGE_SELF))
}

/// The same of the largest of the processes that it started, and that are over.
pub fn children_peak_bytes() -> u64 {
    resident(&usage(UsageWho::RUSAGE_CHILDREN))
}

fn resident(usage: &Usage) -> u64 {
    // Linux counts it in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1_024 };
    u64::try_from(usage.max_rss()).unwrap_or(0) * unit
}

/// The resident memory at this moment, in bytes, where the system tells it in a file.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1_024)
}

/// CPU time that `work` takes, and what it returns.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = cpu();
    let result = work();
    (cpu().saturating_sub(before), result)
}

/// The CPU time of `work` and what it returns. Short work is done several times, and the mean counts.
pub fn timed_often<T>(work: impl Fn() -> T) -> (Duration, T) {
    let (first, mut result) = timed(&work);
    if first >= LEAST {
        return (first, result);
    }
    let (mut total, mut times) = (first, 1);
    while total < LEAST && times < 1_000 {
        let (again, same) = timed(&work);
        (total, result) = (total + again, same);
        times += 1;
    }
    (total / times, result)
}

fn usage(who: UsageWho) -> Usage {
    getrusage(who).expect("every system that this is measured on counts")
}
