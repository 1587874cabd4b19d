//! What the clients do about the members.

use crate::{dist::Numbers, error::Complaint, scenario::within, weights::Weights};
use serde::Deserialize;
use whitewater_api::{ClusterRequest, NodeId};
use whitewater_record::{Seed, Stream};

/// Steps about members take the place of other ones, and are drawn from streams of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// How many of a hundred operations are about members. Drawn once a run.
    pub percent: Numbers,
    /// How many ids there are to add. Nobody else adds one of them.
    pub newcomers: Numbers,
}

#[derive(Clone, Copy)]
enum Kind {
    List,
    StaleList,
    AddLearner,
    Add,
    Promote,
    Update,
    Remove,
}

const WEIGHTS: [(Kind, u32); 7] = [
    (Kind::List, 25),
    (Kind::StaleList, 5),
    (Kind::AddLearner, 20),
    (Kind::Add, 8),
    (Kind::Promote, 22),
    (Kind::Update, 12),
    (Kind::Remove, 8),
];

impl Operators {
    pub(crate) fn check(&self) -> Result<(), Complaint> {
        within("workload.operators.percent", &self.percent, 0, 100)?;
        within("workload.operators.newcomers", &self.newcomers, 1, 9)
    }

    /// What a client does about members; nothing if nobody does anything in this run. `taken` is the highest id that the
    /// members of the start and the newcomers of faults have.
    pub(crate) fn operator(&self, seed: Seed, client: u64, taken: u64) -> Option<Operator> {
        let mut size = seed.stream("plan/operators", 0);
        let share = self.percent.0.flat(&mut size);
        let newcomers = self.newcomers.0.flat(&mut size);
        let stream = seed.stream("plan/operators", client);
        let share = u32::try_from(share).expect("at most a hundred") * 10_000;
        (share > 0).then_some(Operator { stream, share, taken, newcomers })
    }
}

/// What one client does about members.
pub(crate) struct Operator {
    stream: Stream,
    /// Of its operations, in a million.
    share: u32,
    taken: u64,
    newcomers: u64,
}

impl Operator {
    /// What the next operation is instead, if it is about members.
    pub(crate) fn step(&mut self) -> Option<ClusterRequest> {
        if !self.stream.chance(self.share) {
            return None;
        }
        Some(match Weights::new(WEIGHTS).draw(&mut self.stream) {
            Kind::List => ClusterRequest::List { linearizable: true },
            Kind::StaleList => ClusterRequest::List { linearizable: false },
            Kind::AddLearner => self.add(true),
            Kind::Add => self.add(false),
            Kind::Promote => ClusterRequest::Promote(self.newcomer()),
            Kind::Update => {
                ClusterRequest::Update { member: self.anybody(), peer_urls: self.urls() }
            }
            Kind::Remove => ClusterRequest::Remove(self.leaver()),
        })
    }

    fn add(&mut self, is_learner: bool) -> ClusterRequest {
        ClusterRequest::Add { member: self.newcomer(), peer_urls: self.urls(), is_learner }
    }

    fn newcomer(&mut self) -> NodeId {
        NodeId(self.taken + self.stream.between(1, self.newcomers))
    }

    /// A newcomer two times in three, else one of the start.
    fn anybody(&mut self) -> NodeId {
        if self.stream.chance(666_666) {
            return self.newcomer();
        }
        NodeId(self.stream.between(1, self.taken))
    }

    /// Mostly a newcomer: ids never come back, and somebody has to stay.
    fn leaver(&mut self) -> NodeId {
        if self.stream.chance(30_000) {
            return NodeId(self.stream.between(1, self.taken));
        }
        self.newcomer()
    }

    /// One of few, so that two want the same.
    fn urls(&mut self) -> Vec<String> {
        let host = self.stream.between(1, 2 * (self.taken + self.newcomers));
        vec![format!("http://h{host}:2380")]
    }
}
