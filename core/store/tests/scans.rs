//! Ranges that are read some rows at a time, while others write, against what the model says of the moment at which they began.

mod common;

use common::{
    model::Model,
    requests::{self, Step},
};
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use whitewater_api::{
    Error, Request,
    request::{PutRequest, RangeRequest},
    response::RangeResponse,
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_store::{RangeScan, Store};

/// One read, and what goes on around it.
#[derive(Clone, Debug)]
struct Reading {
    before: Vec<Step>,
    /// So that there is something to read: puts of these numbers.
    filling: Vec<u8>,
    request: RangeRequest,
    /// How many rows are looked at at a time, and what happens after each time; again from the front when it is over.
    meanwhile: Vec<(usize, Vec<Step>)>,
}

fn reading() -> impl Strategy<Value = Reading> {
    let meanwhile = vec((0_usize..6, vec(requests::step(), 0..4)), 1..8);
    (vec(requests::step(), 0..30), vec(any::<u8>(), 0..60), requests::range(), meanwhile).prop_map(
        |(before, filling, request, mut meanwhile)| {
            // It is to come to its end.
            meanwhile.push((1, Vec::new()));
            Reading { before, filling, request, meanwhile }
        },
    )
}

/// The store, and the model beside it.
struct Both {
    store: Store,
    model: Model,
}

impl Both {
    fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Apply(request) => {
                assert_eq!(self.store.apply(request), self.model.apply(request), "{request}");
            }
            Step::Read(request) => {
                let expected = self.model.clone().apply(request);
                assert_eq!(self.store.read(request), expected, "{request}");
            }
            Step::Checkpoint(checkpoint) => {
                self.store.checkpoint(&[*checkpoint]);
                self.model.checkpoint(*checkpoint);
            }
            Step::Scrub(steps) => {
                let _is_more = self.store.scrub(*steps);
            }
            Step::Snapshot | Step::EndSnapshot => {}
        }
    }

    /// Reads in steps, and lets go on what goes on meanwhile.
    fn read(&mut self, scan: &mut RangeScan, reading: &Reading) -> RangeResponse {
        let view = self.store.open_view();
        for (rows, steps) in reading.meanwhile.iter().cycle() {
            let mut left = *rows;
            if let Some(answer) = scan.step(&self.store, &mut left) {
                self.store.close_view(&view);
                return answer;
            }
            assert_eq!(left, 0, "a step ends early");
            for step in steps {
                self.carry_out(step);
            }
        }
        unreachable!("a cycle has no end")
    }
}

impl Reading {
    /// What the model says, and what the store does.
    fn play(&self, mutations: Mutations) -> [Result<RangeResponse, Error>; 2] {
        let mut both = Both { store: Store::new(mutations), model: Model::new() };
        self.before.iter().for_each(|step| both.carry_out(step));
        for number in &self.filling {
            let value = ["v", "w"][usize::from(number % 2)];
            let put = PutRequest::new(format!("b{}", number % 32), value);
            both.carry_out(&Step::Apply(Request::Put(put)));
        }
        let expected = both.model.range(&self.request);
        let scan = both.store.scan_for(None, &Request::Range(self.request.clone()));
        let told = scan.map(|mut scan| both.read(&mut scan, self));
        both.store.check_invariants();
        assert_eq!(both.store.leases(None).count(), both.model.leases().len());
        [expected, told]
    }
}

fn config() -> Config {
    Config {
        cases: 2000,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_read_in_steps_is_of_the_moment_at_which_it_began(reading in reading()) {
        let [expected, told] = reading.play(Mutations::none());
        prop_assert_eq!(told, expected);
    }
}

#[test]
fn a_read_of_many_moments_is_found() {
    let mutations = Mutations::none().with(Mutation::LongReadOfManyMoments);
    let mut runner = TestRunner::new(config());
    let mut is_found = || {
        let reading =
            reading().new_tree(&mut runner).expect("there is always another one").current();
        let [expected, told] = reading.play(mutations);
        expected != told
    };
    assert!((0..500).any(|_| is_found()));
}
