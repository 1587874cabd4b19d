//! What goes over a connection between members.
//!
//! ```text
//!   length u32, little endian | kind u8 | body, with a checksum unless it is an introduction or a refusal
//! ```

use super::secrets;
use crate::{host::Answer, limits};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{io, ops::RangeInclusive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use whitewater_api::{Caller, ClusterId, Index, Member, NodeId, Request, release::Release};
use whitewater_mutation::Mutations;
use whitewater_replica::{
    PeerMessage,
    wire::{self, WireError},
};

/// What one end says.
pub(crate) enum Frame {
    /// Who it is. The first of each connection, both ways.
    Introduction(Introduction),
    /// No connection, for this reason.
    Refusal(String),
    /// The replica's own.
    Message(PeerMessage),
    /// A client's request, for the leader.
    Forward { number: u64, caller: Caller, request: Request },
    /// What came of it, and what was applied at the leader by then.
    Answered { number: u64, answer: Answer, applied: Index },
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Introduction {
    /// The newest form of messages that it speaks.
    pub(crate) version: u16,
    /// The oldest that it understands.
    pub(crate) version_min: u16,
    /// The cluster.
    pub(crate) cluster: Option<ClusterId>,
    /// The member; none where it does not know yet who it is.
    pub(crate) node: Option<NodeId>,
    /// Whom it wants to talk to.
    pub(crate) to: Option<NodeId>,
    pub(crate) purpose: Purpose,
    /// All members, where the other end asks for them; who wants to talk tells of itself.
    pub(crate) members: Vec<Member>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// To talk.
    Talk,
    /// To ask who the members are, before joining them.
    Ask,
}

const INTRODUCTION: u8 = 1;
const REFUSAL: u8 = 2;
const MESSAGE: u8 = 3;
const FORWARD: u8 = 4;
const ANSWERED: u8 = 5;

/// Where the body of a frame begins.
const BODY: usize = 5;

/// Before the first frame, so that a stray client is known for one.
pub(super) const MAGIC: [u8; 8] = *b"WWPEER01";

impl Frame {
    /// The frame with its length before it.
    fn encode(&self, version: u16) -> Vec<u8> {
        let mut out = vec![0; 4];
        match self {
            Self::Introduction(introduction) => put(&mut out, INTRODUCTION, introduction),
            Self::Refusal(why) => put(&mut out, REFUSAL, why),
            Self::Message(message) => {
                out.push(MESSAGE);
                message.encode(version, &mut out);
            }
            Self::Forward { number, caller, request } => {
                put(
                    &mut out,
                    FORWARD,
                    &(number, secrets::caller(caller), secrets::of_request(request), request),
                );
                wire::seal(version, BODY, &mut out);
            }
            Self::Answered { number, answer, applied } => {
                put(&mut out, ANSWERED, &(number, secrets::of_answer(answer), answer, applied));
                wire::seal(version, BODY, &mut out);
            }
        }
        let length = u32::try_from(out.len() - 4).expect("a frame is shorter than 4 GiB");
        out[..4].copy_from_slice(&length.to_le_bytes());
        out
    }

    fn decode(version: u16, bytes: &Bytes) -> io::Result<Self> {
        let kind = *bytes.first().ok_or_else(|| malformed("an empty frame"))?;
        let body = bytes.slice(1..);
        Ok(match kind {
            INTRODUCTION => Self::Introduction(get(&body)?),
            REFUSAL => Self::Refusal(get(&body)?),
            MESSAGE => {
                let message = PeerMessage::decode(version, &body, Mutations::none());
                Self::Message(message.map_err(unreadable)?)
            }
            FORWARD => {
                let (number, caller, secret, mut request) = get(&unsealed(version, &body)?)?;
                secrets::into_request(&mut request, secret);
                Self::Forward { number, caller: secrets::into_caller(caller), request }
            }
            ANSWERED => {
                let (number, secret, mut answer, applied) = get(&unsealed(version, &body)?)?;
                secrets::into_answer(&mut answer, secret);
                Self::Answered { number, answer, applied }
            }
            kind => return Err(malformed(&format!("a frame of the unknown kind {kind}"))),
        })
    }

    /// Reads the first one of a connection: an introduction, or a refusal.
    pub(super) async fn read_first(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        Ok(Self::read_up_to(limits::INTRODUCTION_BYTES, wire::VERSION, from).await?.0)
    }

    /// Reads one on a connection of this version of messages, and says how long it was.
    pub(super) async fn read(
        version: u16,
        from: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<(Self, usize)> {
        Self::read_up_to(limits::PEER_FRAME_BYTES, version, from).await
    }

    async fn read_up_to(
        most: usize,
        version: u16,
        from: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<(Self, usize)> {
        let length = usize::try_from(from.read_u32_le().await?).unwrap_or(usize::MAX);
        if length > most {
            return Err(malformed(&format!("a frame of {length} bytes")));
        }
        // Grows with what arrives: a length alone takes no memory.
        let mut bytes = Vec::new();
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        from.take(limit).read_to_end(&mut bytes).await?;
        if bytes.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((Self::decode(version, &bytes.into())?, length + 4))
    }

    /// Writes one on a connection of this version of messages, and says how long it was.
    pub(super) async fn write(
        &self,
        version: u16,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<usize> {
        let bytes = self.encode(version);
        to.write_all(&bytes).await?;
        Ok(bytes.len())
    }
}

/// Reads a frame in each form that is spoken, and what was read once more, for `fuzz/`.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &Bytes) {
    for version in wire::VERSION_MIN..=wire::VERSION {
        let Ok(frame) = Frame::decode(version, bytes) else { continue };
        let written = Bytes::from(frame.encode(version));
        drop(Frame::decode(version, &written.slice(4..)).expect("what was written is read"));
    }
}

impl Introduction {
    /// Of a member of this build.
    pub(crate) fn new(purpose: Purpose) -> Self {
        let (version_min, version) = spoken().into_inner();
        let (cluster, node, to) = (None, None, None);
        Self { version, version_min, cluster, node, to, purpose, members: Vec::new() }
    }

    /// The version of messages on a connection with whom this introduces, or why the two cannot talk.
    pub(crate) fn common_version(&self) -> Result<u16, String> {
        let theirs = self.version_min..=self.version;
        wire::agreed(&spoken(), &theirs, Mutations::none()).ok_or_else(|| {
            format!(
                "messages of the versions {} to {} are spoken here, {} to {} there: upgrade one version at a time",
                spoken().start(),
                spoken().end(),
                theirs.start(),
                theirs.end()
            )
        })
    }
}

/// The forms of messages that this build speaks.
const fn spoken() -> RangeInclusive<u16> {
    wire::spoken(Release::Newest)
}

fn put(out: &mut Vec<u8>, kind: u8, body: &impl Serialize) {
    out.push(kind);
    out.extend(postcard::to_allocvec(body).expect("plain data has an encoding"));
}

fn get<T: serde::de::DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    postcard::from_bytes(body).map_err(|_| malformed("a frame that cannot be read"))
}

fn unsealed(version: u16, body: &Bytes) -> io::Result<Bytes> {
    wire::unseal(version, body, Mutations::none()).map_err(unreadable)
}

fn unreadable(error: WireError) -> io::Error {
    malformed(&error.to_string())
}

pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_not_introduced_itself_gets_little_memory() {
        let length = u32::try_from(limits::INTRODUCTION_BYTES + 1).unwrap().to_le_bytes();
        let Err(refused) = Frame::read_first(&mut &length[..]).await else { panic!("it is read") };
        assert_eq!(refused.to_string(), "a frame of 1048577 bytes");
        let Err(cut) = Frame::read(wire::VERSION, &mut &length[..]).await else {
            panic!("it is read")
        };
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof, "a member may say more at once");
    }
}
