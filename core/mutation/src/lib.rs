//! The list of deliberate bugs.
//!
//! A mutation is one documented bug, switched on at run time by name, so that the checkers can be seen to find it.
//! Without the feature `enabled`, [`Mutations::has`] is a constant `false` and the compiler removes every site.
//!
//! ```
//! use whitewater_mutation::{Mutation, Mutations};
//!
//! let name = Mutation::ReplyBeforePersist.name();
//! assert_eq!(Mutation::from_name(name), Some(Mutation::ReplyBeforePersist));
//! assert!(!Mutations::none().has(Mutation::ReplyBeforePersist));
//! ```

#![forbid(unsafe_code)]

macro_rules! mutations {
    ($($variant:ident, $name:literal, $source:literal, $story:literal;)*) => {
        /// One deliberate bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutation {
            $(#[doc = $story] $variant,)*
        }

        impl Mutation {
            /// Every mutation, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the command line and in plans.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Where the bug was seen in the wild.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$variant => $source,)* }
            }

            /// What goes wrong, in a sentence.
            #[must_use]
            pub const fn story(self) -> &'static str {
                match self { $(Self::$variant => $story,)* }
            }
        }
    };
}

mutations! {
    // The driver around raft-rs.
    ReplyBeforePersist, "reply-before-persist", "tikv #994, NodeDB #161",
        "Votes and acknowledgements leave before the write that they promise is on the disk.";
    DamagedMemberForgets, "damaged-member-forgets", "Alagappan et al., FAST 2018; NATS #7549",
        "A member whose disk is damaged starts over and takes part, without asking the others first.";
    VoteNotPersisted, "vote-not-persisted", "NodeDB #161, seaweedfs/raft #9",
        "The vote is left out of the hard state on the disk.";
    SnapshotStateSplit, "snapshot-state-split", "nexi-lab/nexus #4215, CRDB #3728",
        "An installed snapshot and the hard state that goes with it are written in two steps.";
    SnapshotNotReported, "snapshot-not-reported", "nexus #4230, etcd #12695; raft-rs 0.7.0 by design (X11)",
        "A lost snapshot is never reported, so the leader waits for its answer for ever.";
    AckByIndex, "ack-by-index", "openraft 43dd8b6f",
        "A waiting client is answered by log index, whoever's entry was committed there.";
    ClientsForgotten, "clients-forgotten", "openraft #1816, etcd #9566, raft-rs #167",
        "A leader that steps down forgets who waits for it, and they wait until they give up.";
    AckOnAppend, "ack-on-append", "openraft beb0302b, d60f1e85",
        "The client is told OK when the entry is appended, before a quorum has it.";
    FsyncErrorIgnored, "fsync-error-ignored", "CRDB #37102; Rebello ATC'20",
        "A failed write counts as done.";
    StalledDiskLeads, "stalled-disk-leads", "etcd #15247, tikv #6224",
        "A leader whose disk is stuck goes on sending heartbeats.";
    // The write-ahead log and snapshots on disk.
    EntriesNotSynced, "entries-not-synced", "NATS #7564, #7567",
        "Entries are written but not synced before they are acknowledged.";
    ConflictKept, "conflict-kept", "qdrant #1108",
        "Recovery keeps the entries that a later leader overwrote.";
    GhostTail, "ghost-tail", "etcd #22442",
        "Recovery skips overwrites at or below the snapshot index, and so their truncation of what follows.";
    TornTailRefused, "torn-tail-refused", "etcd #15069",
        "A torn last record counts as corruption and the replica does not start.";
    CorruptionAsTail, "corruption-as-tail", "PAR FAST'18; NATS #7549; LogCabin #191",
        "Damage in the middle of the log counts as its end, and what was acknowledged is cut off.";
    DirectoryNotSynced, "directory-not-synced", "CRDB #114411, #114616",
        "The directory is not synced after a new segment or snapshot gets its name.";
    LitterKept, "litter-kept", "etcd #8964, #12837, #17194, #20732",
        "What there is of a snapshot that is given up stays on the disk.";
    LateNameMarked, "late-name-marked", "this core, seed 26071941 of swarm",
        "A snapshot that was given up gets its name, and the next one of the same index counts as done.";
    RetireBeforeSnapshot, "retire-before-snapshot", "CRDB #38566, etcd #10219",
        "Segments are removed before the snapshot that replaces them is durable.";
    // The store.
    NestedCompareSeesWrites, "nested-compare-sees-writes", "etcd works the path of a transaction out before it (apply, compareToPath)",
        "A transaction inside of another one compares with what that one has put.";
    FailedTxnWrites, "failed-txn-writes", "etcd #14110, #18749",
        "A transaction that fails in the middle leaves its first writes behind.";
    NondeterministicApply, "nondeterministic-apply", "etcd #18667, #14571",
        "The outcome of a transaction depends on what the applying node has compacted so far.";
    CompactionDropsLive, "compaction-drops-live", "etcd #18089, #18274",
        "Compaction forgets the newest version of a key that was last written at the compaction revision.";
    VersionNotReset, "version-not-reset", "etcd's key generations",
        "A key that is created again after a delete goes on with its old version.";
    SnapshotWithoutTail, "snapshot-without-tail", "RedisRaft #14",
        "A snapshot leaves out the last key.";
    SnapshotIndexAhead, "snapshot-index-ahead", "raft-rs MemStorage, storage.rs:267 (X10)",
        "A snapshot claims the commit index, while its data is that of the applied one.";
    HashKvCountsDoomed, "hash-kv-counts-doomed", "etcd #14325, mvcc/hash.go: keep",
        "The hash over revisions takes in versions that a compaction has given up and physical compaction has yet to take.";
    HashKvCountsBuried, "hash-kv-counts-buried", "etcd #18274, mvcc/hash.go: tombstone",
        "The hash over revisions takes in the deletes at the compaction revision, which some releases keep and some do not.";
    DefragmentForgetsHistory, "defragment-forgets-history", "etcd #14685",
        "A defragmentation carries only the newest version of each key over.";
    // Maintenance.
    AlarmIgnoredAtApply, "alarm-ignored-at-apply", "etcd, apply/capped.go",
        "An alarm refuses requests before the log only, so that what was in it already still writes.";
    QuotaSkipsNestedTxn, "quota-skips-nested-txn", "etcd, storage/quota.go: costTxn",
        "Puts in a nested transaction cost nothing and pass under a full quota.";
    QuotaRaisesNoAlarm, "quota-raises-no-alarm", "etcd, v3rpc/quota.go",
        "A member whose quota is used up refuses by itself and raises no alarm, so that the others go on.";
    DefragmentKeepsPeak, "defragment-keeps-peak", "etcd, maintenance guide: space quota",
        "A defragmentation frees nothing that the quota is held against, so the alarm comes back for ever.";
    CorruptLeaderTrusted, "corrupt-leader-trusted", "etcd #14828",
        "A leader takes its own content for the right one and blames whoever differs.";
    CorruptAcrossCompactions, "corrupt-across-compactions", "etcd, corrupt.go: CompactRevision",
        "Hashes are compared whatever the compaction that each depends on.";
    AutoCompactionTooFar, "auto-compaction-too-far", "etcd, v3compactor: revs[0]",
        "Compaction by itself goes to the newest revision and keeps nothing of the period.";
    ApplyRots, "apply-rots", "etcd #13766, #14211; bit flips",
        "What one member applies is not what the others apply, and it does not notice.";
    // Reads.
    LocalRead, "local-read", "etcd 0.4.1 and Consul, Jepsen 2014; RedisRaft #19",
        "A leader answers linearizable reads from its own state.";
    ReadBeforeTermCommit, "read-before-term-commit", "etcd #7331, tikv #9239",
        "A new leader answers reads before it has committed an entry of its own term.";
    ReadWithoutApplyWait, "read-without-apply-wait", "Xraft-KV #1 (SandTable)",
        "A read is served without waiting until its read index is applied.";
    ReadContextReused, "read-context-reused", "etcd-raft #397, etcd #20418; raft-rs 0.7.0 (X1)",
        "Followers' read requests reach raft with their own context, so a duplicate confirms a later read.";
    LeaseIgnoresTransfer, "lease-ignores-transfer", "openraft #1749, tikv #4688; raft-rs 0.7.0 (X3)",
        "The leader lease goes on while the leadership is being transferred.";
    ClockSleeps, "clock-sleeps", "CLOCK_MONOTONIC against CLOCK_BOOTTIME; golang/go #24595",
        "The host tells the time by a clock that stands still while the machine sleeps, so leases outlive their quorum.";
    LeaseIgnoresDrift, "lease-ignores-drift", "raft-rs docs; dissertation 6.4.1",
        "The leader lease lasts longer than a follower's patience.";
    ReadParkedForEver, "read-parked-for-ever", "raft-rs 0.7.0 (X7)",
        "A read that meets a leader without a commit in its term is dropped and never asked again.";
    LongReadTellsLater, "long-read-tells-later", "etcd tells the revision of its read transaction",
        "The header of a read that took many steps tells the revision at its end, and who watches from there misses what came in between.";
    LongReadOfManyMoments, "long-read-of-many-moments", "etcd takes one read transaction of bbolt for it",
        "Each part of a read that takes many steps is of its own moment.";
    // Leases.
    LeaseExpiredEarly, "lease-expired-early", "etcd #15247; guarded by lessor.Promote",
        "A new leader counts a lease from its grant, whatever its former leader promised to keep-alives.";
    LeaseNeverExpires, "lease-never-expires", "etcd #10686, #13491",
        "A new leader does not take up the expiry of the leases that it finds.";
    LeaseExpiryOnFollower, "lease-expiry-on-follower", "expiry by a local clock; etcd lessor.Demote guards against it",
        "Every member ends leases by its own clock, past the log.";
    LeaseCheckpointIgnored, "lease-checkpoint-ignored", "etcd #13508, #17132",
        "A new leader gives every lease its whole time to live again, whatever was checkpointed.";
    LeaseCheckpointNotReset, "lease-checkpoint-not-reset", "etcd #9924",
        "A keep-alive leaves the checkpoint of the lease behind, and a new leader cuts it short.";
    LeaseLostInSnapshot, "lease-lost-in-snapshot", "etcd #4747, #6098",
        "A snapshot holds the keys and not the leases that they hang on.";
    LeaseRevokeLeavesKeys, "lease-revoke-leaves-keys", "etcd #11369",
        "A lease that ends leaves its last key behind.";
    LeaseRevokeInParts, "lease-revoke-in-parts", "etcd #6098",
        "The keys of a lease that ends go at a revision each.";
    LeaseDetachForgotten, "lease-detach-forgotten", "etcd #6102, datenlord/etcd-client #52",
        "A key that was put again without its lease still goes when that ends.";
    LeaseGrantOverwrites, "lease-grant-overwrites", "etcd's ErrLeaseExists guards against it",
        "A grant of an id that is in use replaces the lease, and frees its keys.";
    LeaseRenewedByPut, "lease-renewed-by-put", "etcd v2, where a put begins the time to live anew",
        "A put on a lease counts as a keep-alive.";
    KeepAliveUnconfirmed, "keep-alive-unconfirmed", "etcd #15247, #17425",
        "A leader answers keep-alives without asking whether it still leads.";
    KeepAliveAfterRevoke, "keep-alive-after-revoke", "etcd #20616",
        "A keep-alive is answered while the end of its lease is on its way through the log.";
    // Membership.
    RemovedLeaderKeepsLeading, "removed-leader-keeps-leading", "etcd #11038, raft-rs #584 (X2)",
        "A leader that was removed goes on leading and keeps the others from electing.";
    WipedMemberVotes, "wiped-member-votes", "qdrant #1235, etcd #20269",
        "A member whose disk was wiped votes again under its old identity.";
    StaleMembersAfterSnapshot, "stale-members-after-snapshot", "openraft #1808",
        "Installing a snapshot keeps the membership from before it.";
    JointForgotten, "joint-forgotten", "etcd-raft e515a67, openraft 6c0ccaf3",
        "A restart in a joint configuration forgets its outgoing half.";
    JointNeverLeft, "joint-never-left", "etcd-raft bd3c759, #12136; raft-rs 0.7.0 (X8)",
        "A joint configuration is never left when its leader is lost.";
    MemberUpdatePromotes, "member-update-promotes", "etcd PR 21736",
        "New peer URLs make a voter of a learner.";
    MemberAddNeedsAll, "member-add-needs-all", "etcd PR 21667",
        "No member is added while any other one is down, so that it cannot be replaced.";
    PromoteUnready, "promote-unready", "etcd #10537",
        "A learner is promoted however far it is behind.";
    PeerUrlsShared, "peer-urls-shared", "etcd, membership: ErrPeerURLexists",
        "Two members may have the same peer URL.";
    // The protocol, by way of raft-rs's public fields.
    CommitOldTerm, "commit-old-term", "Raft figure 8; LogCabin #44",
        "A leader commits entries of earlier terms by counting copies.";
    VoteIgnoresLog, "vote-ignores-log", "openraft a48a3282",
        "A vote is granted whatever the candidate's log.";
    StaleRejectionKept, "stale-rejection-kept", "etcd-raft #149, raft-rs #555 (X4)",
        "A stale rejection moves the leader's next index below what the follower has confirmed.";
    ForeignTermlessMessage, "foreign-termless-message", "raft-rs 0.7.0 (X12)",
        "Proposals and read requests from the network, which carry no term, are stepped whenever they arrive.";
    RefusedAfterProposed, "refused-after-proposed", "KAFKA-13574",
        "A request is refused for want of memory when it is in the log already.";
    MessageVersionNotAgreed, "message-version-not-agreed", "Zhang et al., SOSP 2021: syntax of messages",
        "A member speaks its newest form of messages, whatever the other one understands.";
    LogUpgradedInPlace, "log-upgraded-in-place", "Zhang et al., SOSP 2021: syntax of what is on the disk",
        "A new release goes on in the segment of the old one, which takes the new form for a torn tail when it comes back.";
    WireChecksumIgnored, "wire-checksum-ignored", "Stone and Partridge, SIGCOMM 2000; Amazon S3, July 2008",
        "A message between members is taken as it comes, without a look at its checksum.";
    // Watches.
    ProgressAheadOfEvents, "progress-ahead-of-events", "etcd #15220",
        "A progress notification is sent while events that it promises are still waiting.";
    WatchFromFutureSendsOld, "watch-from-future-sends-old", "etcd #20221",
        "A watch that starts at a future revision is told what happens before it.";
    WatchRevisionSplit, "watch-revision-split", "etcd robustness errBrokeAtomic",
        "The events of one revision come in several messages.";
    WatchDuplicateEvent, "watch-duplicate-event", "etcd #17247, #15274",
        "A watch that catches up is told the last revision of a batch again in the next one.";
    WatchEventLostWhenSlow, "watch-event-lost-when-slow", "etcd #17529",
        "Events that meet a client without room for them are dropped.";
    WatchDropsDeleteAtCompaction, "watch-drops-delete-at-compaction", "etcd #18089, #19179",
        "A watch that starts at the compaction revision is not told of the deletes there.";
    WatchGoesBackAfterSnapshot, "watch-goes-back-after-snapshot", "etcd #15271",
        "When a snapshot is installed, watches go back as far as its history goes.";
    WatchSkipsOnSnapshot, "watch-skips-on-snapshot", "etcd #15515",
        "When a snapshot is installed, watches go on at its revision and miss what it covers.";
    WatchFilterInverted, "watch-filter-inverted", "etcd robustness errBrokeFilter",
        "A watch without deletes is told of nothing else.";
    WatchPrevKvWrong, "watch-prev-kv-wrong", "etcd robustness errBrokePrevKV",
        "The value before an event is read at the revision of the event itself.";
    WatchMissesTxnEvents, "watch-misses-txn-events", "etcd robustness errBrokeAtomic",
        "Of what one transaction did, a watch is told the first event only.";
    WatchNotCanceledByCompaction, "watch-not-canceled-by-compaction", "etcd #17529",
        "A watch that compaction has overtaken goes on behind the gap.";
    WatchCancelIgnored, "watch-cancel-ignored", "etcd #9416",
        "A watch that its client cancels goes on.";
    WatchEndUntold, "watch-end-untold", "etcd #8231",
        "A watch is canceled or refused, and nobody says so.";
    // Backups.
    BackupOfManyMoments, "backup-of-many-moments", "etcd takes one read transaction of bbolt for it",
        "Each part of a backup is of its own moment.";
    RestoreKeepsRevision, "restore-keeps-revision", "etcd #16028: --bump-revision",
        "A restored cluster gives revisions away again that the old one has given to other changes.";
    RestoreKeepsHistory, "restore-keeps-history", "etcd #16028: --mark-compacted",
        "A restored cluster goes on from revisions that it never had as if nothing had happened in them.";
    RestoreOnOldData, "restore-on-old-data", "etcdutl refuses: data-dir not empty",
        "A member starts as one of the restored cluster on its old disk, and goes on with what is there.";
    // Who may do what.
    AuthOnlyAtAdmission, "auth-only-at-admission", "etcd #14571; guarded by apply_auth.go",
        "Permissions are asked about when a request is admitted, and not when it is carried out.";
    AuthRevisionUnchecked, "auth-revision-unchecked", "etcd's ErrAuthOldRevision guards against it",
        "A request counts whatever has become of users and roles since its token was given.";
    AuthMergeIgnoresGaps, "auth-merge-ignores-gaps", "etcd auth/range_perm_cache.go, adt #6953",
        "Two permissions permit what lies between them, too.";
    AuthAdminUnchecked, "auth-admin-unchecked", "CVE-2026-33413, etcd GHSA-q8m4-xhhv-38mg",
        "What concerns everybody, anybody may do.";
    AuthTxnPutUnchecked, "auth-txn-put-unchecked", "CVE-2026-44283, etcd #21681",
        "A put in a transaction shows what was there before, and hangs keys on any lease.";
    AuthCompareUnchecked, "auth-compare-unchecked", "etcd apply_auth.go guards against it",
        "A transaction may compare what its user may not read.";
    AuthNestedTxnUnchecked, "auth-nested-txn-unchecked", "CVE-2026-33343, etcd GHSA-rfx7-8w68-q57q",
        "Nobody looks into a transaction inside a transaction.";
    AuthLeaseKeysUnchecked, "auth-lease-keys-unchecked", "CVE-2023-32082, etcd #8031",
        "Whoever knows a lease may end it and see what hangs on it.";
    AuthWatchFromKeyUnchecked, "auth-watch-from-key-unchecked", "etcd GHSA-xg4h-6gfc-h4m8",
        "A watch of all keys from one on needs a permission for that one only.";
    AuthLostInSnapshot, "auth-lost-in-snapshot", "etcd #14571",
        "A snapshot holds neither users nor roles, and who starts from it lets everybody do everything.";
    TokenOutlivesPassword, "token-outlives-password", "etcd's invalidateUser guards against it",
        "A user that was deleted, or whose password has changed, keeps its tokens.";
    LoginFromStaleState, "login-from-stale-state", "etcd authenticates behind a linearizable read",
        "A password is compared with what is applied, without asking whether a newer leader knows of another one.";
    LoginNotRechecked, "login-not-rechecked", "etcd, v3_server.go: Authenticate compares auth revisions",
        "There is a token for a password that was changed while it was compared.";
    TokenNeverExpires, "token-never-expires", "etcd auth/simple_token.go, auth/jwt.go",
        "A token is good for ever.";
    // Locks and elections.
    LockSkipsQueue, "lock-skips-queue", "etcd concurrency/key.go guards against it",
        "A contender waits for the owner instead of the one before it, and takes its end for its own turn.";
    LockNotRechecked, "lock-not-rechecked", "etcd #11456, Jepsen etcd 3.4.3",
        "After the wait nobody looks whether the contender's own key is still there.";
    LockOutlivesLease, "lock-outlives-lease", "etcd concurrency/mutex.go guards against it",
        "A contender's key does not hang on its lease, and stays when that has ended.";
    ResignDeletesOther, "resign-deletes-other", "etcd concurrency/election.go guards against it",
        "Who resigns deletes the key, though it was created anew since.";
    ObserveSkipsSuccessor, "observe-skips-successor", "etcd concurrency/election.go guards against it",
        "When a leader goes, an observer waits for the next to come and misses who has waited already.";
    // The client.
    ClientRetries, "client-retries", "Jepsen jetcd 0.8.2",
        "A client sends a write of unknown outcome again inside the same invocation.";
    TimeoutIsFailure, "timeout-is-failure", "Jepsen jetcd 0.8.2",
        "A client reports a timeout as a definite failure.";
}

