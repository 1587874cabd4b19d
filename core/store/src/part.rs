//! The bytes of one part of a snapshot. Format 3; numbers are little endian.
//!
//! ```text
//! part     = "WWSTORE" format:u8 ordinal:u64 revision:u64 compacted:u64 chain:u64 record* end checksum:u64
//! record   = 1:u8 length:u32 key | 2:u8            a key, or: the same key as the record before, then
//!            modified:u64 sub:u32 created:u64      created = 0: a tombstone; else also
//!            version:u64 lease:i64 length:u32 value
//!          | 5:u8 lease:i64 granted:i64 left:i64   a lease; left = 0: all that was granted
//!          | 6:u8 enabled:u8 revision:u64          who may do what, where that is not as in a new store, then
//!          | 7:u8 name hash count:u32 role*        each user, and
//!          | 8:u8 name count:u32 permission*       each role; names and hashes are length:u32 and bytes
//! permission = kind:u8 start end:u8 key?         kind: 0 read, 1 write, 2 both; end: 0 single, 1 before key, 2 none
//! end      = 3:u8                                  another part follows
//!          | 4:u8 count:u8 alarm* records:u64 digest:u64   this was the last: records in all parts, digest of the store
//! alarm    = member:u64 alarm:u8                   by member; 0 no space, 1 corrupt
//! ```
//!
//! Users and roles come first, by name, then leases, by id, then versions in order of (key, modified, sub), across parts too. The checksum covers all before it. Every part
//! repeats whose it is, so that parts of two snapshots cannot be mixed up.

use crate::{
    alarm::Alarms,
    auth::{AuthRecord, Role, User},
    hash::Hash,
    history::Version,
    lease::Terms,
    restore::RestoreError,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use whitewater_api::{
    Alarm, AlarmMember, AuthRevision, End, Key, KeyRange, LeaseId, NodeId, Revision, Value,
    auth::PermissionKind,
};

const MAGIC: &[u8; 7] = b"WWSTORE";
const FORMAT: u8 = 3;
const CHECKSUM_BYTES: usize = 8;
const LEASE_RECORD_BYTES: usize = 1 + 3 * 8;
/// Room that is made for a part before it is known how long it is.
const CAPACITY_MAX: usize = 64 << 10;
/// A record besides its key and value, at most.
const RECORD_BYTES_MAX: usize = 1 + 4 + 8 + 4 + 8 + 8 + 8 + 4;

const TAG_KEY: u8 = 1;
const TAG_SAME_KEY: u8 = 2;
const TAG_END: u8 = 3;
const TAG_END_OF_ALL: u8 = 4;
const TAG_LEASE: u8 = 5;
const TAG_AUTH: u8 = 6;
const TAG_USER: u8 = 7;
const TAG_ROLE: u8 = 8;

/// Whose part it is, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) ordinal: u64,
    pub(crate) revision: Revision,
    pub(crate) compacted: Revision,
    pub(crate) chain: u64,
}

/// What the last part says about all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) alarms: Alarms,
    pub(crate) records: u64,
    pub(crate) digest: u64,
}

/// Where in a part a version of a key lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Bytes before the key.
    pub(crate) key: usize,
    /// Bytes before the version.
    pub(crate) version: usize,
}

/// What comes next in a part.
pub(crate) enum Record {
    /// A version of a new key.
    First(Key, Version, Place),
    /// Another version of the key before, behind so many bytes.
    Further(Version, usize),
    /// A lease.
    Lease(LeaseId, Terms),
    /// Who may do what.
    Auth(AuthRecord),
    /// The end of the part, and perhaps of all.
    End(Option<Trailer>),
}

/// Writes one part.
pub(crate) struct PartWriter {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Whether there is a record.
    is_used: bool,
    key: Option<Key>,
}

impl PartWriter {
    pub(crate) fn new(header: &Header, bytes_max: usize) -> Self {
        let mut bytes = Vec::with_capacity(bytes_max.min(CAPACITY_MAX));
        bytes.extend_from_slice(MAGIC);
        bytes.push(FORMAT);
        for word in [header.ordinal, header.revision.0, header.compacted.0, header.chain] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        Self { bytes, bytes_max, is_used: false, key: None }
    }

    /// Adds a lease, unless the part is full.
    pub(crate) fn push_lease(&mut self, id: LeaseId, terms: Terms) -> bool {
        if !self.has_room(LEASE_RECORD_BYTES) {
            return false;
        }
        self.bytes.push(TAG_LEASE);
        for number in [id.0, terms.granted, terms.remaining] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        true
    }

    /// Adds a record of users and roles, unless the part is full.
    pub(crate) fn push_auth(&mut self, record: &AuthRecord) -> bool {
        let mut bytes = Vec::new();
        write_auth(record, &mut bytes);
        let has_room = self.has_room(bytes.len());
        if has_room {
            self.bytes.extend_from_slice(&bytes);
        }
        has_room
    }

    /// Whether so many bytes fit. Something always does.
    fn has_room(&mut self, bytes: usize) -> bool {
        let has_room = !self.is_used || self.bytes.len() + bytes <= self.bytes_max;
        self.is_used |= has_room;
        has_room
    }

