//! What the codes of violations mean: the promise, where it is from, and what to look at first.

use serde::Serialize;

/// What there is to know of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lesson {
    /// The code, as in outcomes.
    pub code: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// Who says so.
    pub source: &'static str,
    /// Where to look first.
    pub look: &'static str,
}

/// The lesson of a code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Lesson> {
    // In signatures the two judges of linearizability share a name.
    let code = if code == "linearizability" { "linearizable" } else { code };
    ALL.iter().find(|lesson| lesson.code == code)
}

/// Every code: the invariants of the world, the judges of histories, and the end of a worker.
pub const ALL: &[Lesson] = &[
    Lesson {
        code: "election-safety",
        promise: "At most one leader is elected in a term.",
        source: "Raft 5.2 and figure 3",
        look: "the elections of that term (`find --where 'kind=role, role=leader'`), who voted for \
            whom (`kind=vote`), and what was on the disks of the voters when they answered",
    },
    Lesson {
        code: "vote-once",
        promise: "A server votes for at most one candidate in a term.",
        source: "Raft 5.2",
        look: "both votes of the node (`replay PLAN --lanes all` around the event), and whether a \
            restart or a lost write lies between them",
    },
    Lesson {
        code: "monotone",
        promise: "Nothing goes back: term, commit and applied index of a replica; revisions that one \
            process is told; versions and create revisions of one key.",
        source: "Raft figure 2; etcd API guarantees (revisions)",
        look: "the last event at which the number was higher, and what happened to that node since: a \
             restart, a snapshot, a read from another node",
    },
    Lesson {
        code: "leader-append-only",
        promise: "A leader never overwrites or deletes entries of its own log.",
        source: "Raft 5.3 and figure 3",
        look: "the append of the leader with `replaced` above 0",
    },
    Lesson {
        code: "log-matching",
        promise: "Two logs that have an entry of the same index and term are the same up to there.",
        source: "Raft 5.3 and figure 3",
        look: "the append before the event on either node: index and term of what it follows",
    },
    Lesson {
        code: "leader-completeness",
        promise: "A leader has every entry that was committed in an earlier term.",
        source: "Raft 5.4 and figure 3",
        look: "the votes that made it leader: a voter had the entry and must have refused; look at \
            the `index` and `more` (log term) of its vote request",
    },
    Lesson {
        code: "commit-quorum",
        promise: "An entry counts as committed only when a majority, of each half of a joint \
            configuration, has it on disk.",
        source: "Raft 5.3, 5.4.2 and 6",
        look: "which disks had the entry at the event: submits without their disk-done, and nodes \
            that have lost power since",
    },
    Lesson {
        code: "state-machine-safety",
        promise: "No two replicas apply different entries at the same index.",
        source: "Raft 5.4.3 and figure 3",
        look: "`replay PLAN --follow INDEX`: who appended, replaced and applied it, in which term",
    },
    Lesson {
        code: "promise",
        promise: "No vote, candidacy or acknowledgement leaves a node before its disk holds what it \
            promises.",
        source: "Raft figure 2, persistent state; TiKV #994",
        look: "the message of the event, and the write that should have been done before: its submit \
            has no disk-done yet",
    },
    Lesson {
        code: "boot-promise",
        promise: "What a node promised it still holds after a restart, unless a leader of a higher term \
            took it back.",
        source: "Raft figure 2; Protocol-Aware Recovery, FAST 2018",
        look: "the crash before the boot: what it lost and tore, and the last fsync before it",
    },
    Lesson {
        code: "apply-order",
        promise: "Entries are applied one after the other, each once, and none before it is committed.",
        source: "Raft 5.3; the Ready contract of raft-rs",
        look: "the apply before, and whether a snapshot was installed or a restart lies between",
    },
    Lesson {
        code: "membership",
        promise: "At the same index all nodes have the same configuration, applied or recovered.",
        source: "Raft dissertation 4.1",
        look: "the `members` events of both nodes at that index, and the snapshots that carried them",
    },
    Lesson {
        code: "snapshot-content",
        promise: "A snapshot holds what applying its entries gives.",
        source: "Raft 7",
        look: "the `snapshot` event and the apply of the same index on another node: which of the two \
             hashes is wrong",
    },
    Lesson {
        code: "read-freshness",
        promise: "A linearizable read sees all that anybody had been told of before it was asked.",
        source: "Raft dissertation 6.4",
        look: "the `read` event: what the node had applied, and whether its lease alone allowed it; \
            then who led at that moment",
    },
    Lesson {
        code: "replica-hash",
        promise: "Replicas that have applied the same entries hold the same.",
        source: "Raft 2, replicated state machines",
        look: "the first apply after which the chains differ: `diff` of the two nodes' applies, and \
            what the entry did",
    },
    Lesson {
        code: "recovery",
        promise: "What was synced is read back after a restart, and nothing that was not written.",
        source: "Pillai et al., OSDI 2014; etcd #15069",
        look: "the crash before it: which part of the last batch was on the disk",
    },
    Lesson {
        code: "compaction",
        promise: "A segment of the log goes only when a durable snapshot covers all that it holds; compaction by itself \
            leaves what is younger than its period.",
        source: "Raft 7; etcd, v3compactor",
        look: "the submit with `removes`, and the last snapshot that was durable before it",
    },
    Lesson {
        code: "panic",
        promise: "No assertion fails and nothing is used after it is gone.",
        source: "the program itself",
        look: "the place in the sentence; then the events of that node up to there (`replay PLAN \
            --lanes all`)",
    },
    Lesson {
        code: "liveness",
        promise: "Once all faults have ended, a majority elects a leader, serves, and all replicas come \
            to hold the same, within a bound. Everybody has answered whatever it was asked, every \
            member's disk is in the log, and nobody keeps a snapshot but its newest.",
        source: "Raft 5.6; FLP allows no more",
        look: "the sentence says who waits for what; `replay PLAN --dump NODE` shows the node that is \
             behind",
    },
    Lesson {
        code: "assumptions",
        promise: "The record itself is sound: what judges take for granted holds of it.",
        source: "Jepsen's and Porcupine's notion of a history",
        look: "the operation that is named: an answer that does not fit its question is the store's \
            doing, anything else the recorder's",
    },
    Lesson {
        code: "linearizable",
        promise: "Every operation takes effect at one moment between its invocation and its answer.",
        source: "Herlihy and Wing, TOPLAS 1990; etcd API guarantees",
        look: "the operations that the sentence names; `replay PLAN --follow p7#3` shows the life of \
            one, and which node answered it",
    },
    Lesson {
        code: "revision-order",
        promise: "The order of operations that their revisions give explains every answer and agrees \
            with real time.",
        source: "etcd API guarantees (revisions); Jepsen's etcd analyses",
        look: "the operation whose revision does not fit, and the apply that made that revision",
    },
    Lesson {
        code: "agreement",
        promise: "The two judges of linearizability, which work by different means, do not contradict \
            each other.",
        source: "N-version programming, for checkers",
        look: "not the store but the checkers: keep the history, and report it",
    },
    Lesson {
        code: "durability",
        promise: "What was acknowledged stays until something replaces it; what was read had been \
            written; what was refused did not happen.",
        source: "etcd API guarantees (durability)",
        look: "the acknowledged write: `replay PLAN --follow p7#3` shows which disks had it, and what \
             they lost",
    },
    Lesson {
        code: "serializable",
        promise: "A serializable read sees a past state of the whole store, and no operation sees half \
            of another.",
        source: "etcd API guarantees (serializable reads)",
        look: "the node that answered, and the revision that it had applied then",
    },
    Lesson {
        code: "watch",
        promise: "Watches tell what happened: all of it, once, in order, atomically, and nothing else.",
        source: "etcd API guarantees (Watch APIs)",
        look: "the stream in the trace (`find --where 'kind=watch'`), its restarts, and compactions \
            meanwhile",
    },
    Lesson {
        code: "mirror",
        promise: "A list followed by a watch from the next revision is what is there, at every revision.",
        source: "Kubernetes' reflector; etcd API guarantees",
        look: "the list, then the first event after which the mirror differs; the sentence names both",
    },
    Lesson {
        code: "lease",
        promise: "A lease keeps its keys as long as was granted, and takes them all with it when it \
            ends.",
        source: "etcd API guarantees (Lease APIs)",
        look: "`lease` events, the last renewal, who led then, and steps and drifts of its clock",
    },
    Lesson {
        code: "lock",
        promise: "A lock has one holder at a time in the order of revisions; two may believe at once \
            only if the lease of the first may have ended.",
        source: "etcd's concurrency recipes; Kleppmann on fencing, 2016",
        look: "the keys of both holders, and when the lease of the first ended",
    },
    Lesson {
        code: "auth",
        promise: "No operation succeeds without permission, none that is permitted is refused for want of it, and no \
            token is given for a wrong password.",
        source: "etcd's authentication guide, and `server/auth/store.go`: permissions are checked when an entry is applied",
        look: "the last change of that user and of its roles before the operation, and the revision of the token",
    },
    Lesson {
        code: "hash",
        promise: "Two members that tell the hash of one revision, after one compaction, tell the same one, and it is \
            the hash of what clients wrote.",
        source: "etcd, `server/storage/mvcc/hash.go`, and the comparison of members in its robustness tests",
        look: "the members that told the two hashes, and what each did since they agreed last: a snapshot, a \
            compaction, a defragmentation",
    },
    Lesson {
        code: "space",
        promise: "While NOSPACE is raised nothing is added: no put succeeds, and no lease is granted.",
        source: "etcd, `server/etcdserver/apply/capped.go`",
        look: "who raised the alarm, and whether the member that answered had applied it",
    },
    Lesson {
        code: "members",
        promise: "Members are told as clients added, moved, promoted and removed them, no two with one peer URL, and \
            no change is refused for a reason that does not hold.",
        source: "etcd, `server/etcdserver/api/membership/cluster.go`, and the checks in `server/etcdserver/server.go`",
        look: "the last change of that member before the answer, and the `members` events around it",
    },
    Lesson {
        code: "promotion",
        promise: "A learner gets a vote only once it holds nine tenths of what the leader holds.",
        source: "etcd, `server/etcdserver/server.go`, `isLearnerReady`",
        look: "the `members` event of the promotion, and how far the learner's log had come by then",
    },
    Lesson {
        code: "stalled-leader",
        promise: "A leader whose log cannot be written for longer than an election timeout gives way.",
        source: "etcd #15247, tikv #6224",
        look: "the last `submit` of the leader without a `disk-done`, and who could have led instead",
    },
    Lesson {
        code: "corruption",
        promise: "Nobody is called corrupt while all members hold the same: the alarm takes the cluster out of service.",
        source: "etcd, `server/etcdserver/corrupt.go`: hashes are compared where revision and compaction are the same",
        look: "what each member had applied and compacted when the hashes were asked for",
    },
    Lesson {
        code: "lease-clocks",
        promise: "A leader knows the time of every lease, and gives one that it finds no more than was left of it, and an \
            election timeout.",
        source: "etcd #10686, #13491, #13508: `server/lease/lessor.go`, Promote and Checkpoint",
        look: "when the leader came into office, and the last checkpoint of that lease before",
    },
    Lesson {
        code: "lease-reads",
        promise: "While a leader may read by its lease nobody else is elected.",
        source: "Raft dissertation 6.4.1; openraft #1749 and tikv #4688 on transfers",
        look: "the vote that elected the other leader, and when that voter had heard from the first one last",
    },
    Lesson {
        code: "bystanders",
        promise: "The keys that a cluster begins with, by a backup from elsewhere, stay as they are while nobody touches them.",
        source: "the backup that the plan names",
        look: "the first snapshot or compaction after which a member lacks the key; the same plan without \
            the faults tells whether the backup was read right at all",
    },
    Lesson {
        code: "worker-died",
        promise: "A seed does not end the process that plays it.",
        source: "the program itself",
        look: "what the process said last; `run SCENARIO --seed SEED` plays it in the foreground",
    },
    Lesson {
        code: "worker-stuck",
        promise: "A seed ends in a time that is about that of the others.",
        source: "the program itself",
        look: "whether it ends at all: `run SCENARIO --seed SEED --log debug`, then `--until` halves \
            the search",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use whitewater_record::trace::INVARIANTS;

    #[test]
    fn every_invariant_is_explained_once() {
        let codes: BTreeSet<&str> = ALL.iter().map(|lesson| lesson.code).collect();
        assert_eq!(codes.len(), ALL.len(), "a code is explained twice");
        for invariant in INVARIANTS {
            assert!(codes.contains(invariant), "{invariant} is not explained");
        }
        for Lesson { code, promise, source, look } in ALL {
            assert!(promise.ends_with('.') && !source.is_empty(), "{code}");
            assert!(!look.ends_with('.') && !look.contains("  "), "{code}: {look}");
        }
        assert_eq!(find("linearizability").map(|lesson| lesson.code), Some("linearizable"));
        assert_eq!(find("nonsense"), None);
    }
}
