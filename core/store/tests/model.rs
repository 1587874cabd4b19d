//! The store against a model that is too simple to be wrong: a full copy of the state at every revision.

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
use std::panic;
use whitewater_api::{
    Body, Key, KeyRange, LeaseId, Request, Revision,
    request::{RangeRequest, TxnOp, TxnRequest},
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_store::{Cursor, Lease, Part, Restore, RestoreError, Store, View};

fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..Config::default() }
}

/// A snapshot that is taken while applying goes on, with what it has to come to.
struct Snapshot {
    view: View,
    parts: Vec<Part>,
    digest: u64,
    model: Model,
}

impl Snapshot {
    fn open(store: &mut Store, model: &Model) -> Self {
        let digest = store.digest();
        Self { view: store.open_view(), parts: Vec::new(), digest, model: model.clone() }
    }

    /// Takes one more part; whether it was the last.
    fn step(&mut self, store: &Store, bytes_max: usize) -> bool {
        let cursor = match self.parts.last() {
            None => Cursor::start(),
            Some(Part { next: Some(cursor), .. }) => cursor.clone(),
            Some(Part { next: None, .. }) => return true,
        };
        self.parts.push(store.part(&self.view, &cursor, bytes_max));
        self.parts.last().is_some_and(|part| part.next.is_none())
    }

    fn finish(mut self, store: &mut Store) {
        while !self.step(store, 64) {}
        store.close_view(&self.view);
        let parts = self.parts.iter().map(|part| &part.bytes[..]);
        let restored = restore(parts).expect("a snapshot that nobody touched");
        restored.check_invariants();
        assert_eq!(restored.digest(), self.digest);
        assert_eq!(restored.chain(), self.view.chain);
        assert_history(&restored, &self.model);
    }
}

fn restore<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Store, RestoreError> {
    let mut restore = Restore::new(Mutations::none());
    for part in parts {
        restore.push(part)?;
    }
    restore.finish()
}

/// Every lease: granted, left, keys.
fn leases(store: &Store) -> Vec<(LeaseId, i64, i64, Vec<Key>)> {
    let row = |(id, lease): (LeaseId, &Lease)| {
        (id, lease.granted(), lease.remaining(), lease.keys().cloned().collect())
    };
    store.leases(None).map(row).collect()
}

/// Every revision that can be read holds what it held, and no other can be read.
fn assert_history(store: &Store, model: &Model) {
    assert_eq!(store.revision(), model.revision());
    assert_eq!(store.compacted(), model.compacted);
    assert_eq!(leases(store), model.leases());
    for revision in 1..=model.revision().0 + 1 {
        let past = RangeRequest {
            revision: Revision(revision),
            ..RangeRequest::new(KeyRange::from_key("a"))
        };
        let answer = store.read(&Request::Range(past.clone()));
        assert_eq!(answer, model.range(&past).map(Body::Range), "at {revision}");
    }
}

fn run(steps: &[Step], mutations: Mutations) {
    let mut store = Store::new(mutations);
    // Applies the same, and never scrubs or opens a view: neither may show.
    let mut twin = store.clone();
    let mut model = Model::new();
    let mut snapshot: Option<Snapshot> = None;
    for step in steps {
        match step {
            Step::Apply(request) => {
                let bytes = store.bytes();
                let outcome = store.apply(request);
                assert_eq!(outcome, model.apply(request), "{request}");
                assert_eq!(outcome, twin.apply(request), "{request}");
                assert!(outcome.is_ok() || bytes == store.bytes(), "{request} left something");
            }
            Step::Read(request) => {
                assert_eq!(store.read(request), model.clone().apply(request), "{request}");
            }
            Step::Checkpoint(checkpoint) => {
                store.checkpoint(&[*checkpoint]);
                twin.checkpoint(&[*checkpoint]);
                model.checkpoint(*checkpoint);
            }
            Step::Scrub(steps) => {
                let _is_more = store.scrub(*steps);
            }
            Step::Snapshot if snapshot.is_none() => {
                snapshot = Some(Snapshot::open(&mut store, &model));
            }
            Step::Snapshot => {
                let _is_last = snapshot.as_mut().map(|snapshot| snapshot.step(&store, 200));
            }
            Step::EndSnapshot => {
                if let Some(snapshot) = snapshot.take() {
                    snapshot.finish(&mut store);
                }
            }
        }
        store.check_invariants();
        assert_eq!(store.revision(), model.revision());
        assert_eq!(leases(&store), model.leases());
        assert_eq!((store.chain(), store.digest()), (twin.chain(), twin.digest()));
    }
    if let Some(snapshot) = snapshot {
        snapshot.finish(&mut store);
    }
    while store.scrub(3) {}
    store.check_invariants();
    assert_eq!(store.digest(), twin.digest());
    assert_history(&store, &model);
    assert_history(&twin, &model);
}

