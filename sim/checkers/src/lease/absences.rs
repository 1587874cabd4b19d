//! Keys that hang on leases and that reads do not show.

use super::{Life, Review, sightings::is_complete};
use crate::{
    case::{Case, Keys},
    chronicle::{Change, Source},
    deed::{Fate, fate},
    keyring::Keyring,
    ruling::Ruling,
};
use whitewater_api::{Body, LeaseId, Request, Revision, response::RangeResponse};
use whitewater_record::SimTime;

impl<'h> Review<'_, 'h> {
    /// Keys that nobody but their lease can have taken away are shown by every read in its time.
    pub(super) fn absences(&mut self, reads: &Reads<'h>) -> Result<(), Ruling> {
        for (key, chain) in (0..).zip(&self.chronicle.chains) {
            if self.chronicle.open[key as usize] {
                continue;
            }
            for (place, change) in chain.iter().enumerate() {
                let lease = change.lease.unwrap_or_default();
                let Some(life) = self.lives.known(lease).filter(|_| change.is_put) else {
                    continue;
                };
                let Some((deadline, _)) = self.lives.deadline(life) else { continue };
                let next = chain.get(place + 1).map_or(u64::MAX, |next| next.revision);
                let since = self.attached_since(change, life);
                let stay = Stay {
                    key,
                    lease,
                    revisions: [change.revision, next],
                    times: [since, deadline],
                };
                for read in reads.within(&stay) {
                    self.must_show(&stay, read)?;
                }
            }
        }
        Ok(())
    }

    /// Not before this moment was a key attached.
    fn attached_since(&self, change: &Change, life: &Life) -> SimTime {
        let operation = match change.source {
            Source::Operation(operation) => Some(operation),
            Source::Told(_) => life.granted.map(|(grant, _)| grant),
        };
        let operations = &self.case.history.operations;
        operation.map_or(SimTime::ZERO, |operation| operations[operation as usize].invoked)
    }

    fn must_show(&mut self, stay: &Stay, read: &Read) -> Result<(), Ruling> {
        let is_wiped = self.chronicle.is_wiped(stay.key, stay.revisions[0], read.state);
        if !read.keys.contains(stay.key) || is_wiped {
            return Ok(());
        }
        self.checked.evaluations += 1;
        self.checked.discriminating += 1;
        let name = self.keys.key(stay.key);
        if read.answer.kvs.binary_search_by(|kv| kv.key.cmp(&name)).is_ok() {
            return Ok(());
        }
        self.gone(stay.lease, SimTime::NEVER, read.completed, || {
            (Some(read.operation), format!("found that {name} had vanished with its lease"))
        })
    }
}

/// A key hung on a lease, as far as its own puts and deletes tell: from one revision until before another, and in true
/// time from no earlier than one moment until no earlier than another.
struct Stay {
    key: u32,
    lease: LeaseId,
    revisions: [u64; 2],
    times: [SimTime; 2],
}

/// A read that shows all keys of its range.
struct Read<'h> {
    state: u64,
    completed: SimTime,
    operation: u32,
    keys: Keys,
    answer: &'h RangeResponse,
}

/// All of them, by the revision that they show, and by completion.
pub(super) struct Reads<'h> {
    by_state: Vec<Read<'h>>,
    by_completion: Vec<u32>,
}

impl<'h> Reads<'h> {
    pub(super) fn new(case: &Case<'h>, keys: &Keyring) -> Self {
        let mut by_state = Vec::new();
        for (operation, told) in (0..).zip(&case.history.operations) {
            let (Fate::Done(response), Request::Range(request)) = (fate(told), &told.request)
            else {
                continue;
            };
            let Body::Range(answer) = &response.body else { continue };
            if !is_complete(request, answer) {
                continue;
            }
            let state = match request.revision {
                Revision::LATEST => response.header.revision.0,
                Revision(past) => past,
            };
            let (completed, keys) = (told.completed, keys.interval(&request.range));
            by_state.push(Read { state, completed, operation, keys, answer });
        }
        by_state.sort_by_key(|read| read.state);
        let mut by_completion: Vec<u32> = (0..).zip(&by_state).map(|(place, _)| place).collect();
        by_completion.sort_by_key(|place| by_state[*place as usize].completed);
        Self { by_state, by_completion }
    }

    /// The reads that saw a revision of the stay, in its time. By the shorter of the two lists.
    fn within<'s>(&'s self, stay: &Stay) -> impl Iterator<Item = &'s Read<'h>> {
        let ([first, next], [since, end]) = (stay.revisions, stay.times);
        let low = self.by_state.partition_point(|read| read.state < first);
        let high = self.by_state.partition_point(|read| read.state < next).max(low);
        let completed = |place: &u32| self.by_state[*place as usize].completed;
        let from = self.by_completion.partition_point(|place| completed(place) < since);
        let to = self.by_completion.partition_point(|place| completed(place) < end).max(from);
        let (states, times) = if high - low <= to - from {
            (&self.by_state[low..high], &self.by_completion[..0])
        } else {
            (&self.by_state[..0], &self.by_completion[from..to])
        };
        let timed = times.iter().map(|place| &self.by_state[*place as usize]);
        states.iter().chain(timed).filter(move |read| {
            (first..next).contains(&read.state) && (since..end).contains(&read.completed)
        })
    }
}
