//! What a history does not tell. Somebody else's record may lack numbers of every key that it shows; a judge must not miss
//! them where nobody wrote them down.

use crate::case::Case;

/// Which numbers of keys the answers show. No store answers with zero: revisions and versions begin at 1. So one that is
/// zero in every answer was left out by whoever wrote the history down; if one answer has it, all must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) create: bool,
    pub(crate) version: bool,
}

impl Recorded {
    /// Looks at all answers.
    pub(crate) fn new(case: &Case) -> Self {
        let mut recorded = Self::default();
        for op in &case.operations {
            op.step.seen(&mut |kv| {
                recorded.create |= kv.create != 0;
                recorded.version |= kv.version != 0;
            });
        }
        recorded
    }

    /// Whether they show which write created a key, and how often it was written since.
    pub(crate) const fn tells_creations(self) -> bool {
        self.create && self.version
    }
}
