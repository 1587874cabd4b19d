//! Watches against clients that know the truth: random requests, streams, credit, compactions and snapshots.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "watches need a part of what the tests share")]
mod common;

mod client;

use client::{Client, Truth};
use common::{
    model::Model,
    requests::{self, Step},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use std::{collections::BTreeMap, panic};
use whitewater_api::{
    KeyRange, Monotonic, Request, Revision, StreamId, WatchId, WatchRequest,
    request::CompactRequest, watch::WatchCreate,
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_store::{Cursor, Restore, Store, WatchLimits, WatchOutput, Watches};

const STREAMS: u64 = 3;

fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..Config::default() }
}

#[derive(Clone, Debug)]
enum Act {
    /// The cluster applies a request, the member too if it is not cut off.
    Store(Step),
    /// The cluster compacts at so many revisions before the newest.
    Compact(u64),
    Create(u64, WatchCreate, Start),
    /// One of the stream's watches, or one that is not.
    Cancel(u64, usize),
    Progress(u64),
    Grant(u64, u64),
    Reopen(u64),
    Pump(u64),
    /// The member hears nothing of the cluster from now on.
    CutOff,
    /// The member hears of the cluster again, by a snapshot if it has missed something.
    Return,
}

/// Where a watch starts, relative to what the member has applied.
#[derive(Clone, Copy, Debug)]
enum Start {
    Latest,
    Past(u64),
    Compacted,
    Future(u64),
}

fn create() -> impl Strategy<Value = WatchCreate> {
    let key = || select(vec!["a", "ab", "b", "c", "d"]);
    let range = prop_oneof![
        3 => key().prop_map(KeyRange::single),
        3 => (key(), key()).prop_map(|(start, end)| KeyRange::span(start, end)),
        3 => key().prop_map(KeyRange::from_key),
        1 => key().prop_map(KeyRange::prefix),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let filters = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.2));
    let watch = prop_oneof![3 => Just(0), 1 => 1_i64..4];
    (range, flags, filters, watch).prop_map(
        |(range, (prev_kv, progress, fragment), filters, watch)| {
            let (no_put, no_delete) = filters;
            let watch = WatchId(watch);
            let create = WatchCreate::new(range);
            WatchCreate { watch, prev_kv, progress, fragment, no_put, no_delete, ..create }
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let stream = || 0..STREAMS;
    let start = prop_oneof![
        3 => Just(Start::Latest),
        4 => (0_u64..12).prop_map(Start::Past),
        1 => Just(Start::Compacted),
        1 => (1_u64..4).prop_map(Start::Future),
    ];
    prop_oneof![
        30 => requests::step().prop_map(Act::Store),
        2 => (0_u64..6).prop_map(Act::Compact),
        6 => (stream(), create(), start).prop_map(|(id, create, start)| Act::Create(id, create, start)),
        1 => (stream(), any::<usize>()).prop_map(|(id, which)| Act::Cancel(id, which)),
        4 => stream().prop_map(Act::Progress),
        8 => (stream(), 1_u64..6).prop_map(|(id, credit)| Act::Grant(id, credit)),
        1 => stream().prop_map(Act::Reopen),
        10 => (0_u64..40).prop_map(Act::Pump),
        1 => Just(Act::CutOff),
        2 => Just(Act::Return),
    ]
}

/// The cluster, the member, and the clients of its watches.
struct World {
    cluster: Store,
    model: Model,
    truth: Truth,
    member: Store,
    is_cut_off: bool,
    watches: Watches,
    clients: BTreeMap<u64, Client>,
    /// How often each stream was opened anew: the numbers of streams are never used again.
    opened: BTreeMap<u64, u64>,
    now: Monotonic,
    mutations: Mutations,
}

impl World {
    fn new(mutations: Mutations) -> Self {
        let limits = WatchLimits {
            streams_max: STREAMS,
            watches_max: 100,
            message_bytes_max: 200,
            progress_nanos: 50,
        };
        let truth = Truth { events: Vec::new(), revision: Revision(1), compacted: Revision(0) };
        let mut world = Self {
            cluster: Store::new(Mutations::none()),
            model: Model::new(),
            truth,
            member: Store::new(mutations),
            is_cut_off: false,
            watches: Watches::new(limits, Revision(1), mutations),
            clients: BTreeMap::new(),
            opened: BTreeMap::new(),
            now: Monotonic(0),
            mutations,
        };
        (0..STREAMS).for_each(|stream| world.open(stream));
        world
    }

    fn id(&self, stream: u64) -> StreamId {
        StreamId(stream + STREAMS * self.opened[&stream])
    }

    fn client(&mut self, stream: u64) -> &mut Client {
        self.clients.get_mut(&stream).unwrap()
    }

    fn open(&mut self, stream: u64) {
        *self.opened.entry(stream).or_default() += 1;
        self.clients.insert(stream, Client::default());
        let mut outputs = Vec::new();
        self.watches.open(self.id(stream), false, &mut outputs);
        self.deliver(outputs);
    }

    fn act(&mut self, act: &Act) {
        let mut outputs = Vec::new();
        match act {
            Act::Store(step) => return self.step(step),
            Act::Compact(by) => {
                let revision = Revision(self.model.revision().0.saturating_sub(*by));
                let compact = CompactRequest { revision, physical: false };
                return self.apply(&Request::Compact(compact));
            }
            Act::Create(stream, create, start) => {
                let start = match start {
                    Start::Latest => Revision(0),
                    Start::Past(by) => Revision(self.truth.revision.0.saturating_sub(*by).max(1)),
                    Start::Compacted => self.truth.compacted,
                    Start::Future(by) => Revision(self.truth.revision.0 + by),
                };
                let create = WatchCreate { start, ..create.clone() };
                let id = self.id(*stream);
                let revision = self.truth.revision;
                self.client(*stream).create(create.clone(), revision);
                let request = WatchRequest::Create(create);
                self.watches.request(self.now, id, request, &mut outputs);
            }
            Act::Cancel(stream, which) => {
                let id = self.id(*stream);
                let client = self.client(*stream);
                let watches: Vec<WatchId> = client.watches().collect();
                let watch = watches.get(which % (watches.len() + 1)).copied();
                let watch = watch.unwrap_or(WatchId(77));
                client.cancel(watch);
                let request = WatchRequest::Cancel(watch);
                self.watches.request(self.now, id, request, &mut outputs);
            }
            Act::Progress(stream) => {
                let id = self.id(*stream);
                self.client(*stream).ask_progress();
                self.watches.request(self.now, id, WatchRequest::Progress, &mut outputs);
            }
            Act::Grant(stream, credit) => {
                let id = self.id(*stream);
                self.client(*stream).credit += credit;
                self.watches.grant(id, *credit, &mut outputs);
            }
            Act::Reopen(stream) => {
                self.watches.close(self.id(*stream));
                self.open(*stream);
            }
            Act::Pump(nanos) => {
                self.now = self.now.after(*nanos);
                self.watches.pump(&self.member, self.now, &mut outputs);
            }
            Act::CutOff => self.is_cut_off = true,
            Act::Return => self.come_back(),
        }
        self.deliver(outputs);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Apply(request) => {
                if Store::check(request, 128).is_ok() {
                    self.apply(request);
                }
            }
            Step::Scrub(steps) => {
                let _is_more = self.member.scrub(*steps);
            }
            Step::Read(request) => {
                let _answer = self.member.read(request);
            }
            Step::Checkpoint(_) | Step::Snapshot | Step::EndSnapshot => {}
        }
    }

    fn apply(&mut self, request: &Request) {
        let _outcome = self.cluster.apply(request);
        let _outcome = self.model.apply(request);
        self.truth.events.clone_from(&self.model.events);
        if self.is_cut_off {
            return;
        }
        let _outcome = self.member.apply(request);
        self.look();
        let mut outputs = Vec::new();
        self.watches.on_applied(&self.member, self.now, &mut outputs);
        self.deliver(outputs);
    }

    fn look(&mut self) {
        self.truth.revision = self.member.revision();
        self.truth.compacted = self.member.compacted();
    }

    fn come_back(&mut self) {
        self.is_cut_off = false;
        if self.member.chain() == self.cluster.chain() {
            return;
        }
        let view = self.cluster.open_view();
        let mut restore = Restore::new(self.mutations);
        let mut cursor = Some(Cursor::start());
        while let Some(at) = cursor {
            let part = self.cluster.part(&view, &at, 300);
            restore.push(&part.bytes).unwrap();
            cursor = part.next;
        }
        self.cluster.close_view(&view);
        self.member = restore.finish().unwrap();
        self.look();
        self.watches.on_restored(&self.member);
    }

    fn deliver(&mut self, outputs: Vec<WatchOutput>) {
        for output in outputs {
            let WatchOutput::Message { stream, watch, revision, body } = output else {
                panic!("a stream was ended: {output:?}");
            };
            let number = stream.0 % STREAMS;
            assert_eq!(stream, self.id(number), "a message for a stream that was closed");
            self.clients.get_mut(&number).unwrap().take(&self.truth, watch, revision, body);
        }
    }

    fn finish(&mut self) {
        self.act(&Act::Return);
        (0..STREAMS).for_each(|stream| self.act(&Act::Grant(stream, 10_000)));
        let mut pumps = 0;
        while self.watches.next_wake(self.now) == Some(self.now) && pumps < 1000 {
            self.act(&Act::Pump(0));
            pumps += 1;
        }
        assert!(pumps < 1000, "the watches do not come to rest");
        self.act(&Act::Pump(0));
        self.watches.check_invariants();
        self.clients.values().for_each(|client| client.check_rest(&self.truth));
    }
}

