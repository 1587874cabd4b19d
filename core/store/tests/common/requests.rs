//! Random requests over few keys, so that they meet.

use proptest::{collection::vec, prelude::*, sample::select};
use whitewater_api::{
    Key, KeyRange, LeaseCheckpoint, LeaseId, LeaseRequest, Request, Revision, Value,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, Sort, SortTarget, TxnOp, TxnRequest,
    },
};

/// What happens to a store.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Apply(Request),
    Read(Request),
    /// The leader writes down what is left of a lease.
    Checkpoint(LeaseCheckpoint),
    Scrub(usize),
    /// Open a snapshot, or take the next part of the one that is open.
    Snapshot,
    EndSnapshot,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => put().prop_map(|put| Step::Apply(Request::Put(put))),
        2 => delete().prop_map(|delete| Step::Apply(Request::DeleteRange(delete))),
        6 => txn().prop_map(|txn| Step::Apply(Request::Txn(txn))),
        1 => range().prop_map(|range| Step::Apply(Request::Range(range))),
        2 => revision().prop_map(|revision| {
            Step::Apply(Request::Compact(CompactRequest { revision, physical: false }))
        }),
        4 => (lease(), 1_i64..9).prop_map(|(lease, ttl)| {
            Step::Apply(Request::Lease(LeaseRequest::Grant { lease, ttl }))
        }),
        2 => lease().prop_map(|lease| Step::Apply(Request::Lease(LeaseRequest::Revoke(lease)))),
        1 => (lease(), -1_i64..9).prop_map(|(lease, remaining)| {
            Step::Checkpoint(LeaseCheckpoint { lease, remaining })
        }),
        4 => range().prop_map(|range| Step::Read(Request::Range(range))),
        2 => read_txn().prop_map(|txn| Step::Read(Request::Txn(txn))),
        3 => (1_usize..8).prop_map(Step::Scrub),
        2 => Just(Step::Snapshot),
        1 => Just(Step::EndSnapshot),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    select(vec!["a", "ab", "b", "c", "d"]).prop_map(Key::from)
}

fn lease() -> impl Strategy<Value = LeaseId> {
    select(vec![1_i64, 1, -3]).prop_map(LeaseId)
}

fn value() -> impl Strategy<Value = Value> {
    select(vec!["", "v", "w", "a value of more than eight bytes"]).prop_map(Value::from)
}

/// Few are as high as most stores get, some are beyond.
fn revision() -> impl Strategy<Value = Revision> {
    (0_u64..40).prop_map(Revision)
}

/// Mostly none.
fn bound() -> impl Strategy<Value = Revision> {
    prop_oneof![4 => Just(Revision(0)), 1 => revision()]
}

fn key_range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        3 => key().prop_map(KeyRange::single),
        2 => (key(), key()).prop_map(|(start, end)| KeyRange::span(start, end)),
        1 => key().prop_map(KeyRange::from_key),
        1 => key().prop_map(KeyRange::prefix),
    ]
}

fn put() -> impl Strategy<Value = PutRequest> {
    let rarely = || proptest::bool::weighted(0.1);
    // Often it is not there.
    let on = prop_oneof![3 => Just(LeaseId::NONE), 1 => lease()];
    (key(), value(), any::<bool>(), rarely(), rarely(), on).prop_map(
        |(key, value, prev_kv, ignore_value, ignore_lease, lease)| PutRequest {
            key,
            value,
            lease,
            prev_kv,
            ignore_value,
            ignore_lease,
        },
    )
}

fn delete() -> impl Strategy<Value = DeleteRangeRequest> {
    (key_range(), any::<bool>()).prop_map(|(range, prev_kv)| DeleteRangeRequest { range, prev_kv })
}

pub(crate) fn range() -> impl Strategy<Value = RangeRequest> {
    let targets = vec![
        SortTarget::Key,
        SortTarget::Version,
        SortTarget::Create,
        SortTarget::Mod,
        SortTarget::Value,
    ];
    let sort = proptest::option::of(
        (select(targets), any::<bool>())
            .prop_map(|(target, descending)| Sort { target, descending }),
    );
    let filters = (bound(), bound(), bound(), bound());
    let flags = (any::<bool>(), proptest::bool::weighted(0.2), any::<bool>());
    (key_range(), 0_u64..4, bound(), sort, filters, flags).prop_map(
        |(range, limit, revision, sort, filters, (keys_only, count_only, serializable))| {
            RangeRequest {
                range,
                limit,
                revision,
                sort,
                serializable,
                keys_only,
                count_only,
                min_mod_revision: filters.0,
                max_mod_revision: filters.1,
                min_create_revision: filters.2,
                max_create_revision: filters.3,
            }
        },
    )
}

fn compare() -> impl Strategy<Value = Compare> {
    let relations = vec![Relation::Equal, Relation::NotEqual, Relation::Less, Relation::Greater];
    let target = prop_oneof![
        (0_u64..4).prop_map(CompareTarget::Version),
        revision().prop_map(CompareTarget::Create),
        revision().prop_map(CompareTarget::Mod),
        value().prop_map(CompareTarget::Value),
        (-1_i64..3).prop_map(|lease| CompareTarget::Lease(LeaseId(lease))),
    ];
    (key_range(), select(relations), target).prop_map(|(range, relation, target)| Compare {
        range,
        relation,
        target,
    })
}

/// Transactions in transactions of what `leaf` gives.
fn nest(leaf: BoxedStrategy<TxnOp>) -> impl Strategy<Value = TxnRequest> {
    let op = leaf.prop_recursive(2, 12, 3, |op| branches(op).prop_map(TxnOp::Txn).boxed());
    branches(op.boxed())
}

fn branches(op: impl Strategy<Value = TxnOp> + Clone) -> impl Strategy<Value = TxnRequest> {
    (vec(compare(), 0..3), vec(op.clone(), 0..4), vec(op, 0..4))
        .prop_map(|(compares, success, failure)| TxnRequest { compares, success, failure })
}

pub(crate) fn txn() -> impl Strategy<Value = TxnRequest> {
    let leaf = prop_oneof![
        4 => put().prop_map(TxnOp::Put),
        2 => range().prop_map(TxnOp::Range),
        2 => delete().prop_map(TxnOp::DeleteRange),
    ];
    nest(leaf.boxed())
}

fn read_txn() -> impl Strategy<Value = TxnRequest> {
    nest(range().prop_map(TxnOp::Range).boxed())
}
