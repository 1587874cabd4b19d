//! Where the time of the judges goes.
//!
//! The crate `checkers` has one door for all judges, so their shares are differences between runs of that door: a budget
//! of nothing leaves a search out, and a record that is unsound leaves out all that comes after the preparation.

use crate::usage;
use std::time::Duration;
use whitewater_checkers::{Budget, Judgement, judge};
use whitewater_record::History;

/// What of the judges is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// The preparation and the judge of the record. Wants [`unsound`].
    Prepared,
    /// All judges, without either search: the first replay, and the narrow judges.
    Replayed,
    /// The same, and the guesses of who made the revisions that nobody acknowledged.
    Guessed,
    /// Everything: the black-box search too.
    Full,
}

impl Extent {
    /// All, each holding the ones before it.
    pub const ALL: [Self; 4] = [Self::Prepared, Self::Replayed, Self::Guessed, Self::Full];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Replayed => "replayed",
            Self::Guessed => "guessed",
            Self::Full => "full",
        }
    }

    /// What it does and the one before it does not.
    pub const fn step(self) -> &'static str {
        match self {
            Self::Prepared => "preparation, record",
            Self::Replayed => "replay by revisions, narrow judges",
            Self::Guessed => "guesses of dark revisions",
            Self::Full => "black-box search",
        }
    }

    /// The budget for it. The one for everything is the command's.
    pub fn budget(self) -> Budget {
        let full = Budget::default();
        match self {
            Self::Full => full,
            Self::Guessed => Budget { configurations_max: 0, ..full },
            Self::Prepared | Self::Replayed => {
                Budget { configurations_max: 0, replays_max: 0, ..full }
            }
        }
    }

    /// Runs the judges so far.
    pub fn judge(self, history: &History) -> Vec<Judgement> {
        judge(history, &self.budget())
    }
}

/// The history with its last operation twice, which no sound record holds.
#[must_use]
pub fn unsound(history: &History) -> History {
    let mut unsound = history.clone();
    unsound.operations.extend(history.operations.last().cloned());
    unsound
}

/// CPU time of each [`Extent`] beyond the one before it.
pub fn shares(history: &History) -> [Duration; 4] {
    let unsound = unsound(history);
    let totals = Extent::ALL.map(|extent| {
        let history = if extent == Extent::Prepared { &unsound } else { history };
        usage::timed(|| extent.judge(history)).0
    });
    let before = |i: usize| i.checked_sub(1).map_or(Duration::ZERO, |i| totals[i]);
    [0, 1, 2, 3].map(|i| totals[i].saturating_sub(before(i)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Course;
    use whitewater_checkers::Ruling;
    use whitewater_record::{Seed, Span};
    use whitewater_scenarios::Overrides;

    #[test]
    fn an_unsound_record_stops_the_judges_after_the_preparation() {
        let short = Overrides { duration: Some(Span::seconds(1)), ..Overrides::default() };
        let course = Course::new("quiet", Overrides { operations: Some(5), ..short });
        let history = course.history(Seed(1));
        let judgements = Extent::Prepared.judge(&unsound(&history));
        assert!(matches!(judgements[0].ruling, Ruling::Undecided(_)), "{:?}", judgements[0]);
        let withheld = |judgement: &Judgement| matches!(judgement.ruling, Ruling::Withheld(_));
        assert!(judgements[1..].iter().all(withheld), "{judgements:?}");
        let full = Extent::Full.judge(&history);
        assert!(full.iter().all(|judgement| !withheld(judgement)), "{full:?}");
    }
}
