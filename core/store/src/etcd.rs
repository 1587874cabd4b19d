//! The content in etcd's own file format: out, so that etcd's tools read a backup of this store, and in, so that a real
//! etcd's content can be brought here (etcd, `server/storage/schema`).
//!
//! ```text
//!  bucket "key"       : revision, as `hash_kv` has it ──▶ mvccpb.KeyValue
//!  "meta"             : consistent_index, term; finishedCompactRev, scheduledCompactRev
//!  "lease"            : id ──▶ leasepb.Lease
//!  "auth", "authUsers", "authRoles" : authEnabled, authRevision; authpb.User, authpb.Role by name
//! ```
//!
//! What is the old cluster's stays behind in both directions: members, alarms, the version of the cluster. A file from
//! elsewhere is not trusted: what comes out of it goes through [`Restore`] as a snapshot of a peer does.

mod export;
mod message;

pub use self::export::{EtcdFile, EtcdFileBuilder};

use self::message::{Field, fields};
use crate::{
    auth::{Auth, Role, User},
    hash_kv::{put_bytes, put_key_value, put_number, put_revision},
    history::{History, Version},
    lease::Terms,
    part::{Header, PartWriter, Trailer},
    restore::{Restore, RestoreError},
    store::Store,
    view::Contents,
};
use std::collections::BTreeMap;
use thiserror::Error as ThisError;
use whitewater_api::{
    AuthRevision, End, Key, KeyRange, LeaseId, Revision, Value, auth::PermissionKind,
};
use whitewater_bolt::{BoltError, Database};
use whitewater_mutation::Mutations;

/// Bytes of a part on the way from the file to the store.
const PART_BYTES: usize = 1 << 20;

/// Why a file of etcd cannot be brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum EtcdFileError {
    /// It is no database, or damaged.
    #[error(transparent)]
    Bolt(#[from] BoltError),
    /// It is a database, but not one of etcd.
    #[error("there is no bucket `{0}`: this is no database of etcd 3")]
    NoBucket(&'static str),
    /// A row says nothing that etcd would write.
    #[error("row {row} of the bucket `{bucket}`: expected {expected}")]
    Row {
        /// In which bucket.
        bucket: &'static str,
        /// Its number, from 1.
        row: u64,
        /// What should be there.
        expected: &'static str,
    },
    /// The rows do not fit each other.
    #[error("the content does not fit together: {0}")]
    Content(#[from] RestoreError),
}

impl Store {
    /// The content of a database of etcd 3.
    pub fn from_etcd(file: &[u8], mutations: Mutations) -> Result<Self, EtcdFileError> {
        let content = Content::read(&Database::open(file)?)?;
        let mut restore = Restore::new(mutations);
        content.write(|part| restore.push(part))?;
        Ok(restore.finish()?)
    }
}

/// What a database holds.
#[derive(Default)]
struct Content {
    revision: Revision,
    compacted: Revision,
    auth: Auth,
    leases: BTreeMap<LeaseId, Terms>,
    keys: BTreeMap<Key, History>,
}

impl Content {
    fn read(database: &Database<'_>) -> Result<Self, EtcdFileError> {
        let mut content = Self { revision: Revision::FIRST, ..Self::default() };
        each(database, "meta", |key, value| {
            if [b"finishedCompactRev".as_slice(), b"scheduledCompactRev"].contains(&key) {
                let (revision, ..) = place(value).ok_or("a revision")?;
                content.compacted = content.compacted.max(revision);
            }
            Ok(())
        })?;
        if !each(database, "key", |place, row| content.take_version(place, row))? {
            return Err(EtcdFileError::NoBucket("key"));
        }
        content.revision = content.revision.max(content.compacted);
        each(database, "lease", |key, row| content.take_lease(key, row))?;
        each(database, "auth", |key, value| {
            match key {
                b"authEnabled" => content.auth.enabled = value == [1],
                b"authRevision" => {
                    content.auth.revision = AuthRevision(big_endian(value).ok_or("8 bytes")?);
                }
                _ => {}
            }
            Ok(())
        })?;
        each(database, "authUsers", |_, row| {
            let (name, user) = user(row).ok_or("an authpb.User")?;
            content.auth.users.insert(name, user);
            Ok(())
        })?;
        each(database, "authRoles", |_, row| {
            let (name, role) = role(row).ok_or("an authpb.Role")?;
            content.auth.roles.insert(name, role);
            Ok(())
        })?;
        Ok(content)
    }

    fn take_version(&mut self, at: &[u8], row: &[u8]) -> Result<(), &'static str> {
        let (modified, sub, is_tombstone) = place(at).ok_or("a revision")?;
        let (key, mut version) = key_value(row, modified, sub).ok_or("an mvccpb.KeyValue")?;
        if is_tombstone {
            version = Version::tombstone(modified, sub);
        } else if version.is_tombstone() {
            return Err("a revision that created the key");
        }
        self.revision = self.revision.max(modified);
        match self.keys.get_mut(&key) {
            // A put and a tombstone of one revision are two rows.
            Some(history) if version.place() <= history.newest().place() => {
                return Err("a revision that the key does not have yet");
            }
            Some(history) => history.push(version),
            None => {
                self.keys.insert(key, History::new(version));
            }
        }
        Ok(())
    }

    fn take_lease(&mut self, key: &[u8], row: &[u8]) -> Result<(), &'static str> {
        let id = LeaseId(big_endian(key).ok_or("8 bytes")?.cast_signed());
        let mut terms = Terms { granted: 0, remaining: 0 };
        let read = fields(row, |number, field| match (number, field) {
            (2, Field::Number(seconds)) => terms.granted = seconds.cast_signed(),
            (3, Field::Number(seconds)) => terms.remaining = seconds.cast_signed(),
            _ => {}
        });
        if terms.remaining >= terms.granted {
            terms.remaining = 0;
        }
        self.leases.insert(id, terms);
        read.ok_or("a leasepb.Lease")
    }

    /// Hands it over as a snapshot goes from member to member.
    fn write(
        &self,
        mut push: impl FnMut(&[u8]) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let mut header =
            Header { ordinal: 0, revision: self.revision, compacted: self.compacted, chain: 0 };
        let mut writer = PartWriter::new(&header, PART_BYTES);
        let mut contents = Contents::new();
        // What does not fit goes into the next part, where something always fits.
        let mut add = |add: &dyn Fn(&mut PartWriter) -> bool| {
            if !add(&mut writer) {
                header.ordinal += 1;
                let full = std::mem::replace(&mut writer, PartWriter::new(&header, PART_BYTES));
                push(&full.finish(None))?;
                add(&mut writer);
            }
            Ok(())
        };
        for record in self.auth.records(0) {
            contents.add_auth(&record);
            add(&|writer| writer.push_auth(&record))?;
        }
        for (id, terms) in &self.leases {
            contents.add_lease(*id, *terms);
            add(&|writer| writer.push_lease(*id, *terms))?;
        }
        for (key, history) in &self.keys {
            for position in history.survivors(self.compacted, self.revision) {
                let version = history.get(position).expect("a survivor is held");
                contents.add(key, version);
                add(&|writer| writer.push(key, version))?;
            }
        }
        let alarms = crate::alarm::Alarms::new();
        let digest = contents.digest(self.revision, self.compacted, &alarms);
        let trailer = Trailer { alarms, records: contents.records, digest };
        push(&writer.finish(Some(&trailer)))
    }
}

