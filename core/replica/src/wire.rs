//! Messages between members as bytes.
//!
//! ```text
//!  kind u8 | body: raft-rs's own in protobuf, all others in postcard's encoding of their fields, in order | checksum u32
//! ```
//!
//! The checksum is CRC-32C of all before it, little endian: what a switch, a driver or a middle box has changed is refused
//! and never applied, which TCP's 16 bits do not promise (Stone and Partridge, SIGCOMM 2000). Messages of version 1 have none.
//! Sender and receiver are the connection's business. Kinds are never used again for something else; the version that two
//! hosts agree on when they connect ([`VERSION`]) rises when a body changes.

use crate::message::{PeerMessage, SnapshotPart, Transfer};
use bytes::Bytes;
use protobuf::Message as _;
use raft::eraftpb;
use serde::{Serialize, de::DeserializeOwned};
use std::ops::RangeInclusive;
use thiserror::Error as ThisError;
use whitewater_api::release::Release;
use whitewater_mutation::{Mutation, Mutations};

/// The newest form of messages that this build speaks.
pub const VERSION: u16 = 2;

/// The oldest form that it still understands.
pub const VERSION_MIN: u16 = 1;

/// The forms of messages that a release speaks.
pub const fn spoken(release: Release) -> RangeInclusive<u16> {
    match release {
        Release::Previous => VERSION_MIN..=CHECKED - 1,
        Release::Compatible | Release::Newest => VERSION_MIN..=VERSION,
    }
}

