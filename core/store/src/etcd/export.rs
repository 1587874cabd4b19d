//! The content of a snapshot as a database of etcd 3.5, page by page.
//!
//! A snapshot has its versions by key, etcd by revision. So the parts are kept as they came, with a list of where each version
//! lies; there is never a second copy of the content, and no store is made of it.

use super::{put_bytes, put_key_value, put_number, put_revision};
use crate::{
    auth::{Auth, Role, User},
    intake::Intake,
    lease::{Leases, Terms},
    part::{PartReader, Place},
    restore::RestoreError,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io::{self, Write},
};
use whitewater_api::{End, LeaseId, Revision};
use whitewater_bolt::{Layout, Writer};

/// Takes the parts of a snapshot in, for a database of etcd.
#[derive(Debug)]
pub struct EtcdFileBuilder {
    intake: Intake,
    parts: Vec<Bytes>,
    versions: Vec<Lies>,
}

/// A database of etcd that can be written down.
#[derive(Debug)]
pub struct EtcdFile {
    parts: Vec<Bytes>,
    /// Invariant: places rise strictly.
    versions: Vec<Lies>,
    auth: Auth,
    leases: Leases,
    compacted: Revision,
    layout: Layout,
}

/// Where a version lies. There are as many as the content has, so it is kept small.
#[derive(Debug)]
struct Lies {
    revision: Revision,
    sub: u32,
    part: u32,
    key: u32,
    version: u32,
    /// Bytes of its row.
    row: u32,
    is_tombstone: bool,
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

impl Default for EtcdFileBuilder {
    fn default() -> Self {
        Self { intake: Intake::new(), parts: Vec::new(), versions: Vec::new() }
    }
}

impl EtcdFileBuilder {
    /// Takes the next part, as [`crate::Restore::push`] does.
    ///
    /// # Panics
    ///
    /// On 2^32 parts, or a part of 4 GiB.
    pub fn push(&mut self, bytes: Bytes) -> Result<(), RestoreError> {
        let small = |number: usize| u32::try_from(number).expect("parts are few and small");
        let (part, versions) = (small(self.parts.len()), &mut self.versions);
        let mut row = Vec::new();
        self.intake.push(&bytes, |key, version, at| {
            row.clear();
            put_key_value(&mut row, key, &version);
            let ((revision, sub), is_tombstone) = (version.place(), version.is_tombstone());
            let (key, version, row) = (small(at.key), small(at.version), small(row.len()));
            versions.push(Lies { revision, sub, part, key, version, row, is_tombstone });
        })?;
        self.parts.push(bytes);
        Ok(())
    }

    /// The database, if all parts came and are what was written.
    pub fn finish(mut self) -> Result<EtcdFile, RestoreError> {
        let (header, _) = self.intake.finish()?;
        let mut versions = self.versions;
        versions.sort_unstable_by_key(Lies::place);
        if versions.windows(2).any(|pair| pair[0].place() == pair[1].place()) {
            return Err(RestoreError::Malformed { what: "two changes in one place" });
        }
        let Intake { auth, leases, .. } = self.intake;
        let (compacted, layout) = (header.compacted, Layout::default());
        let file = EtcdFile { parts: self.parts, versions, auth, leases, compacted, layout };
        // How long it will be is told by how long the rows are.
        let longest = file.versions.iter().map(|lies| lies.row).max().unwrap_or(0);
        let zeros = vec![0; longest as usize];
        let rows = |lies: &Lies| &zeros[..lies.row as usize];
        let layout = file.fill(Writer::measure(), rows).expect("nothing is written yet");
        Ok(EtcdFile { layout, ..file })
    }
}

impl EtcdFile {
    /// How long it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.layout.bytes()
    }

