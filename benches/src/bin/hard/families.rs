//! The families, and what makes each of them harder.

use std::fmt::Debug;
use whitewater_benches::registers::Shape;

/// Histories of one kind, by one number.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) sizes: &'static [u64],
    pub(super) shape: fn(u64) -> Shape,
}

const LENGTHS: &[u64] = &[1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
/// Where a key has few of the operations, the rival comes far.
const LONG: &[u64] = &[1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000];
const CLIENTS: &[u64] = &[5, 10, 15, 18, 20, 22, 25, 28, 30, 35, 40, 50, 70];
const PENDING: &[u64] =
    &[1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 30, 50, 70, 100, 120, 150, 200, 250, 300, 400];
const LOST: &[u64] = &[50, 100, 200, 500, 1_000, 2_000, 4_000, 5_000];
const BURSTS: &[u64] = &[2, 4, 6, 8, 10, 12, 16, 20, 30, 40, 60, 80, 100];

/// A size, as the shape has it.
fn n<T: TryFrom<u64, Error: Debug>>(size: u64) -> T {
    T::try_from(size).expect("the sizes of this table fit")
}

pub(super) const FAMILIES: &[Family] = &[
    family("A1 1 key, 10 clients: length", LENGTHS, |size| Shape {
        operations: n(size),
        ..Shape::default()
    }),
    family("A2 10 keys, 10 clients: length", LONG, |size| Shape {
        operations: n(size),
        keys: 10,
        ..Shape::default()
    }),
    family("A3 100 keys, 50 clients: length", LONG, |size| Shape {
        operations: n(size),
        keys: 100,
        clients: 50,
        ..Shape::default()
    }),
    family("A4 1 key, 5 values, cas: length", LENGTHS, |size| Shape {
        operations: n(size),
        clients: 5,
        ..few(300_000)
    }),
    family("B1 unique values: clients", CLIENTS, |size| Shape {
        clients: n(size),
        ..Shape::default()
    }),
    family("B2 5 values: clients", CLIENTS, |size| Shape { clients: n(size), ..few(0) }),
    family("B3 unique values, stale: clients", CLIENTS, |size| Shape {
        clients: n(size),
        is_stale: true,
        ..Shape::default()
    }),
    family("B4 5 values, stale: clients", CLIENTS, |size| Shape {
        clients: n(size),
        is_stale: true,
        ..few(0)
    }),
    family("C1 unique values, stale: pending", PENDING, |size| Shape {
        pending: n(size),
        is_stale: true,
        ..Shape::default()
    }),
    family("C3 5 values, cas: pending", PENDING, |size| Shape { pending: n(size), ..few(300_000) }),
    family("C4 5 values, cas, stale: pending", PENDING, |size| Shape {
        pending: n(size),
        clients: 5,
        is_stale: true,
        ..few(300_000)
    }),
    family("C5 unique values, cas: pending", PENDING, |size| Shape {
        pending: n(size),
        cas_ppm: 400_000,
        ..Shape::default()
    }),
    family("D1 10 keys, stale: pending", PENDING, |size| Shape {
        pending: n(size),
        is_stale: true,
        ..many_keys()
    }),
    family("D2 10 keys: pending", LOST, |size| Shape { pending: n(size), ..many_keys() }),
    family("E1 5 values, cas: burst", BURSTS, |size| Shape {
        pending: n(size),
        is_burst: true,
        ..few(300_000)
    }),
    family("E2 5 values, cas, stale: burst", BURSTS, |size| Shape {
        pending: n(size),
        is_burst: true,
        is_stale: true,
        ..few(300_000)
    }),
];

const fn family(name: &'static str, sizes: &'static [u64], shape: fn(u64) -> Shape) -> Family {
    Family { name, sizes, shape }
}

/// One key and few values.
fn few(cas_ppm: u32) -> Shape {
    Shape { values: 5, cas_ppm, ..Shape::default() }
}

fn many_keys() -> Shape {
    Shape { operations: 10_000, keys: 10, clients: 20, ..Shape::default() }
}
