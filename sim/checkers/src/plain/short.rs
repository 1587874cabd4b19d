//! A key with few operations: the search of Wing and Gong ("Testing and verifying concurrent objects", 1993) as it is,
//! with nothing prepared and nothing remembered.
//!
//! What the other engines prepare pays off only if there is something to search. Here an order is extended by whatever
//! may come next, until it is whole, or everything was tried, or it has taken too many steps. An observer that finds what
//! it saw is taken at once, and nothing is tried in its place: wherever it stands in an order, it may as well stand here.

use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainHistory};

/// As many operations as there are bits in a set.
const OPERATIONS_MAX: usize = 128;

/// Steps for each operation, after which a search that remembers what it tried is better off.
const STEPS: usize = 4;

/// A set of operations by index.
type Set = u128;

struct Op<'h> {
    invoked: u64,
    /// The end of time, if nobody answered.
    end: u64,
    is_answered: bool,
    action: &'h PlainAction,
}

/// What the key holds: nothing, or what a node says.
type State = Option<u32>;

/// A value: what another node says, and some bytes behind it.
struct Node<'h> {
    before: State,
    bytes: &'h [u8],
    /// Of the whole value.
    length: usize,
}

/// A place to go back to.
#[derive(Clone, Copy)]
struct Place {
    done: Set,
    state: State,
    /// The operations before this one were tried.
    next: usize,
    nodes: usize,
}

struct Short<'h> {
    /// In the order of invocation.
    ops: Vec<Op<'h>>,
    answered: Set,
    nodes: Vec<Node<'h>>,
}

/// Whether the operations at these positions, which name the same key, can be ordered; [`None`] if they are many, or if
/// it took more steps than a few for each, or than `steps_max`.
pub(crate) fn decide(history: &PlainHistory, operations: &[u32], steps_max: u64) -> Option<bool> {
    if operations.len() > OPERATIONS_MAX {
        return None;
    }
    let mut short =
        Short { ops: Vec::with_capacity(operations.len()), answered: 0, nodes: Vec::new() };
    for position in operations {
        let told = &history.operations[*position as usize];
        // A read that nobody answered says nothing.
        if told.completed.is_some() || !matches!(told.action, PlainAction::Read(_)) {
            let end = told.completed.map_or(u64::MAX, |end| end.0);
            let is_answered = told.completed.is_some();
            short.ops.push(Op { invoked: told.invoked.0, end, is_answered, action: &told.action });
        }
    }
    short.ops.sort_by_key(|op| op.invoked);
    for (index, op) in short.ops.iter().enumerate() {
        short.answered |= Set::from(op.is_answered) << index;
    }
    let initial = history.initial.as_ref().map(|value| short.node(None, value.as_slice()));
    short.search(initial, usize::try_from(steps_max).unwrap_or(usize::MAX))
}

impl<'h> Short<'h> {
    fn search(&mut self, initial: State, steps_max: usize) -> Option<bool> {
        let mut here = Place { done: 0, state: initial, next: 0, nodes: self.nodes.len() };
        let mut places: Vec<Place> = Vec::with_capacity(self.ops.len());
        for _ in 0..steps_max.min(STEPS * (self.ops.len() + 1)) {
            if here.done & self.answered == self.answered {
                return Some(true);
            }
            if let Some((op, state)) = self.next(&here) {
                if !self.ops[op].action.is_observer() {
                    places.push(Place { next: op + 1, ..here });
                }
                let nodes = self.nodes.len();
                here = Place { done: here.done | 1 << op, state, next: 0, nodes };
            } else {
                let Some(back) = places.pop() else { return Some(false) };
                here = back;
                self.nodes.truncate(here.nodes);
            }
        }
        None
    }

    /// The next operation that may take effect, and what the key holds then.
    fn next(&mut self, here: &Place) -> Option<(usize, State)> {
        // Up to the first return of those that are not done all that were invoked may come next.
        let (mut first_end, mut end) = (u64::MAX, self.ops.len());
        let first = (!here.done).trailing_zeros() as usize;
        for (op, told) in self.ops.iter().enumerate().skip(first) {
            if told.invoked > first_end {
                end = op;
                break;
            }
            if here.done >> op & 1 == 0 {
                first_end = first_end.min(told.end);
            }
        }
        let is_open = |op: &usize| here.done >> *op & 1 == 0;
        if here.next == 0 {
            let finds = |op: &usize| {
                let action = self.ops[*op].action;
                action.is_observer() && self.is_true(action, here.state)
            };
            if let Some(op) = (first..end).filter(is_open).find(finds) {
                return Some((op, here.state));
            }
        }
        let open = (first.max(here.next)..end).filter(is_open);
        open.into_iter().find_map(|op| Some((op, self.effect(op, here.state)?)))
    }

    /// Whether an observer finds what it saw.
    fn is_true(&self, action: &PlainAction, state: State) -> bool {
        match action {
            PlainAction::Read(seen) => self.holds(state, seen.as_ref()),
            PlainAction::Cas { from, .. } => !self.holds(state, from.as_ref()),
            PlainAction::Write(_) | PlainAction::Append(_) | PlainAction::Delete => false,
        }
    }

    /// What the key holds after an operation that is no observer, if it can take effect. One without an answer that would
    /// change nothing need not.
    fn effect(&mut self, op: usize, state: State) -> Option<State> {
        match self.ops[op].action {
            PlainAction::Write(value) => Some(Some(self.node(None, value.as_slice()))),
            PlainAction::Append(value) => Some(Some(self.node(state, value.as_slice()))),
            PlainAction::Delete => Some(None),
            PlainAction::Cas { from, to, swapped } if *swapped != Some(false) => {
                self.holds(state, from.as_ref()).then(|| Some(self.node(None, to.as_slice())))
            }
            PlainAction::Cas { .. } | PlainAction::Read(_) => None,
        }
    }

    fn node(&mut self, before: State, bytes: &'h [u8]) -> u32 {
        let length = before.map_or(0, |node| self.nodes[node as usize].length) + bytes.len();
        self.nodes.push(Node { before, bytes, length });
        u32::try_from(self.nodes.len() - 1).expect("a node for each step")
    }

    fn holds(&self, state: State, value: Option<&Value>) -> bool {
        let (Some(mut at), Some(value)) = (state, value) else {
            return state.is_none() && value.is_none();
        };
        let mut rest = value.as_slice();
        if self.nodes[at as usize].length != rest.len() {
            return false;
        }
        loop {
            let node = &self.nodes[at as usize];
            let Some(shorter) = rest.strip_suffix(node.bytes) else { return false };
            rest = shorter;
            let Some(before) = node.before else { return rest.is_empty() };
            at = before;
        }
    }
}
