//! The classes of failures, and for each check the promise that it watches over.

use whitewater_record::Violation;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Something that holds in Raft at every moment did not.
    Invariant,
    /// What clients saw has no order.
    Linearizability,
    /// A watch told too much, too little, or wrongly.
    Watch,
    /// A lease or a lock ended too early, too late, or was held twice.
    Lease,
    /// Somebody did what he may not, or was refused what he may.
    Auth,
    /// The cluster did not recover.
    Liveness,
    /// The program stopped itself.
    Panic,
    /// The same plan gave two runs.
    Nondeterminism,
    /// It could not be decided.
    Inconclusive,
}

/// What a check watches over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The class of failures.
    pub class: Class,
    /// What it means that it is broken, in a few words.
    pub broken: &'static str,
    /// What was promised.
    pub statement: &'static str,
    /// Where it is promised.
    pub source: &'static str,
}

impl Class {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invariant => "invariant",
            Self::Linearizability => "linearizability",
            Self::Watch => "watch",
            Self::Lease => "lease",
            Self::Auth => "auth",
            Self::Liveness => "liveness",
            Self::Panic => "panic",
            Self::Nondeterminism => "nondeterminism",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Of a run that passed.
pub(super) const UNBROKEN: Promise =
    Promise { class: Class::Inconclusive, broken: "no check objects", statement: "", source: "" };

/// Of a run without any violation that was not decided.
pub(super) const UNDECIDED: Promise = Promise {
    class: Class::Inconclusive,
    broken: "this run could not be decided",
    statement: "A run that could not be decided is never a pass, and not a failure.",
    source: "",
};

use Class::{Auth, Invariant, Lease, Linearizability, Liveness, Nondeterminism, Panic, Watch};

/// Check, class, what it means that it is broken, what was promised, where.
type Row = (&'static str, Class, &'static str, &'static str, &'static str);

const PROMISES: [Row; 43] = [
    (
        "election-safety",
        Invariant,
        "two leaders in one term",
        "At most one leader in a term.",
        "Raft, figure 3",
    ),
    (
        "vote-once",
        Invariant,
        "a node voted twice in one term",
        "A node votes at most once in a term, over all lives of its process and disk.",
        "Raft 5.2",
    ),
    (
        "monotone",
        Invariant,
        "something went back that only goes forward",
        "Terms, commit indexes and applied indexes never go back.",
        "Raft, figure 2",
    ),
    (
        "leader-append-only",
        Invariant,
        "a leader rewrote its own log",
        "A leader never overwrites or deletes entries in its log; it only appends.",
        "Raft, figure 3",
    ),
    (
        "log-matching",
        Invariant,
        "two logs agree at an entry and differ before it",
        "Logs that hold an entry with the same index and term are equal up to it.",
        "Raft, figure 3",
    ),
    (
        "leader-completeness",
        Invariant,
        "a leader lacks a committed entry",
        "An entry that is committed in a term is in the logs of the leaders of all higher terms.",
        "Raft, figure 3 and 5.4",
    ),
    (
        "commit-quorum",
        Invariant,
        "an entry was committed that no majority has on disk",
        "A leader commits what a majority has on disk, and in a joint configuration a majority of each half.",
        "Raft 5.3, 5.4.2 and 6",
    ),
    (
        "state-machine-safety",
        Invariant,
        "two nodes applied different entries at one index",
        "No two nodes apply different entries at the same index.",
        "Raft, figure 3",
    ),
    (
        "promise",
        Invariant,
        "a promise left a node before its disk held it",
        "No vote, candidacy or acknowledgement leaves a node before its disk holds what it promises.",
        "Raft, figure 2",
    ),
    (
        "boot-promise",
        Invariant,
        "a node forgot what it had promised",
        "What a node promised it still holds after a restart, unless a leader of a higher term took it back.",
        "Raft, figure 2",
    ),
    (
        "apply-order",
        Invariant,
        "entries were applied out of order",
        "Entries are applied one by one, in the order of the log.",
        "Raft 5.3",
    ),
    (
        "membership",
        Invariant,
        "nodes disagree about the members",
        "All nodes that applied a change of the members know the same members.",
        "Raft 6",
    ),
    (
        "snapshot-content",
        Invariant,
        "a snapshot differs from what applying its entries gives",
        "A snapshot holds what applying its entries gives.",
        "Raft 7",
    ),
    (
        "read-freshness",
        Linearizability,
        "a read missed what had been acknowledged",
        "A linearizable read sees everything that anybody had been told of before it was asked.",
        "Raft dissertation 6.4",
    ),
    (
        "replica-hash",
        Invariant,
        "replicas that applied the same differ",
        "Replicas that have applied the same entries hold the same.",
        "Raft 2",
    ),
    (
        "recovery",
        Invariant,
        "a node recovered something else than its disk holds",
        "A node recovers exactly what its disk holds, and starts whenever its disk is sound.",
        "Raft, figure 2",
    ),
    (
        "compaction",
        Invariant,
        "a log was cut off that nothing replaces",
        "Entries are dropped only when a durable snapshot covers them.",
        "Raft 7",
    ),
    (
        "panic",
        Panic,
        "the program stopped itself",
        "No input, and nothing that befalls a machine, makes the program stop with a panic.",
        "",
    ),
    (
        "liveness",
        Liveness,
        "the cluster did not recover",
        "After all faults have ended the cluster elects a leader, serves, and converges, within a bound.",
        "",
    ),
    (
        "worker-died",
        Panic,
        "the process that ran it died",
        "No input, and nothing that befalls a machine, ends the process.",
        "",
    ),
    ("worker-stuck", Panic, "the run did not end", "A run ends.", ""),
    (
        "linearizable",
        Linearizability,
        "what clients saw fits no order of the operations",
        "Every operation takes effect at one moment between its invocation and its answer.",
        "Herlihy and Wing 1990; etcd, KV guarantees",
    ),
    (
        "revision-order",
        Linearizability,
        "an answer does not fit the order of revisions",
        "Revisions order all writes, in real time, and every answer fits the state at its revision.",
        "etcd, KV guarantees",
    ),
    (
        "agreement",
        Linearizability,
        "the two judges of linearizability disagree",
        "Two judges that share no code say the same of every history.",
        "",
    ),
    (
        "durability",
        Linearizability,
        "an acknowledged write was lost",
        "What was acknowledged stays.",
        "etcd, KV guarantees",
    ),
    (
        "serializable",
        Linearizability,
        "a serializable read shows a state that never was",
        "A serializable read shows a state that was, though it may be an old one.",
        "etcd, KV guarantees",
    ),
    (
        "watch",
        Watch,
        "a watch did not tell the truth",
        "A watch tells of every change, once, whole, in order, and only when it says so is all told.",
        "etcd, watch guarantees",
    ),
    (
        "mirror",
        Watch,
        "a copy kept by list and watch differs from the store",
        "A copy kept by list and then watch equals the store at the revision that it has come to.",
        "etcd, watch guarantees",
    ),
    (
        "lease",
        Lease,
        "a lease did not live as long as was promised",
        "A lease lives at least as long as was promised, and its keys go with it.",
        "etcd, lease guarantees",
    ),
    (
        "lock",
        Lease,
        "two clients held one lock",
        "At most one client holds a lock, within the bounds of its lease; fenced writes hold strictly.",
        "etcd, concurrency recipes",
    ),
    (
        "auth",
        Auth,
        "somebody did what he may not, or was refused what he may",
        "An operation succeeds only with permission, and is refused for want of it only without.",
        "etcd, authentication guide",
    ),
    (
        "hash",
        Invariant,
        "two members hold different stores",
        "The hash over revisions is a function of the revision and of what was compacted, whoever is asked.",
        "etcd, HashKV",
    ),
    (
        "space",
        Invariant,
        "something was added though there is no space",
        "While NOSPACE is raised no put succeeds, and no lease is granted.",
        "etcd, alarms",
    ),
    (
        "members",
        Invariant,
        "the members are not whom somebody made members",
        "Members are told as they were added, moved and promoted; no two have one peer URL; and no change is refused for a \
         reason that does not hold.",
        "etcd, cluster membership",
    ),
    (
        "promotion",
        Invariant,
        "a learner that is far behind was given a vote",
        "A learner votes only once it holds nine tenths of what the leader holds.",
        "etcd, learners",
    ),
    (
        "stalled-leader",
        Invariant,
        "a leader that could not write went on leading",
        "A leader whose log cannot be written for longer than an election gives way.",
        "etcd #15247, tikv #6224",
    ),
    (
        "lease-clocks",
        Invariant,
        "a leader gives a lease the wrong time",
        "A leader knows the time of every lease; one that it finds has what was left, and an election timeout.",
        "etcd #10686, #13508",
    ),
    (
        "lease-reads",
        Invariant,
        "a leader read by its lease when another was elected",
        "While a leader may read by its lease nobody else is elected.",
        "Raft dissertation 6.4.1",
    ),
    (
        "bystanders",
        Invariant,
        "a key that nobody touched is not what it was",
        "The keys that a cluster begins with, by a backup from elsewhere, stay as they are while nobody touches them.",
        "etcd, the guarantees of a backup",
    ),
    (
        "corruption",
        Invariant,
        "a member is called corrupt, and all hold the same",
        "The alarm CORRUPT is raised only where members differ.",
        "etcd, corruption check",
    ),
    (
        "nondeterminism",
        Nondeterminism,
        "the same plan gave two different runs",
        "A run is a function of the commit and its plan.",
        "",
    ),
    (
        "assumptions",
        Linearizability,
        "the record itself is unsound",
        "Each answer belongs to a question, and comes after it.",
        "",
    ),
    ("undecided", Class::Inconclusive, UNDECIDED.broken, UNDECIDED.statement, ""),
];

/// What a check watches over, by the code in outcomes.
#[must_use]
pub fn promise(code: &str) -> Promise {
    let row = PROMISES.iter().find(|(name, ..)| *name == code);
    let (_, class, broken, statement, source) =
        *row.unwrap_or(&("", Invariant, "a promise was broken", "", ""));
    Promise { class, broken, statement, source }
}

/// The same; a judge of histories shares a name with a check inside the run.
pub(super) fn of_violation(violation: &Violation) -> Promise {
    if violation.code == "monotone" && violation.event.is_none() {
        return Promise {
            class: Linearizability,
            broken: "a client saw the store go back",
            statement: "Revisions that one client sees never go back.",
            source: "etcd, KV guarantees",
        };
    }
    promise(&violation.code)
}

/// A sentence without the forms of the program's own debugging.
pub(super) fn plain_words(sentence: &str) -> String {
    let mut text = sentence.to_owned();
    for (from, to) in [
        ("vote None", "no vote"),
        ("vote Some(", "a vote for ("),
        ("ReadAll { ask: NodeId(", "a read of everything at (n"),
        ("Read { node: NodeId(", "a read at (n"),
        ("Write { node: NodeId(", "a write for (n"),
        ("), ask: NodeId(", "), asked of (n"),
        (") }", ")"),
    ] {
        text = text.replace(from, to);
    }
    text
}

/// The first part of a sentence, and what follows it, which is detail: a list of who is where, or the lines after the first.
pub(super) fn halves(sentence: &str) -> (&str, &str) {
    let place = sentence.find('\n').or_else(|| sentence.find("; n"));
    let (first, rest) = place.map_or((sentence, ""), |place| sentence.split_at(place));
    (first, rest.trim_start_matches([';', ' ', '\n']))
}
