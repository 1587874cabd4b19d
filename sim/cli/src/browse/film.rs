//! A trace that can be entered anywhere: the cluster at any event, and what came of it.

use whitewater_record::Row;
use whitewater_reports::Picture;

/// Events between two pictures that are kept: so many rows are taken in, at most, to look at any event.
const STRIDE: usize = 1_024;

/// The rows of a run, with what it takes to jump among them.
pub(super) struct Film<'a> {
    /// The rows, at least one.
    pub(super) rows: &'a [Row],
    /// The cluster before the events 0, [`STRIDE`], twice that, ...
    stills: Vec<Picture>,
    /// Cause and effect, by event, sorted.
    effects: Vec<(u64, u64)>,
}

impl<'a> Film<'a> {
    pub(super) fn new(rows: &'a [Row]) -> Self {
        let mut picture = Picture::default();
        let mut stills = Vec::with_capacity(rows.len() / STRIDE + 1);
        for chunk in rows.chunks(STRIDE) {
            stills.push(picture.clone());
            for row in chunk {
                picture.take(row);
            }
        }
        let caused = (0..).zip(rows).filter_map(|(event, row)| Some((row.cause?, event)));
        let mut effects: Vec<(u64, u64)> = caused.collect();
        effects.sort_unstable();
        Self { rows, stills, effects }
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.rows.len() as u64 - 1
    }

    /// The row of an event; of the last one, if there are not so many.
    pub(super) fn row(&self, event: u64) -> &'a Row {
        &self.rows[place(event.min(self.last()))]
    }

    /// The cluster after an event.
    pub(super) fn at(&self, event: u64) -> Picture {
        let end = place(event.min(self.last()));
        let still = end / STRIDE;
        let mut picture = self.stills[still].clone();
        self.rows[still * STRIDE..=end].iter().for_each(|row| picture.take(row));
        picture
    }

    /// The events that name this one as their cause.
    pub(super) fn effects(&self, event: u64) -> impl ExactSizeIterator<Item = u64> + '_ {
        let start = self.effects.partition_point(|(cause, _)| *cause < event);
        let end = self.effects.partition_point(|(cause, _)| *cause <= event);
        self.effects[start..end].iter().map(|(_, effect)| *effect)
    }
}

/// An event's place in memory.
fn place(event: u64) -> usize {
    usize::try_from(event).expect("a trace in memory has no more events than addresses")
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::{RowKind, SimTime};

    #[test]
    fn any_event_looks_as_if_all_before_it_had_been_played() {
        let row = |at: u64| {
            let cause = at.checked_sub(7).map(|cause| cause / 3 * 3);
            Row::new(SimTime(at), RowKind::Commit, at % 3 + 1, cause, &[at, 1])
        };
        let rows: Vec<Row> = (0..STRIDE as u64 * 2 + 5).map(row).collect();
        let film = Film::new(&rows);
        let mut picture = Picture::default();
        for (event, row) in (0..).zip(&rows) {
            picture.take(row);
            assert_eq!(film.at(event), picture, "event {event}");
        }
        let effects: Vec<u64> = film.effects(30).collect();
        assert_eq!(effects, [37, 38, 39]);
        assert_eq!(film.effects(31).len(), 0);
    }
}
