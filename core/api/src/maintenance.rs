//! What an operator asks of a member (etcd, `rpc.proto`, service Maintenance).

use crate::{Index, NodeId, Revision, Term, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an operator may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceRequest {
    /// How the member that is asked is.
    Status,
    /// Show, raise or put down alarms.
    Alarm {
        /// What to do with them.
        action: AlarmAction,
        /// Whose alarm to raise or put down.
        member: NodeId,
        /// Which; `None` shows all and raises nothing.
        alarm: Option<Alarm>,
    },
    /// Give back the room that is held and not used, of the member that is asked.
    Defragment,
    /// A hash of everything that the member holds, as of now.
    Hash,
    /// The hash over revisions that every etcd gives for the same history, as of a revision.
    HashKv {
        /// Which; [`Revision::LATEST`] for the newest. Refused below the last compaction.
        revision: Revision,
    },
    /// A part of a backup of the member that is asked, in order from 0. etcd makes a stream of it; here whoever takes the
    /// backup asks for one part after the other, and for the last one again if its answer was lost.
    Backup {
        /// Which backup, as the first answer says; 0 begins one.
        backup: u64,
        /// Which part.
        part: u64,
    },
    /// Compare the members' content now, and raise an alarm if it differs. Asked of the leader.
    CheckCorruption,
}

/// What to do with alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmAction {
    /// Show those that are raised.
    Get,
    /// Raise one.
    Activate,
    /// Put one down.
    Deactivate,
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The quota is used up: nothing more is put until the alarm is put down.
    NoSpace,
    /// A member holds other content than the rest: nothing is served until the alarm is put down.
    Corrupt,
}

/// An alarm that is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlarmMember {
    /// Whose; 0 where it cannot be told.
    pub member: NodeId,
    /// Which.
    pub alarm: Alarm,
}

/// The answer to each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceResponse {
    /// To the question how the member is.
    Status(MemberStatus),
    /// To a request about alarms: those that it shows, raised, or put down.
    Alarm(Vec<AlarmMember>),
    /// To a defragmentation: the bytes held before and after.
    Defragment {
        /// Before.
        before: u64,
        /// After.
        after: u64,
    },
    /// To the question for a hash of everything.
    Hash(u32),
    /// To the question for the hash over revisions.
    HashKv(KvHash),
    /// To the request for a part of a backup.
    Backup {
        /// Which backup.
        backup: u64,
        /// What comes next in the file.
        bytes: Value,
        /// About how many bytes are left; 0 after the last part only.
        remaining: u64,
    },
    /// To the order to compare members: how many others could be compared, and whose content differs (0: it cannot be
    /// told).
    CheckCorruption {
        /// How many other members were compared.
        compared: u64,
        /// Who differs from most.
        corrupt: Vec<NodeId>,
    },
}

/// How a member is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// The most bytes that it held since its last defragmentation: what the quota is held against.
    pub size: u64,
    /// The bytes that it holds.
    pub size_in_use: u64,
    /// The quota in bytes; 0 for none.
    pub quota: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The highest index that it knows to be committed.
    pub index: Index,
    /// Its term.
    pub term: Term,
    /// The highest index that it has applied.
    pub applied: Index,
    /// Whether it only follows.
    pub is_learner: bool,
    /// The alarms that are raised in the cluster.
    pub alarms: Vec<AlarmMember>,
}

/// A hash over the revisions of a store. Two members with the same history and the same compaction give the same
/// (etcd, `server/storage/mvcc/hash.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvHash {
    /// CRC-32C of the word `key`, then of each version's revision and encoded key and value, by revision.
    pub hash: u32,
    /// The last revision that it covers.
    pub revision: Revision,
    /// The last compaction, on which it depends; zero before the first, where etcd says -1.
    pub compacted: Revision,
}

impl MaintenanceRequest {
    /// Whether it changes nothing that is in the log.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        match self {
            Self::Alarm { action, .. } => matches!(action, AlarmAction::Get),
            Self::Status | Self::Hash | Self::HashKv { .. } | Self::Backup { .. } => true,
            Self::Defragment | Self::CheckCorruption => false,
        }
    }

    /// Whether the member that is asked answers for itself, be it leader or not.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Status
            | Self::Defragment
            | Self::Hash
            | Self::HashKv { .. }
            | Self::Backup { .. } => true,
            Self::Alarm { .. } | Self::CheckCorruption => false,
        }
    }

    /// Whether a learner answers it too (etcd, `v3rpc/interceptor.go`).
    #[must_use]
    pub const fn is_for_learners(&self) -> bool {
        matches!(self, Self::Status | Self::Backup { .. })
    }
}

impl MemberStatus {
    /// What is wrong, as etcd's Status says it.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let leaderless = self.leader.is_none().then(|| crate::Error::NoLeader.to_string());
        let alarms = self.alarms.iter().map(|AlarmMember { member, alarm }| {
            format!("memberID:{} alarm:{} ", member.0, alarm.name())
        });
        leaderless.into_iter().chain(alarms).collect()
    }
}

impl Alarm {
    /// The name of it in etcd's `AlarmType`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSpace => "NOSPACE",
            Self::Corrupt => "CORRUPT",
        }
    }
}

impl fmt::Display for MaintenanceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::Alarm { action, member, alarm } => {
                f.write_str(match action {
                    AlarmAction::Get => "alarm-list",
                    AlarmAction::Activate => "alarm-raise",
                    AlarmAction::Deactivate => "alarm-disarm",
                })?;
                let alarm = alarm.map_or("ALL", Alarm::name);
                if *action == AlarmAction::Get {
                    write!(f, " {alarm}")
                } else {
                    write!(f, " {member} {alarm}")
                }
            }
            Self::Defragment => f.write_str("defragment"),
            Self::Hash => f.write_str("hash"),
            Self::HashKv { revision: Revision::LATEST } => f.write_str("hash-kv"),
            Self::HashKv { revision } => write!(f, "hash-kv @{revision}"),
            Self::Backup { backup: 0, .. } => f.write_str("backup"),
            Self::Backup { part, .. } => write!(f, "backup part {part}"),
            Self::CheckCorruption => f.write_str("check-corruption"),
        }
    }
}
