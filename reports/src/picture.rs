//! What the cluster looks like at an event: a fold over the rows of a trace.

use std::collections::{BTreeMap, BTreeSet};
use whitewater_record::{Row, RowKind, SimTime};

/// The cluster at one moment of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The event that was taken in last; [`None`] before the first.
    pub event: Option<u64>,
    /// Its time.
    pub at: SimTime,
    /// The nodes that have been seen, by id.
    pub nodes: BTreeMap<u64, NodePicture>,
    /// Faults that hold, by their number in the plan.
    pub faults: BTreeSet<u64>,
    /// Links that are cut, from and to, with the fault that cuts them.
    pub cuts: BTreeSet<(u64, u64, u64)>,
}

/// One node at one moment of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePicture {
    /// What its process does.
    pub life: Life,
    /// Its role in Raft, as a place in [`whitewater_record::trace::ROLES`].
    pub role: u64,
    /// Its term.
    pub term: u64,
    /// Whom it follows; 0 for nobody.
    pub leader: u64,
    /// Whom it voted for, and in which term.
    pub vote: Option<(u64, u64)>,
    /// The last index in its log.
    pub last: u64,
    /// The highest index that it knows to be committed.
    pub commit: u64,
    /// The highest index that it has applied.
    pub applied: u64,
    /// Batches that its disk has not finished.
    pub writing: BTreeSet<u64>,
    /// The index that its snapshot covers.
    pub snapshot: u64,
    /// Members as it has applied them: bit masks of voters, outgoing voters and learners.
    pub members: [u64; 3],
}

/// What a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// It runs.
    #[default]
    Up,
    /// It stands still.
    Paused,
    /// It has died, stopped, or will not start.
    Down,
}

impl Life {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Paused => "paused",
            Self::Down => "down",
        }
    }
}

impl Picture {
    /// Takes in the next event.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are for the node itself")]
    pub fn take(&mut self, row: &Row) {
        self.event = Some(self.event.map_or(0, |event| event + 1));
        self.at = row.at;
        if row.node == 0 {
            return self.take_world(row);
        }
        match row.kind {
            // These name the node where a client is, which may never have been started.
            RowKind::Invoke | RowKind::Complete | RowKind::Watch => {}
            RowKind::Boot => {
                let epoch_before = self.nodes.remove(&row.node).unwrap_or_default();
                let node = NodePicture {
                    term: row.fields[1],
                    applied: row.fields[2],
                    commit: row.fields[2],
                    last: epoch_before.last.max(row.fields[2]),
                    snapshot: epoch_before.snapshot,
                    members: epoch_before.members,
                    ..NodePicture::default()
                };
                self.nodes.insert(row.node, node);
            }
            _ => self.nodes.entry(row.node).or_default().take(row),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others change no picture")]
    fn take_world(&mut self, row: &Row) {
        let [fault, from, to, ..] = row.fields;
        match row.kind {
            RowKind::FaultOn => {
                self.faults.insert(fault);
            }
            RowKind::FaultOff => {
                self.faults.remove(&fault);
                self.cuts.retain(|cut| cut.2 != fault);
            }
            RowKind::Cut => {
                self.cuts.insert((from, to, fault));
            }
            RowKind::Join => self.cuts.retain(|cut| cut.2 != fault),
            RowKind::Heal => {
                self.faults.clear();
                self.cuts.clear();
            }
            _ => {}
        }
    }

    /// Groups of nodes that reach each other in both directions, by their lowest ids; one group if nothing is cut.
    #[must_use]
    pub fn sides(&self) -> Vec<Vec<u64>> {
        let is_cut = |a: u64, b: u64| {
            self.cuts.range((a, b, 0)..=(a, b, u64::MAX)).next().is_some()
                || self.cuts.range((b, a, 0)..=(b, a, u64::MAX)).next().is_some()
        };
        let mut sides: Vec<Vec<u64>> = Vec::new();
        for node in self.nodes.keys() {
            let home = sides.iter_mut().find(|side| side.iter().all(|it| !is_cut(*it, *node)));
            match home {
                Some(side) => side.push(*node),
                None => sides.push(vec![*node]),
            }
        }
        sides
    }
}

impl NodePicture {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others change no picture")]
    fn take(&mut self, row: &Row) {
        let [first, second, third, ..] = row.fields;
        match row.kind {
            RowKind::Role => (self.role, self.term, self.leader) = (first, second, third),
            RowKind::Vote => self.vote = Some((second, first)),
            RowKind::Append => self.last = second,
            RowKind::Commit => self.commit = first,
            RowKind::Apply => self.applied = first,
            RowKind::Snapshot => {
                self.snapshot = first;
                if third == 1 {
                    (self.applied, self.commit) = (first, self.commit.max(first));
                    self.last = self.last.max(first);
                }
            }
            RowKind::Members => self.members = [second, third, row.fields[3]],
            RowKind::Submit => {
                self.writing.insert(first);
            }
            RowKind::DiskDone => {
                self.writing.remove(&first);
            }
            RowKind::Crash | RowKind::Stop | RowKind::Refuse => {
                self.life = Life::Down;
                self.writing.clear();
                (self.role, self.leader) = (0, 0);
            }
            RowKind::Pause => self.life = Life::Paused,
            RowKind::Resume => self.life = Life::Up,
            _ => {}
        }
    }
}