    /// Adds a version, unless the part is full.
    pub(crate) fn push(&mut self, key: &Key, version: &Version) -> bool {
        let is_same = self.key.as_ref() == Some(key);
        let needed = RECORD_BYTES_MAX + if is_same { 0 } else { key.len() } + version.value.len();
        if !self.has_room(needed) {
            return false;
        }
        if is_same {
            self.bytes.push(TAG_SAME_KEY);
        } else {
            self.bytes.push(TAG_KEY);
            self.byte_string(key.as_slice());
            self.key = Some(key.clone());
        }
        self.bytes.extend_from_slice(&version.modified.0.to_le_bytes());
        self.bytes.extend_from_slice(&version.sub.to_le_bytes());
        self.bytes.extend_from_slice(&version.created.0.to_le_bytes());
        if !version.is_tombstone() {
            self.bytes.extend_from_slice(&version.version.to_le_bytes());
            self.bytes.extend_from_slice(&version.lease.0.to_le_bytes());
            self.byte_string(version.value.as_slice());
        }
        true
    }

    pub(crate) fn finish(mut self, trailer: Option<&Trailer>) -> Bytes {
        if let Some(trailer) = trailer {
            self.bytes.push(TAG_END_OF_ALL);
            let count = u8::try_from(trailer.alarms.len()).expect("two for each member");
            self.bytes.push(count);
            for AlarmMember { member, alarm } in &trailer.alarms {
                self.bytes.extend_from_slice(&member.0.to_le_bytes());
                self.bytes.push(*alarm as u8);
            }
            self.bytes.extend_from_slice(&trailer.records.to_le_bytes());
            self.bytes.extend_from_slice(&trailer.digest.to_le_bytes());
        } else {
            self.bytes.push(TAG_END);
        }
        let checksum = checksum(&self.bytes);
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        Bytes::from(self.bytes)
    }

    fn byte_string(&mut self, bytes: &[u8]) {
        write_bytes(bytes, &mut self.bytes);
    }
}