/// Takes each row of a bucket. Whether there is such a bucket.
fn each(
    database: &Database<'_>,
    bucket: &'static str,
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), &'static str>,
) -> Result<bool, EtcdFileError> {
    let (mut row, mut first) = (0, Ok(()));
    let is_there = database.bucket(bucket.as_bytes(), &mut |key, value| {
        row += 1;
        if first.is_ok() {
            first = take(key, value).map_err(|expected| (row, expected));
        }
    })?;
    first.map_err(|(row, expected)| EtcdFileError::Row { bucket, row, expected })?;
    Ok(is_there)
}

/// A revision, a place in it, and whether it is marked as that of a delete.
fn place(bytes: &[u8]) -> Option<(Revision, u32, bool)> {
    let (main, rest) = bytes.split_at_checked(8)?;
    let rest = rest.strip_prefix(b"_")?;
    let (sub, mark) = rest.split_at_checked(8)?;
    let is_tombstone = match mark {
        b"" => false,
        b"t" => true,
        _ => return None,
    };
    let revision = Revision(big_endian(main)?);
    Some((revision, u32::try_from(big_endian(sub)?).ok()?, is_tombstone))
}

#[expect(clippy::big_endian_bytes, reason = "etcd's keys sort by their bytes")]
fn big_endian(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn key_value(row: &[u8], modified: Revision, sub: u32) -> Option<(Key, Version)> {
    let mut key = Key::default();
    let mut version = Version::tombstone(modified, sub);
    fields(row, |number, field| match (number, field) {
        (1, Field::Bytes(bytes)) => key = Key::from(bytes.to_vec()),
        (2, Field::Number(revision)) => version.created = Revision(revision),
        (4, Field::Number(count)) => version.version = count,
        (5, Field::Bytes(bytes)) => version.value = Value::from(bytes.to_vec()),
        (6, Field::Number(lease)) => version.lease = LeaseId(lease.cast_signed()),
        _ => {}
    })?;
    Some((key, version))
}

fn user(row: &[u8]) -> Option<(String, User)> {
    let (mut name, mut user) = (Vec::new(), User::default());
    let (mut hash, mut roles) = (Vec::new(), Vec::new());
    fields(row, |number, field| match (number, field) {
        (1, Field::Bytes(bytes)) => name = bytes.to_vec(),
        (2, Field::Bytes(bytes)) => hash = bytes.to_vec(),
        (3, Field::Bytes(bytes)) => roles.push(bytes.to_vec()),
        _ => {}
    })?;
    user.hash = String::from_utf8(hash).ok()?;
    for role in roles {
        user.roles.insert(String::from_utf8(role).ok()?);
    }
    Some((String::from_utf8(name).ok()?, user))
}

fn role(row: &[u8]) -> Option<(String, Role)> {
    let (mut name, mut permissions) = (Vec::new(), Vec::new());
    fields(row, |number, field| match (number, field) {
        (1, Field::Bytes(bytes)) => name = bytes.to_vec(),
        (2, Field::Bytes(bytes)) => permissions.push(bytes),
        _ => {}
    })?;
    let mut role = Role::new();
    for permission in permissions {
        let (mut kind, mut start, mut end) = (0, Vec::new(), Vec::new());
        fields(permission, |number, field| match (number, field) {
            (1, Field::Number(number)) => kind = number,
            (2, Field::Bytes(bytes)) => start = bytes.to_vec(),
            (3, Field::Bytes(bytes)) => end = bytes.to_vec(),
            _ => {}
        })?;
        let kind = match kind {
            0 => PermissionKind::Read,
            1 => PermissionKind::Write,
            2 => PermissionKind::ReadWrite,
            _ => return None,
        };
        let end = match &end[..] {
            [] => End::Single,
            [0] => End::Unbounded,
            _ => End::Before(Key::from(end)),
        };
        role.insert(KeyRange { start: Key::from(start), end }, kind);
    }
    Some((String::from_utf8(name).ok()?, role))
}

#[cfg(test)]
mod tests;
