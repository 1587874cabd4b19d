//! What was checked, what broke, what was reached.

use std::collections::BTreeMap;
use whitewater_api::NodeId;
use whitewater_record::{Checked, SimTime, Violation};

macro_rules! codes {
    ($($variant:ident, $name:literal;)*) => {
        /// The on-line checks, each with an invariant file of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $($variant,)*
        }

        impl Code {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code in outcomes.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

codes! {
    ElectionSafety, "election-safety";
    VoteOnce, "vote-once";
    Monotone, "monotone";
    LeaderAppendOnly, "leader-append-only";
    LogMatching, "log-matching";
    LeaderCompleteness, "leader-completeness";
    CommitQuorum, "commit-quorum";
    StateMachineSafety, "state-machine-safety";
    Promise, "promise";
    BootPromise, "boot-promise";
    ApplyOrder, "apply-order";
    Membership, "membership";
    SnapshotContent, "snapshot-content";
    ReadFreshness, "read-freshness";
    ReplicaHash, "replica-hash";
    Recovery, "recovery";
    Compaction, "compaction";
    Panic, "panic";
    Liveness, "liveness";
    Promotion, "promotion";
    StalledLeader, "stalled-leader";
    Corruption, "corruption";
    LeaseClocks, "lease-clocks";
    LeaseReads, "lease-reads";
    Bystanders, "bystanders";
}

const CODES: usize = Code::ALL.len();

/// The tally of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    /// The moment, the number of the last trace row, and the node that events concern; kept up to date by the world.
    pub(crate) place: Place,
    checks: [Checked; CODES],
    violations: Vec<Violation>,
    /// How often each rare state was reached, and when first.
    sometimes: BTreeMap<&'static str, (u64, SimTime)>,
}

/// Where a check happens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) at: SimTime,
    pub(crate) event: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::default(),
            checks: [Checked::default(); CODES],
            violations: Vec::new(),
            sometimes: BTreeMap::new(),
        }
    }

    /// Counts one evaluation of a check; `wrong` says what is broken, if something is. A check discriminates where more
    /// than one answer was possible.
    pub(crate) fn check(
        &mut self,
        code: Code,
        node: Option<NodeId>,
        discriminates: bool,
        wrong: Option<String>,
    ) {
        let checked = &mut self.checks[code as usize];
        checked.evaluations += 1;
        checked.discriminating += u64::from(discriminates);
        if let Some(sentence) = wrong {
            self.violate(code, node, sentence);
        }
    }

    /// Notes a broken promise; the first one of each code is kept.
    pub(crate) fn violate(&mut self, code: Code, node: Option<NodeId>, sentence: String) {
        if self.is_broken(code) {
            return;
        }
        let Place { at, event } = self.place;
        let code = code.name().to_owned();
        self.violations.push(Violation { code, at, event: Some(event), node, sentence });
    }

    /// A rare state was reached.
    pub(crate) fn sometimes(&mut self, name: &'static str) {
        self.sometimes.entry(name).or_insert((0, self.place.at)).0 += 1;
    }

    /// Whether a promise was broken so far.
    pub(crate) fn is_broken(&self, code: Code) -> bool {
        self.violations.iter().any(|violation| violation.code == code.name())
    }

    /// How many promises were broken so far.
    pub(crate) const fn broken(&self) -> usize {
        self.violations.len()
    }

    /// Each code that broke, by its number in [`Code::ALL`], with the node, 0 for none, and the event.
    pub(crate) fn firsts(&self) -> Vec<(u64, u64, u64)> {
        let numbers = self.violations.iter().map(|violation| {
            let place = Code::ALL.iter().position(|code| code.name() == violation.code);
            let code = place.and_then(|place| u64::try_from(place).ok());
            let node = violation.node.map_or(0, |node| node.0);
            (code.expect("codes are few"), node, violation.event.unwrap_or_default())
        });
        numbers.collect()
    }

    /// When each rare state was first reached.
    pub(crate) fn reached(&self) -> BTreeMap<String, SimTime> {
        self.sometimes.iter().map(|(name, (_, first))| ((*name).to_owned(), *first)).collect()
    }

    /// What was checked, what broke, what was reached.
    pub(crate) fn finish(
        self,
    ) -> (BTreeMap<String, Checked>, Vec<Violation>, BTreeMap<String, u64>) {
        let names = Code::ALL.iter().map(|code| code.name().to_owned());
        let checks =
            names.zip(self.checks).filter(|(_, checked)| checked.evaluations > 0).collect();
        let sometimes =
            self.sometimes.into_iter().map(|(name, (n, _))| (name.to_owned(), n)).collect();
        (checks, self.violations, sometimes)
    }
}
