//! Numbers of keys that answers leave out, though later ones have them.
//!
//! What is zero in all answers was not written down ([`Recorded`]). Of a stream not all answers are known yet: the first
//! that shows a zero is remembered, and becomes an objection when another answer shows that the number is written down.

use crate::{
    case::{Case, Status},
    recorded::Recorded,
    ruling::Anomaly,
};

/// The first answers that show a key without its revision of creation, its mod revision, its version.
#[derive(Debug, Default)]
pub(super) struct Silent([Option<Anomaly>; 3]);

const CODES: [(&str, &str); 3] = [
    ("wrong-create", "creation revision"),
    ("wrong-mod", "mod revision"),
    ("wrong-version", "version"),
];

impl Silent {
    /// Looks at the answers of a window, whose operations have these positions. An objection, if there is one.
    pub(super) fn look(
        &mut self,
        case: &Case,
        position: impl Fn(usize) -> usize,
    ) -> Option<Anomaly> {
        let Recorded { create, modified, version, lease: _ } = case.recorded;
        let is_recorded = [create, modified, version];
        if is_recorded != [true; 3] {
            self.note(case, is_recorded, position);
        }
        self.0.iter_mut().zip(is_recorded).find_map(|(first, is)| first.take_if(|_| is))
    }

    fn note(&mut self, case: &Case, is_recorded: [bool; 3], position: impl Fn(usize) -> usize) {
        for (number, op) in (0..).zip(&case.operations).filter(|(_, op)| op.status == Status::Known)
        {
            op.step.seen(&mut |kv| {
                for (kind, number_of) in [kv.create, kv.modified, kv.version].iter().enumerate() {
                    if *number_of != 0 || is_recorded[kind] || self.0[kind].is_some() {
                        continue;
                    }
                    let (code, what) = CODES[kind];
                    let (who, saw) = (case.operation(number), case.seen(kv));
                    let sentence = format!("{who} saw {saw}, without the {what} that others show");
                    let positions = vec![position(number as usize)];
                    self.0[kind] = Some(Anomaly::new(code, sentence, positions, op.completed));
                }
            });
        }
    }
}