/// What changes the content.
fn carry_out(store: &mut Store, step: &Step) {
    match step {
        Step::Apply(request) => {
            let _outcome = store.apply(request);
        }
        Step::Checkpoint(checkpoint) => store.checkpoint(&[*checkpoint]),
        Step::Read(_) | Step::Scrub(_) | Step::Snapshot | Step::EndSnapshot => {}
    }
}

/// A snapshot of whatever the requests make, in small parts.
fn snapshot_of(steps: &[Step]) -> (u64, Vec<Vec<u8>>) {
    let mut store = Store::new(Mutations::none());
    for step in steps {
        carry_out(&mut store, step);
    }
    let view = store.open_view();
    let mut parts = Vec::new();
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let part = store.part(&view, &at, 150);
        parts.push(part.bytes.to_vec());
        cursor = part.next;
    }
    (store.digest(), parts)
}

/// One way to damage a snapshot.
#[derive(Clone, Debug)]
enum Damage {
    Overwrite { part: usize, at: usize, bytes: Vec<u8> },
    Cut { part: usize, at: usize },
    Insert { part: usize, at: usize, bytes: Vec<u8> },
    Drop { part: usize },
    Swap { part: usize, other: usize },
}

impl Damage {
    fn strategy() -> impl Strategy<Value = Self> {
        let place = || (any::<usize>(), any::<usize>());
        let bytes = || vec(any::<u8>(), 1..9);
        prop_oneof![
            (place(), bytes()).prop_map(|((part, at), bytes)| Self::Overwrite { part, at, bytes }),
            place().prop_map(|(part, at)| Self::Cut { part, at }),
            (place(), bytes()).prop_map(|((part, at), bytes)| Self::Insert { part, at, bytes }),
            any::<usize>().prop_map(|part| Self::Drop { part }),
            place().prop_map(|(part, other)| Self::Swap { part, other }),
        ]
    }

