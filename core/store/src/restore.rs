//! A store from the parts of a snapshot.
//!
//! The parts come from a disk or a network, so everything in them is checked: each part by its checksum and its place,
//! each version by its order, and the whole by count and digest. What comes out of [`Restore::finish`] answers exactly
//! as the view did.

use crate::{
    auth::{Auth, AuthRecord},
    count::Stretches,
    hash::Hash,
    history::{History, Version},
    journal::{Change, Journal},
    lease::{Leases, Terms},
    part::{Header, PartReader, Record, Trailer},
    store::Store,
    view::Contents,
};
use std::sync::Arc;
use thiserror::Error as ThisError;
use whitewater_api::{Key, LeaseId, Revision};
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
    /// The header of the first part; the others must agree with it.
    header: Option<Header>,
    parts: u64,
    contents: Contents,
    auth: Auth,
    leases: Leases,
    /// What came so far.
    /// Invariant: keys and, in each history, places rise strictly.
    keys: Vec<(Key, History)>,
    trailer: Option<Trailer>,
    /// The first refusal. After it nothing is taken any more.
    refused: Option<RestoreError>,
}

impl Restore {
    /// Nothing yet. The store will have `mutations`.
    #[must_use]
    pub fn new(mutations: Mutations) -> Self {
        Self {
            mutations,
            header: None,
            parts: 0,
            contents: Contents::new(),
            auth: Auth::default(),
            leases: Leases::default(),
            keys: Vec::new(),
            trailer: None,
            refused: None,
        }
    }

    /// Takes the next part. A refusal is final: the snapshot has to be pushed again from its start, to a new `Restore`.
    pub fn push(&mut self, part: &[u8]) -> Result<(), RestoreError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let outcome = self.take(part);
        self.refused = outcome.err();
        outcome
    }

    /// The store, if all parts came and are what was written.
    pub fn finish(self) -> Result<Store, RestoreError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let incomplete = RestoreError::Incomplete { parts: self.parts };
        let header = self.header.ok_or(incomplete)?;
        let trailer = self.trailer.ok_or(incomplete)?;
        if self.contents.records != trailer.records {
            let (expected, found) = (trailer.records, self.contents.records);
            return Err(RestoreError::Miscounted { expected, found });
        }
        let digest = self.contents.digest(header.revision, header.compacted, &trailer.alarms);
        if digest != trailer.digest && !cfg!(fuzzing) {
            return Err(RestoreError::Digest { expected: trailer.digest, found: digest });
        }
        if !self.auth.is_sound() {
            return Err(RestoreError::Malformed { what: "users and roles that do not fit" });
        }
        let mut store = Store::new(self.mutations);
        store.auth = Arc::new(self.auth);
        store.leases = self.leases;
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

    fn take(&mut self, part: &[u8]) -> Result<(), RestoreError> {
        let (header, mut reader) = PartReader::open(part)?;
        self.take_header(header)?;
        let mut key = None;
        loop {
            match reader.next()? {
                Record::First(first, version) => {
                    self.take_version(&header, &first, version)?;
                    key = Some(first);
                }
                Record::Further(version) => {
                    let key = key.as_ref();
                    let key = key.ok_or(RestoreError::Malformed { what: "version of no key" })?;
                    self.take_version(&header, key, version)?;
                }
                Record::Lease(id, terms) => self.take_lease(id, terms)?,
                Record::Auth(record) => self.take_auth(record)?,
                Record::End(trailer) => {
                    self.trailer = trailer;
                    self.parts += 1;
                    return Ok(());
                }
            }
        }
    }

    fn take_header(&mut self, header: Header) -> Result<(), RestoreError> {
        if self.trailer.is_some() {
            return Err(RestoreError::AfterLast { found: header.ordinal });
        }
        if header.ordinal != self.parts {
            let (expected, found) = (self.parts, header.ordinal);
            return Err(RestoreError::Misplaced { expected, found });
        }
        let first = self.header.get_or_insert(header);
        if (Header { ordinal: first.ordinal, ..header }) != *first {
            return Err(RestoreError::Mixed);
        }
        if header.revision < Revision::FIRST || header.compacted > header.revision {
            return Err(RestoreError::Malformed { what: "impossible revisions" });
        }
        Ok(())
    }

    fn take_auth(&mut self, record: AuthRecord) -> Result<(), RestoreError> {
        if !self.keys.is_empty() || self.leases.last().is_some() {
            return Err(RestoreError::Malformed { what: "users or roles behind the rest" });
        }
        self.contents.add_auth(&record);
        match record {
            AuthRecord::Status { enabled, revision } => {
                (self.auth.enabled, self.auth.revision) = (enabled, revision);
            }
            AuthRecord::User(name, user) => {
                self.auth.users.insert(name, user);
            }
            AuthRecord::Role(name, role) => {
                self.auth.roles.insert(name, role);
            }
        }
        Ok(())
    }

    fn take_lease(&mut self, id: LeaseId, terms: Terms) -> Result<(), RestoreError> {
        if !self.keys.is_empty() {
            return Err(RestoreError::Malformed { what: "lease behind keys" });
        }
        if self.leases.last().is_some_and(|last| last >= id) {
            return Err(RestoreError::Malformed { what: "leases out of order" });
        }
        if id == LeaseId::NONE || !terms.are_sound() {
            return Err(RestoreError::Malformed { what: "impossible lease" });
        }
        self.contents.add_lease(id, terms);
        self.leases.insert(id, terms);
        Ok(())
    }

    fn take_version(
        &mut self,
        header: &Header,
        key: &Key,
        version: Version,
    ) -> Result<(), RestoreError> {
        if key.is_empty() {
            return Err(RestoreError::Malformed { what: "empty key" });
        }
        if version.modified > header.revision || version.created > version.modified {
            return Err(RestoreError::Malformed { what: "version from the future" });
        }
        self.contents.add(key, &version);
        match self.keys.last_mut() {
            Some((last, history)) if *last == *key => {
                if version.place() <= history.newest().place() {
                    return Err(RestoreError::Malformed { what: "versions out of order" });
                }
                history.push(version);
            }
            Some((last, _)) if *last > *key => {
                return Err(RestoreError::Malformed { what: "keys out of order" });
            }
            Some(_) | None => self.keys.push((key.clone(), History::new(version))),
        }
        Ok(())
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