/// The form that two members speak with each other: the newest that both do. Nothing if they have none in common.
pub fn agreed(
    ours: &RangeInclusive<u16>,
    theirs: &RangeInclusive<u16>,
    mutations: Mutations,
) -> Option<u16> {
    if mutations.has(Mutation::MessageVersionNotAgreed) {
        return Some(*ours.end());
    }
    let newest = *ours.end().min(theirs.end());
    (newest >= *ours.start().max(theirs.start())).then_some(newest)
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum WireError {
    /// There is nothing.
    #[error("an empty message")]
    Empty,
    /// The kind is unknown here.
    #[error("a message of the unknown kind {0}: a newer member speaks; upgrade this one")]
    Kind(u8),
    /// The body is not that of its kind.
    #[error("a message of kind {0} that cannot be read")]
    Body(u8),
    /// Bytes have changed on the way.
    #[error("a message whose checksum is wrong: it was changed on the way")]
    Checksum,
}

/// The first version whose messages end with a checksum.
const CHECKED: u16 = 2;

const RAFT: u8 = 1;
const HELLO: u8 = 2;
const WELCOME: u8 = 3;
const GHOST: u8 = 4;
const DAMAGED: u8 = 5;
const START_OVER: u8 = 6;
const RENEWED: u8 = 7;
const READ_INDEX: u8 = 8;
const READ_INDEX_ANSWER: u8 = 9;
const HASH_ASK: u8 = 10;
const HASH_ANSWER: u8 = 11;
const SNAPSHOT_PART: u8 = 12;
const SNAPSHOT_ACK: u8 = 13;
const VOUCHED: u8 = 14;
const ASK_ELDERS: u8 = 15;

impl PeerMessage {
    /// Writes the message behind what `out` holds, in the form of a version.
    pub fn encode(&self, version: u16, out: &mut Vec<u8>) {
        let start = out.len();
        self.encode_fields(out);
        seal(version, start, out);
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raft(message) => {
                out.push(RAFT);
                message.write_to_vec(out).expect("all required fields are set");
            }
            Self::Hello(incarnation) => put(out, HELLO, incarnation),
            Self::Welcome { incarnation, elders } => put(out, WELCOME, &(incarnation, elders)),
            Self::AskElders(elders) => put(out, ASK_ELDERS, elders),
            Self::Ghost(incarnation) => put(out, GHOST, incarnation),
            Self::Damaged { life } => put(out, DAMAGED, life),
            Self::StartOver { life, term, barrier } => put(out, START_OVER, &(life, term, barrier)),
            Self::Renewed => out.push(RENEWED),
            Self::Vouched(incarnation) => put(out, VOUCHED, incarnation),
            Self::ReadIndex { term, context } => put(out, READ_INDEX, &(term, context)),
            Self::ReadIndexAnswer { context, index } => {
                put(out, READ_INDEX_ANSWER, &(context, index));
            }
            Self::HashAsk { number, revision } => put(out, HASH_ASK, &(number, revision)),
            Self::HashAnswer { number, hash, newest } => {
                put(out, HASH_ANSWER, &(number, hash, newest));
            }
            Self::SnapshotPart(part) => {
                let SnapshotPart { transfer, part, last, meta, bytes } = &**part;
                put(out, SNAPSHOT_PART, &(transfer.term, transfer.number, part, last, meta));
                out.extend_from_slice(bytes);
            }
            Self::SnapshotAck { transfer, next } => {
                put(out, SNAPSHOT_ACK, &(transfer.term, transfer.number, next));
            }
        }
    }

    /// Reads what [`Self::encode`] has written in the form of the same version.
    pub fn decode(version: u16, bytes: &Bytes, mutations: Mutations) -> Result<Self, WireError> {
        Self::decode_fields(&unseal(version, bytes, mutations)?)
    }

    fn decode_fields(bytes: &Bytes) -> Result<Self, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Empty)?;
        Ok(match *kind {
            RAFT => {
                let mut message = eraftpb::Message::default();
                message.merge_from_bytes(body).map_err(|_| WireError::Body(RAFT))?;
                Self::Raft(Box::new(message))
            }
            HELLO => Self::Hello(whole(HELLO, body)?),
            WELCOME => {
                let (incarnation, elders) = whole(WELCOME, body)?;
                Self::Welcome { incarnation, elders }
            }
            ASK_ELDERS => Self::AskElders(whole(ASK_ELDERS, body)?),
            GHOST => Self::Ghost(whole(GHOST, body)?),
            DAMAGED => Self::Damaged { life: whole(DAMAGED, body)? },
            START_OVER => {
                let (life, term, barrier) = whole(START_OVER, body)?;
                Self::StartOver { life, term, barrier }
            }
            RENEWED if body.is_empty() => Self::Renewed,
            VOUCHED => Self::Vouched(whole(VOUCHED, body)?),
            READ_INDEX => {
                let (term, context) = whole(READ_INDEX, body)?;
                Self::ReadIndex { term, context }
            }
            READ_INDEX_ANSWER => {
                let (context, index) = whole(READ_INDEX_ANSWER, body)?;
                Self::ReadIndexAnswer { context, index }
            }
            HASH_ASK => {
                let (number, revision) = whole(HASH_ASK, body)?;
                Self::HashAsk { number, revision }
            }
            HASH_ANSWER => {
                let (number, hash, newest) = whole(HASH_ANSWER, body)?;
                Self::HashAnswer { number, hash, newest }
            }
            SNAPSHOT_PART => {
                let fields = postcard::take_from_bytes(body);
                let ((term, number, part, last, meta), rest) =
                    fields.map_err(|_| WireError::Body(SNAPSHOT_PART))?;
                let (transfer, bytes) = (Transfer { term, number }, bytes.slice_ref(rest));
                Self::SnapshotPart(Box::new(SnapshotPart { transfer, part, last, meta, bytes }))
            }
            SNAPSHOT_ACK => {
                let (term, number, next) = whole(SNAPSHOT_ACK, body)?;
                Self::SnapshotAck { transfer: Transfer { term, number }, next }
            }
            RENEWED => return Err(WireError::Body(RENEWED)),
            kind => return Err(WireError::Kind(kind)),
        })
    }
}

