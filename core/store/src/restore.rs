//! A store from the parts of a snapshot.
//!
//! What comes out of [`Restore::finish`] answers exactly as the view did.

use crate::{
    count::Stretches,
    hash::Hash,
    history::History,
    intake::Intake,
    journal::{Change, Journal},
    part::Header,
    store::Store,
};
use std::sync::Arc;
use thiserror::Error as ThisError;
use whitewater_api::{Key, LeaseId};
use whitewater_mutation::Mutations;

/// Why a snapshot was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum RestoreError {
    /// The bytes do not start like a part of a snapshot.
    #[error("not a part of a snapshot of a store")]
    Foreign,
    /// A format that this program does not know.
    #[error("part has format {found}, which is unknown here")]
    Format {
        /// The format that the part claims.
        found: u8,
    },
    /// The part ends too early.
    #[error("part is truncated")]
    Truncated,
    /// The part was damaged.
    #[error("checksum of the part does not match")]
    Checksum,
    /// The part is well framed, but what it says makes no sense.
    #[error("part is malformed: {what}")]
    Malformed {
        /// What was found.
        what: &'static str,
    },
    /// Parts were left out, repeated or swapped.
    #[error("part {found} came where part {expected} was expected")]
    Misplaced {
        /// Which part is next.
        expected: u64,
        /// Which part came.
        found: u64,
    },
    /// The part belongs to another snapshot than those before.
    #[error("part belongs to another snapshot")]
    Mixed,
    /// A part came after the last.
    #[error("part {found} came after the last one")]
    AfterLast {
        /// Which part came.
        found: u64,
    },
    /// Not all parts came.
    #[error("snapshot ends after {parts} parts without its last one")]
    Incomplete {
        /// How many came.
        parts: u64,
    },
    /// The parts hold another number of records than the last one says.
    #[error("snapshot holds {found} records instead of {expected}")]
    Miscounted {
        /// How many the last part says.
        expected: u64,
        /// How many there were.
        found: u64,
    },
    /// The parts hold something else than what was written.
    #[error("digest of the snapshot is {found:016x} instead of {expected:016x}")]
    Digest {
        /// What the last part says.
        expected: u64,
        /// What the content gives.
        found: u64,
    },
}

/// A store in the making.
#[derive(Debug)]
pub struct Restore {
    mutations: Mutations,
    intake: Intake,
    /// What came so far.
    keys: Vec<(Key, History)>,
}

impl Restore {
    /// Nothing yet. The store will have `mutations`.
    #[must_use]
    pub fn new(mutations: Mutations) -> Self {
        Self { mutations, intake: Intake::new(), keys: Vec::new() }
    }

    /// Takes the next part. A refusal is final: the snapshot has to be pushed again from its start, to a new `Restore`.
    pub fn push(&mut self, part: &[u8]) -> Result<(), RestoreError> {
        let keys = &mut self.keys;
        self.intake.push(part, |key, version, _| match keys.last_mut() {
            Some((last, history)) if *last == *key => history.push(version),
            Some(_) | None => keys.push((key.clone(), History::new(version))),
        })
    }

    /// The store, if all parts came and are what was written.
    pub fn finish(mut self) -> Result<Store, RestoreError> {
        let (header, trailer) = self.intake.finish()?;
        let mut store = Store::new(self.mutations);
        store.auth = Arc::new(self.intake.auth);
        store.leases = self.intake.leases;
        store.alarms = trailer.alarms;
        for (key, history) in &self.keys {
            let live = history.live().filter(|version| version.lease != LeaseId::NONE);
            let hangs = live.is_none_or(|version| store.leases.attach(version.lease, key));
            if !hangs && !store.may_dangle() {
                return Err(RestoreError::Malformed { what: "key on a lease that is not there" });
            }
        }
        store.journal = journal(&header, &self.keys)?;
        store.keys = self.keys.into_iter().collect();
        store.stretches = Stretches::of(&store.keys);
        store.revision = header.revision;
        store.compacted = header.compacted;
        store.scrubbed = header.compacted;
        store.note_peak();
        Ok(store)
    }
}

/// The journal that goes with the content: the changes at or after the compaction, in their order.
fn journal(header: &Header, keys: &[(Key, History)]) -> Result<Journal, RestoreError> {
    let mut journal = Journal::new();
    let mut places = Vec::new();
    for (key, history) in keys {
        for version in history.iter() {
            journal.bytes += Journal::weight(key, version);
            if version.modified >= header.compacted {
                places.push((version.place(), key));
            }
        }
    }
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(RestoreError::Malformed { what: "two changes in one place" });
    }
    journal.changes = places
        .into_iter()
        .map(|((revision, sub), key)| Change { revision, sub, key: key.clone() })
        .collect();
    journal.chain = Hash::resume(header.chain);
    Ok(journal)
}

#[cfg(test)]
mod tests;