fn run(acts: &[Act], mutations: Mutations) {
    let mut world = World::new(mutations);
    for act in acts {
        world.act(act);
        world.watches.check_invariants();
    }
    world.finish();
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn watches_tell_what_happened_once_and_in_order(acts in vec(act(), 1..120)) {
        run(&acts, Mutations::none());
    }
}

/// The clients are worth something only if they notice.
#[test]
fn the_clients_kill_every_mutation_of_watches() {
    let mutations = [
        Mutation::ProgressAheadOfEvents,
        Mutation::WatchFromFutureSendsOld,
        Mutation::WatchRevisionSplit,
        Mutation::WatchDuplicateEvent,
        Mutation::WatchEventLostWhenSlow,
        Mutation::WatchDropsDeleteAtCompaction,
        Mutation::WatchGoesBackAfterSnapshot,
        Mutation::WatchSkipsOnSnapshot,
        Mutation::WatchFilterInverted,
        Mutation::WatchPrevKvWrong,
        Mutation::WatchMissesTxnEvents,
        Mutation::WatchNotCanceledByCompaction,
    ];
    for mutation in mutations {
        let mut runner = TestRunner::new(config(1));
        let is_killed = (0..400).any(|_| {
            let acts = vec(act(), 1..120).new_tree(&mut runner).unwrap().current();
            panic::catch_unwind(|| run(&acts, Mutations::none().with(mutation))).is_err()
        });
        assert!(is_killed, "{} survives", mutation.name());
    }
}
