//! Every bound of the crate.

use serde::{Deserialize, Serialize};

/// How much work a judge may do before it gives up. Giving up is `Undecided`, never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Configurations that the black-box judge may visit in one history.
    pub configurations_max: u64,
    /// Replayed revisions, of all attempts together, that the white-box judge may spend on guessing who made the
    /// revisions that nobody acknowledged. The first pass over the history is free.
    pub replays_max: u64,
}

/// Default of [`Budget::configurations_max`]: about a second. It is only spent where no order of the revisions proves the
/// history right, which is rare. Of 120 hostile histories without
/// that proof 115 are decided at a tenth of it.
pub const CONFIGURATIONS_MAX: u64 = 200_000;

/// Default of [`Budget::replays_max`]: about a second.
pub const REPLAYS_MAX: u64 = 2_000_000;

/// How wide the black-box search is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beam {
    /// Configurations kept after an event.
    pub(crate) frontier: usize,
    /// Configurations visited on the way from one of them to the next event.
    pub(crate) steps: u64,
    /// Operations of unknown outcome are tried where nothing asks for them.
    pub(crate) has_optional_rivals: bool,
    /// How far to go back to begin with this width, in events.
    pub(crate) back_events: usize,
}

/// From narrow to complete. The last one must leave nothing out, and start at the start.
pub(crate) const BEAMS: [Beam; 6] = [
    Beam { frontier: 8, steps: 64, has_optional_rivals: false, back_events: 0 },
    Beam { frontier: 8, steps: 128, has_optional_rivals: true, back_events: 32 },
    Beam { frontier: 64, steps: 1024, has_optional_rivals: true, back_events: 64 },
    Beam { frontier: 512, steps: 8192, has_optional_rivals: true, back_events: 128 },
    Beam { frontier: 512, steps: 8192, has_optional_rivals: true, back_events: 1024 },
    Beam {
        frontier: usize::MAX,
        steps: u64::MAX,
        has_optional_rivals: true,
        back_events: usize::MAX,
    },
];

/// This part of the budget is kept for the last of [`BEAMS`].
pub(crate) const RESERVE: u64 = 4;

/// Events between two places to go back to.
pub(crate) const CHECKPOINT_EVENTS: usize = 16;

impl Default for Budget {
    fn default() -> Self {
        Self { configurations_max: CONFIGURATIONS_MAX, replays_max: REPLAYS_MAX }
    }
}