fn write_auth(record: &AuthRecord, out: &mut Vec<u8>) {
    match record {
        AuthRecord::Status { enabled, revision } => {
            out.extend_from_slice(&[TAG_AUTH, u8::from(*enabled)]);
            out.extend_from_slice(&revision.0.to_le_bytes());
        }
        AuthRecord::User(name, user) => {
            out.push(TAG_USER);
            write_bytes(name.as_bytes(), out);
            write_bytes(user.hash.as_bytes(), out);
            write_count(user.roles.len(), out);
            user.roles.iter().for_each(|role| write_bytes(role.as_bytes(), out));
        }
        AuthRecord::Role(name, role) => {
            out.push(TAG_ROLE);
            write_bytes(name.as_bytes(), out);
            write_count(role.len(), out);
            for (range, kind) in role {
                out.push(*kind as u8);
                write_bytes(range.start.as_slice(), out);
                match &range.end {
                    End::Single => out.push(0),
                    End::Before(end) => {
                        out.push(1);
                        write_bytes(end.as_slice(), out);
                    }
                    End::Unbounded => out.push(2),
                }
            }
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("requests are limited far below 4 GiB");
    out.extend_from_slice(&count.to_le_bytes());
}

/// Reads one part, and trusts nothing in it.
pub(crate) struct PartReader<'a> {
    /// Bytes of all but the checksum.
    length: usize,
    rest: &'a [u8],
    /// What keys and values are parts of; else they are copied.
    shared: Option<&'a Bytes>,
}

impl<'a> PartReader<'a> {
    /// Checks the frame and reads the header.
    pub(crate) fn open(part: &'a [u8]) -> Result<(Header, Self), RestoreError> {
        let rest = part.strip_prefix(MAGIC).ok_or(RestoreError::Foreign)?;
        let (format, _) = rest.split_first().ok_or(RestoreError::Truncated)?;
        if *format != FORMAT {
            return Err(RestoreError::Format { found: *format });
        }
        let (body, expected) =
            part.split_last_chunk::<CHECKSUM_BYTES>().ok_or(RestoreError::Truncated)?;
        if checksum(body) != u64::from_le_bytes(*expected) && !cfg!(fuzzing) {
            return Err(RestoreError::Checksum);
        }
        let rest = body.get(MAGIC.len() + 1..).ok_or(RestoreError::Truncated)?;
        let mut reader = Self { length: body.len(), rest, shared: None };
        let header = Header {
            ordinal: reader.word()?,
            revision: Revision(reader.word()?),
            compacted: Revision(reader.word()?),
            chain: reader.word()?,
        };
        Ok((header, reader))
    }

    /// A key and a version of it, which were found there before. They share the bytes of the part.
    pub(crate) fn read_again(part: &Bytes, place: Place) -> Result<(Key, Version), RestoreError> {
        let behind = |bytes: usize| {
            let rest = part.get(bytes..).ok_or(RestoreError::Truncated)?;
            Ok(PartReader { length: part.len(), rest, shared: Some(part) })
        };
        Ok((behind(place.key)?.key()?, behind(place.version)?.version()?))
    }

    /// Bytes that were read.
    fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The next record. After [`Record::End`] nothing is left.
    pub(crate) fn next(&mut self) -> Result<Record, RestoreError> {
        let [tag] = self.chunk()?;
        match tag {
            TAG_KEY => {
                let before_key = self.position();
                let key = self.key()?;
                let place = Place { key: before_key, version: self.position() };
                Ok(Record::First(key, self.version()?, place))
            }
            TAG_SAME_KEY => {
                let place = self.position();
                Ok(Record::Further(self.version()?, place))
            }
            TAG_LEASE => {
                let id = LeaseId(i64::from_le_bytes(self.chunk()?));
                let granted = i64::from_le_bytes(self.chunk()?);
                let remaining = i64::from_le_bytes(self.chunk()?);
                Ok(Record::Lease(id, Terms { granted, remaining }))
            }
            TAG_AUTH => {
                let [enabled] = self.chunk()?;
                let revision = AuthRevision(self.word()?);
                Ok(Record::Auth(AuthRecord::Status { enabled: enabled != 0, revision }))
            }
            TAG_USER => {
                let (name, hash) = (self.text()?, self.text()?);
                let mut roles = BTreeSet::new();
                for _ in 0..self.count()? {
                    roles.insert(self.text()?);
                }
                Ok(Record::Auth(AuthRecord::User(name, User { hash, roles })))
            }
            TAG_ROLE => {
                let (name, mut role) = (self.text()?, Role::new());
                for _ in 0..self.count()? {
                    let (range, kind) = self.permission()?;
                    role.insert(range, kind);
                }
                Ok(Record::Auth(AuthRecord::Role(name, role)))
            }
            TAG_END => self.end(None),
            TAG_END_OF_ALL => {
                let alarms = self.alarms()?;
                let trailer = Trailer { alarms, records: self.word()?, digest: self.word()? };
                self.end(Some(trailer))
            }
            _ => Err(RestoreError::Malformed { what: "unknown tag" }),
        }
    }

    fn end(&self, trailer: Option<Trailer>) -> Result<Record, RestoreError> {
        if !self.rest.is_empty() {
            return Err(RestoreError::Malformed { what: "bytes after the end" });
        }
        Ok(Record::End(trailer))
    }

    fn alarms(&mut self) -> Result<Alarms, RestoreError> {
        let [count] = self.chunk()?;
        let mut alarms = Alarms::new();
        for _ in 0..count {
            let member = NodeId(self.word()?);
            let alarm = match self.chunk()? {
                [0] => Alarm::NoSpace,
                [1] => Alarm::Corrupt,
                [_] => return Err(RestoreError::Malformed { what: "unknown alarm" }),
            };
            alarms.insert(AlarmMember { member, alarm });
        }
        Ok(alarms)
    }

    fn key(&mut self) -> Result<Key, RestoreError> {
        Ok(Key(self.bytes()?))
    }

    fn version(&mut self) -> Result<Version, RestoreError> {
        let modified = Revision(self.word()?);
        let sub = u32::from_le_bytes(self.chunk()?);
        let created = Revision(self.word()?);
        if created == Revision(0) {
            return Ok(Version::tombstone(modified, sub));
        }
        let version = self.word()?;
        let lease = LeaseId(i64::from_le_bytes(self.chunk()?));
        let value = Value(self.bytes()?);
        Ok(Version { value, created, modified, sub, version, lease })
    }

    fn permission(&mut self) -> Result<(KeyRange, PermissionKind), RestoreError> {
        let kind = match self.chunk()? {
            [0] => PermissionKind::Read,
            [1] => PermissionKind::Write,
            [2] => PermissionKind::ReadWrite,
            _ => return Err(RestoreError::Malformed { what: "unknown kind of permission" }),
        };
        let start = self.key()?;
        let end = match self.chunk()? {
            [0] => End::Single,
            [1] => End::Before(self.key()?),
            [2] => End::Unbounded,
            _ => return Err(RestoreError::Malformed { what: "unknown end of a range" }),
        };
        Ok((KeyRange { start, end }, kind))
    }

    fn text(&mut self) -> Result<String, RestoreError> {
        let text = std::str::from_utf8(self.byte_string()?);
        text.map(str::to_owned).map_err(|_| RestoreError::Malformed { what: "name is no text" })
    }

    fn count(&mut self) -> Result<u32, RestoreError> {
        Ok(u32::from_le_bytes(self.chunk()?))
    }

    fn bytes(&mut self) -> Result<Bytes, RestoreError> {
        let bytes = self.byte_string()?;
        Ok(self.shared.map_or_else(|| Bytes::copy_from_slice(bytes), |part| part.slice_ref(bytes)))
    }

    fn byte_string(&mut self) -> Result<&'a [u8], RestoreError> {
        let length = usize::try_from(self.count()?).map_err(|_| RestoreError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(RestoreError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<u64, RestoreError> {
        Ok(u64::from_le_bytes(self.chunk()?))
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>().ok_or(RestoreError::Truncated)?;
        self.rest = rest;
        Ok(*chunk)
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    Hash::new(2).bytes(bytes).value()
}
