//! From a disk to a replica: a new one, one that goes on, or a clear refusal.
//!
//! What a start writes is one batch, and nothing is said to anybody before it is done. A crash in its middle leaves a
//! disk on which nothing was promised, and the next start writes the rest.

use crate::{
    backup,
    cluster::Roster,
    compaction::Compaction,
    config::{Boot, Config},
    door::{Output, Phase},
    identity::{Identity, IdentityError},
    introduction::Introduction,
    log::Log,
    membership::Membership,
    persistence::Persistence,
    repair::{self, Repair},
    replica::{Parts, Replica},
    snapshot::{self, SnapshotMeta},
    wal::{self, Record, Recovered, SnapshotMark, Wal, WalError},
};
use raft::{RawNode, eraftpb::HardState};
use std::mem;
use thiserror::Error as ThisError;
use whitewater_api::{
    DiskImage, DiskOp, FileName, Incarnation, Index, MemberAttributes, Monotonic, NodeId, Term,
};
use whitewater_mutation::Mutation;
use whitewater_store::Store;

/// Why a replica does not start. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum OpenError {
    /// The identity file is damaged or another one's.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// There is a log and no identity.
    #[error(
        "the disk holds a log and no identity file: put the file back, or remove the member and add it again"
    )]
    MissingIdentity,
    /// The log is damaged where it was promised.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The log points to a snapshot that is not there.
    #[error(
        "{file}: the log points to this snapshot, and it is not there. Put it back, or remove the member and add it again"
    )]
    MissingSnapshot {
        /// Which file.
        file: FileName,
    },
    /// A new cluster cannot start from what it was given.
    #[error("the backup cannot be used: {reason}. Take another one, or another copy of it")]
    BadBackup {
        /// What is wrong with it.
        reason: String,
    },
    /// A snapshot is damaged.
    #[error(
        "{file}: offset {offset}: expected {expected}. Put back a good copy, or remove the member and add it again"
    )]
    DamagedSnapshot {
        /// Which file.
        file: FileName,
        /// Where, in bytes from its start.
        offset: u64,
        /// What should be there.
        expected: String,
    },
}

/// Index and term that a new cluster's log starts behind. Not zero, so that a member that is added later cannot mistake
/// an empty log for the beginning of this one and miss its first configuration.
const ORIGIN: (u64, u64) = (1, 1);

impl Replica {
    /// Opens a replica on what its disk holds. `incarnation` names the disk if it is new. The first outputs are added to
    /// `outputs`.
    pub fn open(
        config: Config,
        incarnation: Incarnation,
        now: Monotonic,
        image: DiskImage,
        outputs: &mut Vec<Output>,
    ) -> Result<Self, OpenError> {
        let mut ops = Vec::new();
        let (owner, mut base, wal, recovered, fresh) = match Identity::read(&image)? {
            Some(identity) => {
                if !config.mutations.has(Mutation::RestoreOnOldData) {
                    identity.check(config.cluster, config.node)?;
                }
                let owner = identity.incarnation;
                match Base::recover(owner, &config, &image, &mut ops) {
                    Err(error) if repair::is_repairable(&error, &config, &image) => {
                        let start = (incarnation, now);
                        let mut damaged = Self::damaged(config, owner, start, &error, &image)?;
                        mem::swap(&mut damaged.outputs, outputs);
                        damaged.on_damage_found();
                        mem::swap(&mut damaged.outputs, outputs);
                        return Ok(damaged);
                    }
                    read => {
                        let (base, wal, recovered) = read?;
                        (owner, base, wal, recovered, None)
                    }
                }
            }
            // The identity is written last, and a member neither proves itself nor vouches for others before that.
            None if wal::knows_peers(&image, config.release)? => {
                return Err(OpenError::MissingIdentity);
            }
            None => {
                let identity =
                    Identity { cluster: config.cluster, member: config.node, incarnation };
                let mutations = config.mutations;
                let mut wal = Wal::create(config.log(incarnation), &mut ops);
                let base = match &config.boot {
                    Boot::Bootstrap { members } => {
                        let store = Store::new(mutations);
                        Base::bootstrap(members, store, &config, &mut wal, &mut ops)
                    }
                    Boot::Restore { members, from } => {
                        let store = backup::restore(from, mutations)?;
                        Base::bootstrap(members, store, &config, &mut wal, &mut ops)
                    }
                    Boot::Join { .. } => Base::nothing(&config),
                };
                (incarnation, base, wal, Recovered::default(), Some(identity))
            }
        };
        base.note_stale(&image);
        drop(image);
        let mut replica = Self::from_base(config, owner, now, base, wal, recovered);
        mem::swap(&mut replica.outputs, outputs);
        replica.write_start(ops, fresh.as_ref());
        mem::swap(&mut replica.outputs, outputs);
        Ok(replica)
    }

