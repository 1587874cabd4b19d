//! Random exchanges: everything goes wrong for a while, then nothing does, and what was acknowledged must be there.
//!
//! A quick net under the scripts, not a judge: the simulator asks harder, and checks histories.

use crate::harness::{cluster::Cluster, disk::Mode};
use std::panic::catch_unwind;
use whitewater_api::{
    Body, KeyRange, LeaseId, LeaseRequest, LeaseResponse, MemberChange, NodeId, Request, RequestId,
    Tuning,
    release::Release,
    request::{PutRequest, RangeRequest},
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_replica::{Boot, Phase, Role};

const STEPS: usize = 600;

/// The first node that is not there from the beginning.
const JOINED: u64 = 10;

/// A generator of its own, so that a seed means the same for ever.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

struct Storm {
    cluster: Cluster,
    dice: Dice,
    /// As which release a process comes back.
    releases: Dice,
    puts: Vec<(RequestId, String)>,
    joined: u64,
    weather: Weather,
    /// Whose disk is damaged and not repaired.
    damaged: Option<NodeId>,
    repaired: u64,
}

/// What goes wrong beside processes, disks and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Members come and go.
    Churn,
    /// One disk at a time rots, in a cluster that can bear it.
    Rot,
}

impl Storm {
    fn new(seed: u64, mutations: Mutations, weather: Weather) -> Self {
        let mut dice = Dice(seed);
        let tuning = Tuning {
            segment_bytes: 1024,
            snapshot_log_bytes: 400 + dice.below(1000),
            catch_up_entries: dice.below(4),
            snapshot_part_bytes: 100 + dice.below(400),
            snapshot_parts_inflight_max: 1 + dice.below(3),
            message_bytes_max: [1, 200, 65536][usize::try_from(dice.below(3)).unwrap()],
            inflight_messages_max: 1 + dice.below(4),
            pre_vote: dice.below(4) > 0,
            lease_reads: dice.below(2) > 0,
            lease_checkpoint_ms: [0, 500, 300_000][usize::try_from(seed % 3).unwrap()],
            ..Tuning::default()
        };
        let mut cluster = Cluster::new(tuning, mutations, seed);
        let spare = match weather {
            Weather::Churn => dice.below(3),
            Weather::Rot => 1 + dice.below(2),
        };
        let members: Vec<NodeId> = (1..=1 + 2 * spare).map(NodeId).collect();
        for node in &members {
            cluster.add(*node, Boot::Bootstrap { members: members.clone() });
        }
        let puts = Vec::new();
        let releases = Dice(!seed);
        Self { cluster, dice, releases, puts, joined: 0, weather, damaged: None, repaired: 0 }
    }

    fn node(&mut self) -> NodeId {
        let nodes: Vec<NodeId> = self.cluster.nodes.keys().copied().collect();
        nodes[usize::try_from(self.dice.below(nodes.len() as u64)).unwrap()]
    }

