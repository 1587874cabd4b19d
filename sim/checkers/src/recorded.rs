//! What a history does not tell. Somebody else's record may lack numbers of every key that it shows; a judge must not miss
//! them where nobody wrote them down.

use crate::case::Case;

/// What stands in an answer for a number that nobody wrote down. No store answers so: revisions and versions begin at 1.
pub(crate) const UNRECORDED: u64 = 0;

/// Whether the answers show creation revisions and versions. If one does, all must.
pub(crate) fn tells_creations(case: &Case) -> bool {
    let (mut shows_keys, mut shows_creations) = (false, false);
    for op in &case.operations {
        op.step.seen(&mut |kv| {
            shows_keys = true;
            shows_creations |= kv.create != UNRECORDED && kv.version != UNRECORDED;
        });
    }
    shows_creations || !shows_keys
}