    /// A replica that says nothing before others have made up for what its disk has lost.
    fn damaged(
        config: Config,
        owner: Incarnation,
        start: (Incarnation, Monotonic),
        error: &OpenError,
        image: &DiskImage,
    ) -> Result<Self, OpenError> {
        let wal = Wal::start_over(config.log(owner), image)?;
        let mut base = Base::nothing(&config);
        base.note_stale(image);
        let peers = wal::readable_peers(image, config.release);
        let known = Recovered { peers, ..Recovered::default() };
        let mut replica = Self::from_base(config, owner, start.1, base, wal, known);
        replica.phase = Phase::Damaged;
        replica.repair = Some(Repair::new(error.to_string(), start));
        Ok(replica)
    }

    fn from_base(
        config: Config,
        owner: Incarnation,
        now: Monotonic,
        base: Base,
        wal: Wal,
        recovered: Recovered,
    ) -> Self {
        let mut hard_state = HardState::default();
        hard_state.term = recovered.term.0.max(base.hard_state.0);
        hard_state.vote = recovered.vote.map_or(0, |node| node.0);
        hard_state.commit = recovered.commit.0.max(base.hard_state.1);
        let place = (base.meta.index.0, base.meta.term.0);
        let renewal = recovered.renewal;
        let log = Log::new(place, hard_state.clone(), base.meta.conf_state(), recovered.entries);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raft = RawNode::new(&raft_config(&config, place.0), log, &logger);
        Self::assemble(Parts {
            raft: raft.expect("the configuration is valid and the log consistent"),
            store: base.store,
            wal,
            persistence: Persistence::new(hard_state),
            introduction: Introduction::new(owner, recovered.peers),
            membership: base.meta.membership,
            renewal,
            compaction: Compaction::new(base.file, base.stale),
            now,
            config,
        })
    }
}

/// The state that the log goes on from.
struct Base {
    meta: SnapshotMeta,
    store: Store,
    /// Term and commit that go with it.
    hard_state: (u64, u64),
    file: Option<FileName>,
    /// Snapshot files that nobody needs.
    stale: Vec<FileName>,
}

impl Base {
    /// Notes what a snapshot or a start that was cut short has left on the disk.
    fn note_stale(&mut self, image: &DiskImage) {
        let is_stale = |name: &&FileName| {
            snapshot::is_snapshot_file(name) && Some(*name) != self.file.as_ref()
        };
        self.stale = image.keys().filter(is_stale).cloned().collect();
    }

    /// What a disk holds that belongs to `owner`.
    fn recover(
        owner: Incarnation,
        config: &Config,
        image: &DiskImage,
        ops: &mut Vec<DiskOp>,
    ) -> Result<(Self, Wal, Recovered), OpenError> {
        let (wal, recovered) = Wal::recover(config.log(owner), image, ops)?;
        let base = match &recovered.snapshot {
            Some(mark) => Self::from_disk(mark, image, config)?,
            None => Self::nothing(config),
        };
        Ok((base, wal, recovered))
    }