impl Mutation {
    /// The mutation of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mutation| mutation.name() == name)
    }

    /// The word of the set that the mutation is in, and its bit there.
    const fn place(self) -> (usize, u128) {
        (self as usize / 128, 1 << (self as u32 % 128))
    }
}

const _: () = assert!(Mutation::ALL.len() <= 256);

/// The mutations that are switched on in a run; almost always none or one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutations([u128; 2]);

impl Mutations {
    /// None: the clean program.
    #[must_use]
    pub const fn none() -> Self {
        Self([0; 2])
    }

    /// This set and `mutation`.
    #[must_use]
    pub const fn with(mut self, mutation: Mutation) -> Self {
        let (word, bit) = mutation.place();
        self.0[word] |= bit;
        self
    }

    /// Whether `mutation` is on. Constant `false` without the feature `enabled`.
    #[must_use]
    pub const fn has(self, mutation: Mutation) -> bool {
        cfg!(feature = "enabled") && self.holds(mutation)
    }

    /// Whether none is on.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0
    }

    const fn holds(self, mutation: Mutation) -> bool {
        let (word, bit) = mutation.place();
        self.0[word] & bit != 0
    }

    /// The mutations that are on, in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Mutation> {
        Mutation::ALL.iter().copied().filter(move |mutation| self.holds(*mutation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for mutation in Mutation::ALL {
            assert_eq!(Mutation::from_name(mutation.name()), Some(*mutation));
        }
    }
}