    fn apply(&self, parts: &mut Vec<Vec<u8>>) {
        let count = parts.len();
        match self {
            Self::Overwrite { part, at, bytes } => {
                let part = &mut parts[part % count];
                let at = at % part.len();
                let end = part.len().min(at + bytes.len());
                part[at..end].copy_from_slice(&bytes[..end - at]);
            }
            Self::Cut { part, at } => {
                let part = &mut parts[part % count];
                part.truncate(at % part.len());
            }
            Self::Insert { part, at, bytes } => {
                let part = &mut parts[part % count];
                let at = at % part.len();
                part.splice(at..at, bytes.iter().copied());
            }
            Self::Drop { part } => {
                parts.remove(part % count);
            }
            Self::Swap { part, other } => parts.swap(part % count, other % count),
        }
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn the_store_answers_as_the_model_does(steps in vec(requests::step(), 1..60)) {
        run(&steps, Mutations::none());
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_damaged_snapshot_is_refused(
        steps in vec(requests::step(), 1..40),
        damage in Damage::strategy(),
    ) {
        let (digest, parts) = snapshot_of(&steps);
        let mut damaged = parts.clone();
        damage.apply(&mut damaged);
        let outcome = restore(damaged.iter().map(|part| &part[..]));
        if damaged == parts {
            prop_assert_eq!(outcome.unwrap().digest(), digest);
        } else {
            prop_assert!(outcome.is_err(), "{damage:?} was not noticed");
        }
    }

    #[test]
    fn a_restored_store_goes_on_as_the_original_does(
        before in vec(requests::step(), 1..40),
        after in vec(requests::step(), 1..20),
    ) {
        let (_, parts) = snapshot_of(&before);
        let mut restored = restore(parts.iter().map(|part| &part[..])).unwrap();
        let mut original = Store::new(Mutations::none());
        for step in &before {
            carry_out(&mut original, step);
        }
        for step in &after {
            if let Step::Apply(request) = step {
                prop_assert_eq!(restored.apply(request), original.apply(request));
                restored.scrub(1);
                restored.check_invariants();
            } else {
                carry_out(&mut restored, step);
                carry_out(&mut original, step);
            }
            prop_assert_eq!(restored.chain(), original.chain());
            prop_assert_eq!(restored.digest(), original.digest());
        }
        while restored.scrub(8) || original.scrub(8) {}
        prop_assert_eq!(restored.bytes(), original.bytes());
    }
}

/// Every way in which a branch may be carried out, as the operations that are left when nested transactions are gone.
fn paths(ops: &[TxnOp]) -> Vec<Vec<&TxnOp>> {
    ops.iter().fold(vec![Vec::new()], |paths, op| {
        let endings = match op {
            TxnOp::Txn(nested) => [paths_of(nested, true), paths_of(nested, false)].concat(),
            TxnOp::Put(_) | TxnOp::Range(_) | TxnOp::DeleteRange(_) => vec![vec![op]],
        };
        paths
            .iter()
            .flat_map(|path| endings.iter().map(move |ending| [&path[..], ending].concat()))
            .collect()
    })
}

fn paths_of(txn: &TxnRequest, succeeded: bool) -> Vec<Vec<&TxnOp>> {
    paths(if succeeded { &txn.success } else { &txn.failure })
}

/// Whether a path puts a key that it has put or deleted before.
fn puts_again(path: &[&TxnOp]) -> bool {
    path.iter().enumerate().any(|(at, op)| {
        let TxnOp::Put(put) = op else { return false };
        path[..at].iter().any(|earlier| match earlier {
            TxnOp::Put(earlier) => earlier.key == put.key,
            TxnOp::DeleteRange(delete) => delete.range.contains(&put.key),
            TxnOp::Range(_) | TxnOp::Txn(_) => false,
        })
    })
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn no_way_through_an_admitted_txn_puts_a_key_again(txn in requests::txn()) {
        let request = Request::Txn(txn.clone());
        let paths = [paths_of(&txn, true), paths_of(&txn, false)].concat();
        let is_bad = paths.iter().any(|path| puts_again(path));
        if is_bad {
            // The generator also makes puts that are refused for another reason.
            prop_assert!(Store::check(&request, 128).is_err(), "{request}");
        }
    }
}

/// The model is worth something only if it notices.
#[test]
fn the_model_kills_every_mutation_of_the_store() {
    let mutations = [
        Mutation::FailedTxnWrites,
        Mutation::NestedCompareSeesWrites,
        Mutation::NondeterministicApply,
        Mutation::CompactionDropsLive,
        Mutation::VersionNotReset,
        Mutation::SnapshotWithoutTail,
        Mutation::LeaseLostInSnapshot,
        Mutation::LeaseRevokeLeavesKeys,
        Mutation::LeaseRevokeInParts,
        Mutation::LeaseDetachForgotten,
        Mutation::LeaseGrantOverwrites,
    ];
    for mutation in mutations {
        let mut runner = TestRunner::new(config(1));
        let is_killed = (0..1000).any(|_| {
            let steps = vec(requests::step(), 1..60).new_tree(&mut runner).unwrap().current();
            panic::catch_unwind(|| run(&steps, Mutations::none().with(mutation))).is_err()
        });
        assert!(is_killed, "{} survives", mutation.name());
    }
}
