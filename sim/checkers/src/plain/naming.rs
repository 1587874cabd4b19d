//! Numbers for the values of a key, and what its operations do in terms of them.

use super::{
    act::{Act, Bytes},
    problem::Moment,
    values::{self, ABSENT, FOREVER, OTHER, State, Values},
};
use crate::intern::Interner;
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainOperation};

/// The operations of a key in small numbers.
pub(super) struct Named<'h> {
    pub(super) values: Values<'h>,
    /// By index of the operation. Of one that leaves no moment it means nothing.
    pub(super) acts: Vec<Act>,
    /// What the key holds at the start.
    pub(super) initial: State,
}

/// Numbers the values that `count` operations name.
pub(super) fn name<'h>(
    moments: &[Moment],
    count: usize,
    initial: Option<&'h Value>,
    told: impl Fn(u32) -> &'h PlainOperation + Copy,
) -> Named<'h> {
    let is_append = |moment: &Moment| matches!(told(moment.index).action, PlainAction::Append(_));
    if moments.iter().any(is_append) {
        trie(moments, count, initial, told)
    } else {
        exact(moments, count, initial, told)
    }
}

/// What the operations do; `number` numbers what they name.
fn acts<'h>(
    moments: &[Moment],
    count: usize,
    told: impl Fn(u32) -> &'h PlainOperation,
    mut number: impl FnMut(Bytes<'h>) -> u32,
) -> Vec<Act> {
    let mut acts = vec![Act::Is(ABSENT); count];
    for moment in moments.iter().filter(|moment| !moment.is_return) {
        let operation = told(moment.index);
        let act = Act::new(&operation.action, operation.completed.is_some(), &mut number);
        acts[moment.index as usize] = act.expect("idle operations left no moment");
    }
    acts
}

/// Where nothing is appended. Every value gets a number first; those that no observer names are then one.
fn exact<'h>(
    moments: &[Moment],
    count: usize,
    initial: Option<&'h Value>,
    told: impl Fn(u32) -> &'h PlainOperation + Copy,
) -> Named<'h> {
    let mut numbers = Interner::default();
    let mut state = |bytes: &'h [u8]| OTHER + 1 + numbers.number(bytes);
    let initial = initial.map_or(ABSENT, |value| state(value.as_slice()));
    let mut acts = acts(moments, count, told, |bytes| match bytes {
        Bytes::Value(value) => state(value),
        Bytes::Chunk(_) => unreachable!("nothing is appended"),
    });
    let states = OTHER as usize + 1 + numbers.strings.len();
    let (mut last_named, mut is_named) = (vec![0; states], vec![false; states]);
    let mut see = |state: State, event: u32| {
        is_named[state as usize] = true;
        last_named[state as usize] = event;
    };
    see(ABSENT, 0);
    see(OTHER, 0);
    let mut edges = Vec::new();
    for (event, moment) in (0..).zip(moments) {
        match acts[moment.index as usize] {
            Act::Is(state) | Act::Swap(state, _) if moment.is_return => see(state, event),
            Act::Not(state) if moment.is_return => {
                see(state, event);
                see(OTHER, event);
            }
            Act::Swap(from, to) if told(moment.index).completed.is_none() => edges.push((from, to)),
            Act::Is(_) | Act::Not(_) | Act::Set(_) | Act::Append(_) | Act::Swap(..) => {}
        }
    }
    // An unanswered swap asks for a value too, as long as what it makes of it is asked for.
    for (from, _) in &edges {
        is_named[*from as usize] = true;
    }
    let named = |state: State| if is_named[state as usize] { state } else { OTHER };
    for act in &mut acts {
        *act = act.map(named);
    }
    let mut values = Values::exact(last_named);
    values.carry_back(edges.into_iter().map(|(from, to)| (from, named(to))).collect());
    Named { values, acts, initial: named(initial) }
}

/// Where something is appended: prefixes of the values that observers name.
fn trie<'h>(
    moments: &[Moment],
    count: usize,
    initial: Option<&'h Value>,
    told: impl Fn(u32) -> &'h PlainOperation + Copy,
) -> Named<'h> {
    let mut named = values::Named::default();
    let mut chunks = Interner::default();
    for (event, moment) in (0..).zip(moments) {
        let operation = told(moment.index);
        match (&operation.action, operation.completed.is_some()) {
            (PlainAction::Append(value), _) => {
                chunks.number(value.as_slice());
            }
            (PlainAction::Cas { from, .. }, false) => named.add(from.as_ref(), FOREVER),
            (PlainAction::Read(value), true) if moment.is_return => {
                named.add(value.as_ref(), event);
            }
            (PlainAction::Cas { from, swapped, .. }, true) if moment.is_return => {
                named.add(from.as_ref(), event);
                if *swapped == Some(false) {
                    named.other = event;
                }
            }
            (
                PlainAction::Read(_)
                | PlainAction::Write(_)
                | PlainAction::Delete
                | PlainAction::Cas { .. },
                _,
            ) => {}
        }
    }
    let mut values = Values::trie(named, chunks.strings.clone());
    let initial = initial.map_or(ABSENT, |value| values.value(value.as_slice()));
    let acts = acts(moments, count, told, |bytes| match bytes {
        Bytes::Value(value) => values.value(value),
        Bytes::Chunk(chunk) => chunks.get(chunk).expect("every chunk was numbered"),
    });
    Named { values, acts, initial }
}
