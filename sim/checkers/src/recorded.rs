//! What a history does not tell. Somebody else's record may lack numbers of every key that it shows; a judge must not miss
//! them where nobody wrote them down.

use crate::case::SeenKv;

/// Which numbers of keys the answers show. No store answers with zero: revisions and versions begin at 1. So one that is
/// zero in every answer was left out by whoever wrote the history down; if one answer has it, all must. Most keys hang on
/// no lease, but where none does, nothing is lost by not looking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) create: bool,
    pub(crate) modified: bool,
    pub(crate) version: bool,
    pub(crate) lease: bool,
}

impl Recorded {
    /// Takes note of what an answer shows.
    pub(crate) fn note(&mut self, kv: &SeenKv) {
        self.create |= kv.create != 0;
        self.modified |= kv.modified != 0;
        self.version |= kv.version != 0;
        self.lease |= kv.lease != 0;
    }

    /// Whether they show which write created a key, and how often it was written since.
    pub(crate) const fn tells_creations(self) -> bool {
        self.create && self.version
    }
}
