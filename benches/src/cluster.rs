//! The smallest host: replicas whose network and disks take no time and never fail.
//!
//! What is measured with it is the replicas themselves. Nothing is ever read back from the disks, so they keep nothing.

use crate::limits;
use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{
    Caller, ClusterId, DiskImage, Error, Incarnation, Monotonic, NodeId, Process, Request,
    RequestId, Response, Tuning,
    release::Release,
    request::{CompactRequest, PutRequest},
};
use whitewater_mutation::Mutations;
use whitewater_replica::{Asked, Boot, Config, Input, Output, Replica, Role, Security};

const SECOND_NANOS: u64 = 1_000_000_000;

/// A cluster, its one client, and the time that all clocks show.
pub struct Cluster {
    /// By node, from 1.
    replicas: Vec<Replica>,
    now: Monotonic,
    inputs: VecDeque<(NodeId, Input)>,
    /// Taken from replica to replica, to spare the allocation.
    outputs: Vec<Output>,
    replies: Vec<Result<Response, Error>>,
    asked: u32,
    puts: u64,
}

impl Cluster {
    /// A cluster that has elected a leader.
    pub fn new(nodes: u64) -> Self {
        let members: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let mut cluster = Self {
            replicas: Vec::new(),
            now: Monotonic(0),
            inputs: VecDeque::new(),
            outputs: Vec::new(),
            replies: Vec::new(),
            asked: 0,
            puts: 0,
        };
        for node in &members {
            let config = Config {
                node: *node,
                cluster: ClusterId(1),
                peers: BTreeMap::new(),
                boot: Boot::Bootstrap { members: members.clone() },
                seed: 1,
                tuning: Tuning::default(),
                security: Security::default(),
                release: Release::Newest,
                mutations: Mutations::none(),
            };
            let (id, image) = (Incarnation(node.0), DiskImage::new());
            let replica = Replica::open(config, id, cluster.now, image, &mut cluster.outputs)
                .expect("an empty disk is no obstacle");
            cluster.replicas.push(replica);
            cluster.perform(*node);
        }
        cluster.settle();
        for _ in 0..limits::ELECTION_SECONDS_MAX {
            if cluster.leader().is_some() {
                return cluster;
            }
            cluster.idle(SECOND_NANOS);
        }
        panic!("no leader after {} s", limits::ELECTION_SECONDS_MAX);
    }

    /// Who leads.
    pub fn leader(&self) -> Option<NodeId> {
        self.replicas.iter().find(|r| r.status().role == Role::Leader).map(Replica::node)
    }

    /// Time passes, and nobody asks anything.
    pub fn idle(&mut self, nanos: u64) {
        let until = self.now.after(nanos);
        loop {
            let wakes = self.replicas.iter().map(|replica| (replica.next_wake(), replica.node()));
            let (wake, node) = wakes.min().expect("a cluster has replicas");
            if wake > until {
                break;
            }
            self.now = self.now.max(wake);
            self.inputs.push_back((node, Input::Tick));
            self.settle();
        }
        self.now = until;
    }

    /// The leader is asked for `count` puts at once; returns when every replica has applied them.
    pub fn put(&mut self, count: u64) {
        let leader = self.leader().expect("it was elected, and nothing takes it down");
        for _ in 0..count {
            self.puts += 1;
            let key = format!("k{}", self.puts % 8);
            let put = PutRequest::new(key, format!("v{}", self.puts));
            self.ask(leader, Request::Put(put));
        }
        self.settle();
        self.check_replies(count);
        if self.puts % limits::PUTS_BETWEEN_COMPACTIONS < count {
            let revision = self.replicas[0].status().revision;
            self.ask(leader, Request::Compact(CompactRequest { revision, physical: false }));
            self.settle();
            self.check_replies(1);
        }
    }

    fn ask(&mut self, node: NodeId, request: Request) {
        let id = RequestId { process: Process(1), sequence: self.asked };
        self.asked += 1;
        let asked = Asked { id, caller: Caller::Nobody, request: Box::new(request) };
        self.inputs.push_back((node, Input::Requests(vec![asked])));
    }

    /// Everything was answered with yes, and is everywhere.
    fn check_replies(&mut self, count: u64) {
        assert_eq!(self.replies.len() as u64, count, "not all were answered");
        for reply in self.replies.drain(..) {
            reply.expect("nothing stands in the way of a put");
        }
        let applied = self.replicas[0].status().applied;
        for replica in &self.replicas {
            assert_eq!(replica.status().applied, applied, "{} is behind", replica.node());
        }
    }

    /// Hands out inputs until there are none.
    fn settle(&mut self) {
        for _ in 0..limits::INPUTS_MAX {
            let Some((node, input)) = self.inputs.pop_front() else { return };
            let place = place(node);
            self.replicas[place].step(self.now, input, &mut self.outputs);
            self.perform(node);
        }
        panic!("no rest after {} inputs", limits::INPUTS_MAX);
    }

    fn perform(&mut self, node: NodeId) {
        for output in self.outputs.drain(..) {
            match output {
                Output::Send(envelope) => {
                    self.inputs.push_back((envelope.to, Input::Message(envelope)));
                }
                Output::Disk { write, ops } => {
                    drop(ops);
                    self.inputs.push_back((node, Input::DiskDone { write, result: Ok(()) }));
                }
                Output::Password { id, work } => {
                    let done = work.run();
                    self.inputs.push_back((node, Input::PasswordDone { id, done }));
                }
                Output::Reply { id: _, result } => {
                    self.replies.push(result.map(|response| *response));
                }
                Output::Watch { .. } | Output::StreamEnded { .. } | Output::Event(_) => {}
                Output::Stop(reason) => panic!("{node} stopped: {reason:?}"),
            }
        }
    }
}

fn place(node: NodeId) -> usize {
    usize::try_from(node.0).expect("ids are small") - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_are_applied_everywhere_and_compacted_now_and_then() {
        let mut cluster = Cluster::new(3);
        for _ in 0..40 {
            cluster.put(64);
        }
        cluster.idle(10 * SECOND_NANOS);
        assert!(cluster.leader().is_some());
        assert!(cluster.replies.is_empty());
    }
}
