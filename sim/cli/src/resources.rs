//! What this process used, and what it may use.

use crate::limits;
use nix::sys::resource::{Usage, UsageWho, getrusage};

/// CPU time and memory of this process since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// CPU time of all threads, user and system, in microseconds.
    pub(crate) cpu_us: u64,
    /// The largest resident memory so far, in bytes.
    pub(crate) peak_bytes: u64,
}

/// What this process has used so far; nothing if the system does not say.
pub(crate) fn used() -> Used {
    getrusage(UsageWho::RUSAGE_SELF).map(|usage| of(&usage)).unwrap_or_default()
}

fn of(usage: &Usage) -> Used {
    let micros = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0)
    };
    // Linux counts it in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1_024 };
    Used {
        cpu_us: micros(usage.user_time()) + micros(usage.system_time()),
        peak_bytes: u64::try_from(usage.max_rss()).unwrap_or(0) * unit,
    }
}

/// Makes a worker end with its parent and die of too much memory, instead of taking the machine with it. Does its best:
/// where the system has no such limit, the campaign still works.
pub(crate) fn confine_worker() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{
            prctl::set_pdeathsig,
            resource::{Resource, getrlimit, setrlimit},
            signal::Signal,
        };
        let Ok((_, hard)) = getrlimit(Resource::RLIMIT_AS) else { return };
        let bytes = limits::WORKER_BYTES_MAX.min(hard);
        if setrlimit(Resource::RLIMIT_AS, bytes, hard).is_err()
            || set_pdeathsig(Signal::SIGKILL).is_err()
        {
            crate::console::Console { json: true, color: false }
                .remark("this worker runs without limits");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _: u64 = limits::WORKER_BYTES_MAX;
}
