//! The parts of a snapshot, as they come in.
//!
//! They come from a disk or a network, so everything in them is checked: each part by its checksum and its place, each
//! version by its order, and the whole by count and digest. Whoever takes them in makes of the versions what it wants.

use crate::{
    auth::{Auth, AuthRecord},
    history::Version,
    lease::{Leases, Terms},
    part::{Header, PartReader, Place, Record, Trailer},
    restore::RestoreError,
    view::Contents,
};
use whitewater_api::{Key, LeaseId, Revision};

/// What came so far, but for the versions.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The header of the first part; the others must agree with it.
    header: Option<Header>,
    parts: u64,
    contents: Contents,
    pub(crate) auth: Auth,
    pub(crate) leases: Leases,
    /// The last version: of which key, and its place among all changes.
    /// Invariant: keys and, of each key, places rise strictly.
    last: Option<(Key, (Revision, u32))>,
    trailer: Option<Trailer>,
    /// The first refusal. After it nothing is taken any more.
    refused: Option<RestoreError>,
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self {
            header: None,
            parts: 0,
            contents: Contents::new(),
            auth: Auth::default(),
            leases: Leases::default(),
            last: None,
            trailer: None,
            refused: None,
        }
    }

    /// Takes the next part, and hands on each version with its key, and where they lie in the part. A refusal is final: the
    /// snapshot has to be taken from its start, by a new `Intake`.
    pub(crate) fn push(
        &mut self,
        part: &[u8],
        on_version: impl FnMut(&Key, Version, Place),
    ) -> Result<(), RestoreError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let outcome = self.take(part, on_version);
        self.refused = outcome.err();
        outcome
    }

    /// What frames the parts, if all came and are what was written.
    pub(crate) fn finish(&mut self) -> Result<(Header, Trailer), RestoreError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let incomplete = RestoreError::Incomplete { parts: self.parts };
        let header = self.header.ok_or(incomplete)?;
        let trailer = self.trailer.take().ok_or(incomplete)?;
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
        Ok((header, trailer))
    }

    fn take(
        &mut self,
        part: &[u8],
        mut on_version: impl FnMut(&Key, Version, Place),
    ) -> Result<(), RestoreError> {
        let (header, mut reader) = PartReader::open(part)?;
        self.take_header(header)?;
        let mut key = None;
        loop {
            match reader.next()? {
                Record::First(first, version, place) => {
                    self.check_version(&header, &first, &version)?;
                    on_version(&first, version, place);
                    key = Some((first, place));
                }
                Record::Further(version, at) => {
                    let (key, first) = key
                        .as_ref()
                        .ok_or(RestoreError::Malformed { what: "version of no key" })?;
                    self.check_version(&header, key, &version)?;
                    on_version(key, version, Place { version: at, ..*first });
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
        if self.last.is_some() || self.leases.last().is_some() {
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
        if self.last.is_some() {
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

    fn check_version(
        &mut self,
        header: &Header,
        key: &Key,
        version: &Version,
    ) -> Result<(), RestoreError> {
        if key.is_empty() {
            return Err(RestoreError::Malformed { what: "empty key" });
        }
        if version.modified > header.revision || version.created > version.modified {
            return Err(RestoreError::Malformed { what: "version from the future" });
        }
        self.contents.add(key, version);
        match &mut self.last {
            Some((last, place)) if *last == *key => {
                if version.place() <= *place {
                    return Err(RestoreError::Malformed { what: "versions out of order" });
                }
                *place = version.place();
            }
            Some((last, _)) if *last > *key => {
                return Err(RestoreError::Malformed { what: "keys out of order" });
            }
            Some(_) | None => self.last = Some((key.clone(), version.place())),
        }
        Ok(())
    }
}