    fn step(&mut self) {
        let node = self.node();
        match self.dice.below(100) {
            0..45 => self.handle_message(),
            45..65 => self.cluster.tick(node),
            65..67 => {
                self.cluster
                    .nodes
                    .keys()
                    .copied()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|node| self.cluster.tick(node));
            }
            67..75 => self.put(node),
            75..77 => self.ask_of_lease(node),
            77..82 => {
                let range = RangeRequest::new(KeyRange::single("k1"));
                self.ask(node, Request::Range(range));
            }
            82..84 => {
                let power = self.dice.below(2) == 0;
                self.cluster.crash(node, power);
            }
            84..88 => self.restart(node),
            88..91 => self.set_disk(node),
            91..93 => {
                let other = self.node();
                self.cluster.cuts.insert((node, other));
            }
            93..96 => self.cluster.cuts.clear(),
            96 if self.weather == Weather::Churn => self.change_members(node),
            96 => self.damage(node),
            97 => {
                let to = self.node();
                self.ask(node, Request::MoveLeader(to));
            }
            _ => self.cluster.stabilize(),
        }
        self.cluster.forget_lines();
        if let Some(node) = self.damaged
            && self.has_its_vote_back(node)
        {
            self.damaged = None;
            self.repaired += 1;
        }
    }

    fn has_its_vote_back(&self, node: NodeId) -> bool {
        let is_active =
            self.cluster.status(node).is_some_and(|status| status.phase == Phase::Active);
        is_active && self.cluster.voters.contains(&node)
    }

    /// A byte of a file changes while the machine is off.
    fn damage(&mut self, node: NodeId) {
        let others = self.cluster.nodes.keys().filter(|other| **other != node);
        let is_known = |other: &NodeId| {
            self.cluster.status(*other).is_some_and(|status| status.phase == Phase::Active)
        };
        // Who is not known yet needs the word of those who are damaged: that would be two losses.
        if self.damaged.is_some() || !others.into_iter().all(is_known) {
            return;
        }
        self.cluster.crash(node, true);
        let image = self.cluster.nodes[&node].disk.image();
        let files: Vec<_> = image.iter().filter(|(name, _)| name.0.contains('-')).collect();
        if files.is_empty() {
            return;
        }
        let (file, bytes) = files[usize::try_from(self.dice.below(files.len() as u64)).unwrap()];
        let at = usize::try_from(self.dice.below(bytes.len().max(1) as u64)).unwrap();
        if !bytes.is_empty() && self.cluster.damage(node, file, at) {
            self.damaged = Some(node);
        }
    }

    fn handle_message(&mut self) {
        let waiting = self.cluster.network.len() as u64;
        if waiting == 0 {
            return;
        }
        let place = usize::try_from(self.dice.below(waiting.min(4))).unwrap();
        let Some(envelope) = self.cluster.network.remove(place) else { return };
        match self.dice.below(20) {
            0 => {}
            1 => {
                self.cluster.network.push_back(envelope.clone());
                self.cluster.deliver(envelope);
            }
            _ => self.cluster.deliver(envelope),
        }
    }

    fn ask(&mut self, node: NodeId, request: Request) -> Option<RequestId> {
        let is_up = self.cluster.status(node).is_some();
        is_up.then(|| self.cluster.ask(node, 1, request))
    }

    fn put(&mut self, node: NodeId) {
        let value = format!("v{}", self.puts.len());
        let key = format!("k{}", self.puts.len());
        let put = Request::Put(PutRequest::new(key.as_str(), value));
        if let Some(id) = self.ask(node, put) {
            self.puts.push((id, key));
        }
    }

    /// Few leases, so that they meet. None of their keys is one that was acknowledged and must stay.
    fn ask_of_lease(&mut self, node: NodeId) {
        let lease = LeaseId(1 + self.dice.below(3).cast_signed());
        let request = match self.dice.below(8) {
            0..2 => LeaseRequest::Grant { lease, ttl: 2 + self.dice.below(3).cast_signed() },
            2 => LeaseRequest::Revoke(lease),
            3..5 => LeaseRequest::KeepAlive(lease),
            5 => LeaseRequest::TimeToLive { lease, keys: true },
            6 => LeaseRequest::List,
            _ => {
                let put = PutRequest { lease, ..PutRequest::new(format!("l{}", lease.0), "v") };
                self.ask(node, Request::Put(put));
                return;
            }
        };
        self.ask(node, Request::Lease(request));
    }

    fn restart(&mut self, node: NodeId) {
        if self.cluster.status(node).is_none() {
            self.cluster.crash(node, false);
            let releases = [Release::Previous, Release::Compatible, Release::Newest];
            let release = releases[usize::try_from(self.releases.below(3)).unwrap()];
            self.cluster.nodes.get_mut(&node).unwrap().release = release;
            self.cluster.start(node);
            if release == Release::Previous && self.cluster.status(node).is_none() {
                // It cannot read what a newer one wrote, and says so.
                self.cluster.nodes.get_mut(&node).unwrap().release = Release::Compatible;
                self.cluster.start(node);
            }
            assert!(self.cluster.status(node).is_some(), "{node} does not start");
        }
    }

    fn set_disk(&mut self, node: NodeId) {
        let choice = self.dice.below(8);
        let disk = &mut self.cluster.nodes.get_mut(&node).unwrap().disk;
        match (choice, disk.mode) {
            (0..4, Mode::Works) => disk.mode = Mode::Stalls,
            (4, Mode::Works) => disk.mode = Mode::Full,
            (5, Mode::Works) => disk.mode = Mode::Fails,
            (0..3, _) if !disk.queue.is_empty() => self.cluster.work_disk_once(node),
            _ => self.mend_disk(node),
        }
    }

    fn mend_disk(&mut self, node: NodeId) {
        self.cluster.nodes.get_mut(&node).unwrap().disk.mode = Mode::Works;
        while !self.cluster.nodes[&node].disk.queue.is_empty() {
            self.cluster.work_disk_once(node);
        }
    }

    fn change_members(&mut self, node: NodeId) {
        let (old, new) = (self.node(), NodeId(JOINED + self.joined));
        let change = match self.dice.below(5) {
            0 => MemberChange::Add(new),
            1 => MemberChange::AddLearner(new),
            2 => MemberChange::Promote(old),
            3 => MemberChange::Remove(old),
            _ => MemberChange::Replace { old, new },
        };
        let brings = matches!(
            change,
            MemberChange::Add(_) | MemberChange::AddLearner(_) | MemberChange::Replace { .. }
        );
        if brings {
            // A member that never comes would only make the cluster wait for it.
            if self.joined == 3 {
                return;
            }
            self.joined += 1;
            let members = self.cluster.nodes.keys().copied().collect();
            self.cluster.add(new, Boot::Join { members });
        }
        self.ask(node, Request::Member(change));
    }

    /// Everything works again; whoever leads has all that was acknowledged.
    fn calm(&mut self) {
        self.cluster.cuts.clear();
        let nodes: Vec<NodeId> = self.cluster.nodes.keys().copied().collect();
        for node in nodes {
            self.restart(node);
            self.mend_disk(node);
        }
        for _ in 0..20 {
            self.cluster.run(10);
            self.cluster.forget_lines();
        }
        let leader = self.leader();
        if let Some(node) = self.damaged.filter(|node| !self.has_its_vote_back(*node)) {
            panic!("{node} is not repaired: {:?}", self.cluster.status(node));
        }
        self.repaired += u64::from(self.damaged.is_some());
        self.check_followers(leader);
        self.check_leases(leader);
        for (id, key) in std::mem::take(&mut self.puts) {
            if !matches!(self.cluster.replies.get(&id), Some(Ok(_))) {
                continue;
            }
            let range = RangeRequest::new(KeyRange::single(key.as_str()));
            let read = self.cluster.ask(leader, 2, Request::Range(range));
            self.cluster.stabilize();
            let found = match self.cluster.replies.get(&read) {
                Some(Ok(response)) => {
                    matches!(&response.body, Body::Range(range) if range.count == 1)
                }
                _ => panic!("no answer to the read of {key}: {:?}", self.cluster.status(leader)),
            };
            assert!(found, "{id} put {key} was acknowledged and is lost");
            self.cluster.forget_lines();
        }
    }

    /// Nobody kept a lease alive for longer than any of them may last.
    fn check_leases(&mut self, leader: NodeId) {
        let list = self.cluster.ask(leader, 3, Request::Lease(LeaseRequest::List));
        let range = RangeRequest::new(KeyRange::prefix("l"));
        let keys = self.cluster.ask(leader, 3, Request::Range(range));
        self.cluster.stabilize();
        let body = |id| match self.cluster.replies.get(&id) {
            Some(Ok(response)) => response.body.clone(),
            other => panic!("no answer by {leader}: {other:?}"),
        };
        assert_eq!(
            body(list),
            Body::Lease(LeaseResponse::List(Vec::new())),
            "leases last for ever"
        );
        let Body::Range(found) = body(keys) else { panic!("a range is answered by a range") };
        assert_eq!(found.count, 0, "keys outlived their leases: {:?}", found.kvs);
    }

    fn check_followers(&self, leader: NodeId) {
        let leads = self.cluster.status(leader).unwrap();
        assert_eq!(leads.pending, 0, "requests wait for ever: {leads:?}");
        assert!(!leads.is_joint, "a joint configuration is never left: {leads:?}");
        for node in self.cluster.nodes.keys() {
            let status = self.cluster.status(*node).unwrap();
            let (changed, members) = &self.cluster.members;
            if changed.0 == 0 && node.0 < JOINED || members.contains(node) {
                let (found, expected) =
                    ((status.applied, status.chain), (leads.applied, leads.chain));
                assert_eq!(found, expected, "{node} does not follow: {status:?}");
            }
        }
    }

    fn leader(&self) -> NodeId {
        let statuses =
            || self.cluster.nodes.keys().map(|node| (*node, self.cluster.status(*node).unwrap()));
        let leader = statuses()
            .filter(|(_, status)| status.role == Role::Leader)
            .max_by_key(|(_, status)| status.term);
        let Some((leader, _)) = leader else {
            panic!("nobody leads: {:#?}", statuses().collect::<Vec<_>>())
        };
        leader
    }
}