/// Adds the checksum of all that lies behind `start`, if the version has one.
pub fn seal(version: u16, start: usize, out: &mut Vec<u8>) {
    if version >= CHECKED {
        let checksum = crc32c::crc32c(&out[start..]);
        out.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// What [`seal`] has sealed.
///
/// # Errors
///
/// If it has changed since.
pub fn unseal(version: u16, bytes: &Bytes, mutations: Mutations) -> Result<Bytes, WireError> {
    if version < CHECKED {
        return Ok(bytes.clone());
    }
    let (sealed, checksum) = bytes.split_last_chunk::<4>().ok_or(WireError::Empty)?;
    let is_whole = crc32c::crc32c(sealed) == u32::from_le_bytes(*checksum) || cfg!(fuzzing);
    if !is_whole && !mutations.has(Mutation::WireChecksumIgnored) {
        return Err(WireError::Checksum);
    }
    Ok(bytes.slice_ref(sealed))
}

fn put(out: &mut Vec<u8>, kind: u8, fields: &impl Serialize) {
    out.push(kind);
    let fields = postcard::to_allocvec(fields).expect("plain data has an encoding");
    out.extend_from_slice(&fields);
}

/// The fields of a body, and nothing behind them.
fn whole<T: DeserializeOwned>(kind: u8, body: &[u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(body) {
        Ok((fields, [])) => Ok(fields),
        Ok(_) | Err(_) => Err(WireError::Body(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::SnapshotMeta;
    use proptest::prelude::*;
    use whitewater_api::{Incarnation, Index, KvHash, NodeId, Revision, Term};

    fn samples() -> Vec<PeerMessage> {
        let mut raft = eraftpb::Message { to: 2, from: 1, term: 7, ..Default::default() };
        raft.set_msg_type(eraftpb::MessageType::MsgAppend);
        raft.entries.push(eraftpb::Entry { index: 9, data: "put".into(), ..Default::default() });
        let transfer = Transfer { term: Term(7), number: 3 };
        let meta = SnapshotMeta {
            index: Index(40),
            voters: vec![NodeId(1), NodeId(u64::MAX)],
            ..SnapshotMeta::default()
        };
        let bytes = Bytes::from_static(b"part of a store");
        let hash = KvHash { hash: 5, revision: Revision(9), compacted: Revision(2) };
        vec![
            PeerMessage::Raft(Box::new(raft)),
            PeerMessage::Hello(Incarnation(u64::MAX)),
            PeerMessage::Welcome {
                incarnation: Incarnation(1),
                elders: vec![NodeId(2), NodeId(u64::MAX)],
            },
            PeerMessage::AskElders(vec![NodeId(3)]),
            PeerMessage::Ghost(Incarnation(2)),
            PeerMessage::Damaged { life: 300 },
            PeerMessage::StartOver { life: 1, term: Term(2), barrier: Index(3) },
            PeerMessage::Renewed,
            PeerMessage::Vouched(Incarnation(3)),
            PeerMessage::ReadIndex { term: Term(2), context: u64::MAX },
            PeerMessage::ReadIndexAnswer { context: 1, index: Index(2) },
            PeerMessage::HashAsk { number: 1, revision: Revision(9) },
            PeerMessage::HashAnswer { number: 1, hash, newest: Revision(12) },
            PeerMessage::SnapshotPart(Box::new(SnapshotPart {
                transfer,
                part: 4,
                last: true,
                meta,
                bytes,
            })),
            PeerMessage::SnapshotAck { transfer, next: 5 },
        ]
    }

    fn encoded(message: &PeerMessage, version: u16) -> Bytes {
        let mut bytes = Vec::new();
        message.encode(version, &mut bytes);
        bytes.into()
    }

    fn decoded(version: u16, bytes: &Bytes) -> Result<PeerMessage, WireError> {
        PeerMessage::decode(version, bytes, Mutations::none())
    }

    #[test]
    fn two_members_speak_the_newest_form_that_both_do() {
        let agreed = |ours, theirs| agreed(&ours, &theirs, Mutations::none());
        assert_eq!(agreed(spoken(Release::Newest), spoken(Release::Compatible)), Some(2));
        assert_eq!(agreed(spoken(Release::Newest), spoken(Release::Previous)), Some(1));
        assert_eq!(agreed(spoken(Release::Previous), spoken(Release::Newest)), Some(1));
        assert_eq!(agreed(1..=2, 3..=4), None);
        assert_eq!(agreed(3..=4, 1..=2), None);
    }

    #[test]
    fn every_message_survives_the_way_in_every_version() {
        for version in VERSION_MIN..=VERSION {
            for message in samples() {
                assert_eq!(decoded(version, &encoded(&message, version)), Ok(message));
            }
        }
    }

    #[test]
    fn a_message_cut_short_is_refused_or_another_one() {
        for message in samples() {
            let bytes = encoded(&message, 1);
            for length in 0..bytes.len() {
                // Protobuf and a part's bytes have no end of their own; the frame around them has.
                assert_ne!(decoded(1, &bytes.slice(..length)), Ok(message.clone()));
            }
        }
        assert_eq!(decoded(1, &Bytes::from_static(&[99])), Err(WireError::Kind(99)));
    }

    #[test]
    fn a_changed_bit_and_a_cut_message_are_refused() {
        for message in samples() {
            let bytes = encoded(&message, VERSION);
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.to_vec();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decoded(VERSION, &changed.into()), Err(WireError::Checksum), "{bit}");
            }
            for length in 0..bytes.len() {
                assert!(decoded(VERSION, &bytes.slice(..length)).is_err(), "{message:?} {length}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(7),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in 0u8..16) {
            let mut bytes: Vec<u8> = std::iter::once(kind).chain(bytes).collect();
            drop(decoded(1, &bytes.clone().into()));
            bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
            drop(decoded(VERSION, &bytes.into()));
        }
    }
}