    fn from_disk(
        mark: &SnapshotMark,
        image: &DiskImage,
        config: &Config,
    ) -> Result<Self, OpenError> {
        let file = mark.file.clone();
        let bytes =
            image.get(&file).ok_or_else(|| OpenError::MissingSnapshot { file: file.clone() })?;
        let damaged = |expected: &str| OpenError::DamagedSnapshot {
            file: file.clone(),
            offset: 0,
            expected: expected.to_owned(),
        };
        if bytes.len() as u64 != mark.file_bytes {
            return Err(damaged("the length that the log remembers"));
        }
        if crc32c::crc32c(bytes) != mark.file_checksum {
            return Err(damaged("the checksum that the log remembers"));
        }
        let (mut meta, store) = snapshot::read(&file, bytes, config.mutations)?;
        if (meta.index, meta.term) != (mark.index, mark.term) {
            return Err(damaged("the index and term that the log remembers"));
        }
        // The same as in the file, unless a mutation made them differ.
        let place = (meta.index.0, meta.term.0);
        meta = SnapshotMeta::new(place, &mark.conf_state, meta.membership);
        Ok(Self { meta, store, hard_state: (0, 0), file: Some(file), stale: Vec::new() })
    }

    /// The first state of a new cluster: its members, and what it is given, as a snapshot like any other.
    fn bootstrap(
        members: &[NodeId],
        mut store: Store,
        config: &Config,
        wal: &mut Wal,
        ops: &mut Vec<DiskOp>,
    ) -> Self {
        let meta = SnapshotMeta {
            index: Index(ORIGIN.0),
            term: Term(ORIGIN.1),
            voters: members.to_vec(),
            membership: Membership {
                roster: first_roster(config),
                founders: members.to_vec(),
                ..Membership::default()
            },
            ..SnapshotMeta::default()
        };
        let (framer, bytes) = snapshot::write_whole(&meta, &mut store);
        let (file, temporary) = (meta.file(), meta.temporary());
        ops.extend([
            DiskOp::Create { file: temporary.clone() },
            DiskOp::Write { file: temporary.clone(), offset: 0, bytes: bytes.into() },
            DiskOp::Sync { file: temporary.clone() },
            DiskOp::Rename { from: temporary, to: file.clone() },
            DiskOp::SyncDirectory,
        ]);
        wal.append(&Record::Snapshot(SnapshotMark {
            index: meta.index,
            term: meta.term,
            conf_state: meta.conf_state(),
            file: file.clone(),
            file_bytes: framer.length,
            file_checksum: framer.checksum,
            installed: true,
        }));
        wal.append(&Record::HardState {
            term: Term(ORIGIN.1),
            vote: None,
            commit: Index(ORIGIN.0),
        });
        Self { meta, store, hard_state: (ORIGIN.1, ORIGIN.0), file: Some(file), stale: Vec::new() }
    }

    /// A member that was added and has nothing yet.
    fn nothing(config: &Config) -> Self {
        Self {
            meta: SnapshotMeta::default(),
            store: Store::new(config.mutations),
            hard_state: (0, 0),
            file: None,
            stale: Vec::new(),
        }
    }
}

/// What is known of the first members from the start.
fn first_roster(config: &Config) -> Roster {
    let attributes = |peer_urls: &Vec<String>| MemberAttributes {
        peer_urls: peer_urls.clone(),
        ..MemberAttributes::default()
    };
    config.peers.iter().map(|(node, urls)| (*node, attributes(urls))).collect()
}

fn raft_config(config: &Config, applied: u64) -> raft::Config {
    let tuning = &config.tuning;
    let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    raft::Config {
        id: config.node.0,
        election_tick: small(tuning.election_ticks),
        heartbeat_tick: small(tuning.heartbeat_ticks),
        applied,
        max_size_per_msg: tuning.message_bytes_max,
        max_inflight_msgs: small(tuning.inflight_messages_max),
        check_quorum: tuning.check_quorum,
        pre_vote: tuning.pre_vote,
        // Raft refuses a bound below one message.
        max_uncommitted_size: tuning.uncommitted_bytes_max.max(tuning.message_bytes_max),
        max_committed_size_per_ready: tuning.apply_bytes_max,
        ..raft::Config::default()
    }
}