fn play(seed: u64, mutations: Mutations) {
    play_in(Weather::Churn, seed, mutations);
}

/// How often a damaged disk was repaired.
fn play_in(weather: Weather, seed: u64, mutations: Mutations) -> u64 {
    println!("seed {seed}");
    let mut storm = Storm::new(seed, mutations, weather);
    for _ in 0..STEPS {
        storm.step();
    }
    storm.calm();
    storm.repaired
}

#[test]
fn a_disk_that_rots_is_repaired_and_nothing_is_lost() {
    let repaired: u64 = (0..150).map(|seed| play_in(Weather::Rot, seed, Mutations::none())).sum();
    assert!(repaired > 50, "only {repaired} disks were repaired");
}

#[test]
fn a_storm_finds_damaged_members_that_forget() {
    let mutations = Mutations::none().with(Mutation::DamagedMemberForgets);
    let is_found =
        (0..150).any(|seed| catch_unwind(|| play_in(Weather::Rot, seed, mutations)).is_err());
    assert!(is_found);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_in_a_storm() {
    for seed in 0..200 {
        play(seed, Mutations::none());
    }
}

#[test]
fn a_storm_finds_leases_that_outlive_their_time_and_members_that_end_them_alone() {
    for mutation in [Mutation::LeaseNeverExpires, Mutation::LeaseExpiryOnFollower] {
        let is_found = (0..20)
            .any(|seed| catch_unwind(|| play(seed, Mutations::none().with(mutation))).is_err());
        assert!(is_found, "{}", mutation.name());
    }
}

/// The net itself has no holes that large.
#[test]
fn a_storm_finds_promises_that_the_disk_does_not_hold() {
    for mutation in [Mutation::ReplyBeforePersist, Mutation::VoteNotPersisted] {
        let is_found = (0..20)
            .any(|seed| catch_unwind(|| play(seed, Mutations::none().with(mutation))).is_err());
        assert!(is_found, "{}", mutation.name());
    }
}
