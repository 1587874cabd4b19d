//! For every place of an operation among the writes of a part, the fact that forbids it.

use super::{Placement, Projection, cone::tells_newest};
use crate::{
    case::{Case, SeenKv},
    model::{Cell, Mismatch, Model},
};
use whitewater_api::Revision;

/// All places of the operation at `place` of the part, in the order of the other writes.
pub(super) fn all(projection: &Projection, place: usize) -> Vec<Placement> {
    let case = Case::new(&projection.history);
    let placing = Placing { projection, case: &case, place };
    let mut others: Vec<(u64, usize)> = Vec::new();
    let recorded = case.recorded_operations();
    for (position, op) in recorded.iter().enumerate().filter(|(other, _)| *other != place) {
        if op.tells && op.has_effect {
            others.push((op.revision, position));
        }
    }
    // Who was of unknown outcome made what is left of the revisions.
    let told: Vec<u64> = others.iter().map(|(revision, _)| *revision).collect();
    let own = &case.operations[place];
    let revisions = 2..=projection.revisions.len() as u64 + 1;
    let mut hidden = revisions.filter(|revision| {
        let is_own = own.has_effect && own.revision == *revision;
        !is_own && !told.contains(revision)
    });
    for (position, op) in recorded.iter().enumerate() {
        if position != place && !op.tells && op.can_write {
            others.extend(hidden.next().map(|revision| (revision, position)));
        }
    }
    others.sort_unstable();
    let mut model = Model::new(&case);
    let mut placements = Vec::new();
    for before in 0..=others.len() {
        if let Some((revision, other)) = before.checked_sub(1).map(|last| others[last]) {
            // What stands against the others is not asked here.
            let _was_right = model.run(&case.operations[other].step, revision).is_ok();
        }
        let original = |place: usize| others.get(place).map(|other| projection.original(other.0));
        placements.push(Placement {
            after: before.checked_sub(1).and_then(original).map(Revision),
            before: original(before).map(Revision),
            forbidden: placing.forbidden(&others, before, &mut model),
        });
    }
    placements
}

struct Placing<'a> {
    projection: &'a Projection,
    case: &'a Case<'a>,
    place: usize,
}

impl Placing<'_> {
    /// `before` of the others come before it.
    fn forbidden(&self, others: &[(u64, usize)], before: usize, model: &mut Model) -> String {
        let op = &self.case.operations[self.place];
        let revision = before.checked_sub(1).map_or(1, |last| others[last].0);
        for (position, other) in self.case.recorded_operations().iter().enumerate() {
            let is_told = tells_newest(self.case, position) && !op.is_serializable;
            if is_told && other.completed < op.invoked && other.revision > revision {
                let told = Revision(self.projection.told[position]);
                return format!("{} had been told {told} before it was asked", self.name(position));
            }
        }
        for (_, position) in &others[..before] {
            if self.case.operations[*position].invoked > op.completed {
                return format!("{} was asked only after it had returned", self.name(*position));
            }
        }
        let at = if op.has_effect { revision + 1 } else { revision };
        let outcome = if op.has_effect {
            let outcome = model.run(&op.step, at);
            model.undo(revision);
            match outcome {
                Ok(true) => Ok(()),
                Ok(false) => Err(Mismatch::Effect { changed: true }),
                Err(mismatch) => Err(mismatch),
            }
        } else {
            let outcome = model.read(&op.step, at);
            model.undo(revision);
            outcome
        };
        if let Err(mismatch) = outcome {
            return self.case.mismatch(&self.translate(mismatch)).1;
        }
        let told = Revision(self.projection.told[self.place]);
        format!("its answer tells {told}, which is another place")
    }

    fn name(&self, position: usize) -> String {
        self.case.history.operations[position].id.to_string()
    }

    /// With the revisions of the whole.
    fn translate(&self, mismatch: Mismatch) -> Mismatch {
        let original = |revision: u64| self.projection.original(revision);
        let saw = |kv: SeenKv| SeenKv {
            modified: original(kv.modified),
            create: original(kv.create),
            ..kv
        };
        let recorded = self.case.recorded;
        let is = |cell: Cell| Cell {
            modified: original(cell.modified),
            create: if recorded.create { original(cell.create) } else { 0 },
            version: if recorded.version { cell.version } else { 0 },
            ..cell
        };
        match mismatch {
            Mismatch::Kv { key, saw: shown, is: there } => {
                Mismatch::Kv { key, saw: shown.map(saw), is: there.map(is) }
            }
            Mismatch::Stranger { saw: shown } => Mismatch::Stranger { saw: saw(shown) },
            Mismatch::Future { wanted } => Mismatch::Future { wanted: original(wanted) },
            Mismatch::Lease { lease, ended } => {
                Mismatch::Lease { lease, ended: if ended == 0 { 0 } else { original(ended) } }
            }
            other @ (Mismatch::Order { .. }
            | Mismatch::Count { .. }
            | Mismatch::Deleted { .. }
            | Mismatch::Length { .. }
            | Mismatch::More { .. }
            | Mismatch::Branch { .. }
            | Mismatch::Granted { .. }
            | Mismatch::Effect { .. }) => other,
        }
    }
}
