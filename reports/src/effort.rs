//! What a campaign cost.

use serde::{Deserialize, Serialize};

/// Time and memory. Differs from run to run, so it is only printed in footers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// CPU time of all workers together, in microseconds.
    pub cpu_us: u64,
    /// Time on the wall, in microseconds.
    pub wall_us: u64,
    /// The largest memory that one worker had, in bytes.
    pub peak_bytes: u64,
    /// How many workers ran at a time.
    pub workers: usize,
    /// How many workers died or were stopped and had to be started again.
    pub restarts: u64,
}

impl Effort {
    /// Adds what another part of the campaign took, on another machine.
    pub fn join(&mut self, part: Self) {
        self.cpu_us += part.cpu_us;
        self.wall_us = self.wall_us.max(part.wall_us);
        self.peak_bytes = self.peak_bytes.max(part.peak_bytes);
        self.workers += part.workers;
        self.restarts += part.restarts;
    }

    /// Adds what one seed took in one worker.
    pub fn add(&mut self, cpu_us: u64, peak_bytes: u64) {
        self.cpu_us += cpu_us;
        self.peak_bytes = self.peak_bytes.max(peak_bytes);
    }
}
