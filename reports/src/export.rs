//! A window of a trace in the forms of other people's viewers.

pub mod perfetto;
pub mod shiviz;

use whitewater_record::{Row, SimTime};

/// A part of a run, by time; both ends are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub from: SimTime,
    /// Up to here.
    pub to: SimTime,
}

impl Window {
    /// All of it.
    pub const ALL: Self = Self { from: SimTime::ZERO, to: SimTime::NEVER };

    /// Whether an event lies in it.
    #[must_use]
    pub fn holds(&self, row: &Row) -> bool {
        (self.from..=self.to).contains(&row.at)
    }
}