    /// Writes it down.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        self.fill(Writer::new(self.layout, out)?, |lies| self.row(lies)).map(drop)
    }

    fn row(&self, lies: &Lies) -> Vec<u8> {
        let mut row = Vec::with_capacity(lies.row as usize);
        let part = &self.parts[lies.part as usize];
        let at = Place { key: lies.key as usize, version: lies.version as usize };
        let (key, version) = PartReader::read_again(part, at).expect("it was read before");
        put_key_value(&mut row, &key, &version);
        row
    }

    fn fill<W: Write, R: AsRef<[u8]>>(
        &self,
        mut writer: Writer<W>,
        row: impl Fn(&Lies) -> R,
    ) -> io::Result<Layout> {
        let versions = self.versions.iter().map(|lies| (lies.place_bytes(), row(lies)));
        let (users, roles) = (self.auth.users.iter(), self.auth.roles.iter());
        let users = users.map(|(name, user)| (name, put_user(name, user)));
        let roles = roles.map(|(name, role)| (name, put_role(name, role)));
        // An id may be negative; as a key of the database it has no sign.
        let mut leases: Vec<_> =
            self.leases.iter().map(|(id, lease)| (id.0.cast_unsigned(), id, lease.terms)).collect();
        leases.sort_unstable_by_key(|(key, ..)| *key);
        let leases = leases
            .into_iter()
            .map(|(key, id, terms)| (big_endian_bytes(key), put_lease(id, terms)));
        // By name, as the database has them.
        writer.bucket(b"alarm", Rows::new().into_iter())?;
        writer.bucket(b"auth", auth_rows(&self.auth).into_iter())?;
        writer.bucket(b"authRoles", roles)?;
        writer.bucket(b"authUsers", users)?;
        writer.bucket(b"cluster", Rows::new().into_iter())?;
        writer.bucket(b"key", versions)?;
        writer.bucket(b"lease", leases)?;
        writer.bucket(b"members", Rows::new().into_iter())?;
        writer.bucket(b"members_removed", Rows::new().into_iter())?;
        writer.bucket(b"meta", meta_rows(self.compacted).into_iter())?;
        writer.finish()
    }
}

impl Lies {
    fn place(&self) -> (Revision, u32) {
        (self.revision, self.sub)
    }

    fn place_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(18);
        put_revision(&mut bytes, self.place(), self.is_tombstone);
        bytes
    }
}

#[expect(clippy::big_endian_bytes, reason = "etcd writes it so")]
fn big_endian_bytes(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn auth_rows(auth: &Auth) -> Rows {
    let revision = big_endian_bytes(auth.revision.0);
    let enabled = vec![u8::from(auth.enabled)];
    Rows::from([(b"authEnabled".to_vec(), enabled), (b"authRevision".to_vec(), revision)])
}

/// Index and term are those of a log that begins anew.
fn meta_rows(compacted: Revision) -> Rows {
    let one = big_endian_bytes(1);
    let mut rows =
        Rows::from([(b"consistent_index".to_vec(), one.clone()), (b"term".to_vec(), one)]);
    if compacted > Revision(0) {
        let mut place = Vec::new();
        put_revision(&mut place, (compacted, 0), false);
        rows.insert(b"finishedCompactRev".to_vec(), place.clone());
        rows.insert(b"scheduledCompactRev".to_vec(), place);
    }
    rows
}

fn put_lease(id: LeaseId, terms: Terms) -> Vec<u8> {
    let mut row = Vec::new();
    for (field, number) in (1..).zip([id.0, terms.granted, terms.remaining]) {
        put_number(&mut row, field, number.cast_unsigned());
    }
    row
}

fn put_user(name: &str, user: &User) -> Vec<u8> {
    let mut row = Vec::new();
    put_bytes(&mut row, 1, name.as_bytes());
    put_bytes(&mut row, 2, user.hash.as_bytes());
    for role in &user.roles {
        put_bytes(&mut row, 3, role.as_bytes());
    }
    if user.hash.is_empty() {
        // authpb.UserAddOptions: no password.
        put_bytes(&mut row, 4, &[1 << 3, 1]);
    }
    row
}

fn put_role(name: &str, role: &Role) -> Vec<u8> {
    let mut row = Vec::new();
    put_bytes(&mut row, 1, name.as_bytes());
    for (range, kind) in role {
        let mut permission = Vec::new();
        put_number(&mut permission, 1, *kind as u64);
        put_bytes(&mut permission, 2, range.start.as_slice());
        match &range.end {
            End::Single => {}
            End::Before(end) => put_bytes(&mut permission, 3, end.as_slice()),
            End::Unbounded => put_bytes(&mut permission, 3, &[0]),
        }
        put_bytes(&mut row, 2, &permission);
    }
    row
}
