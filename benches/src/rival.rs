//! What the judges are held against: the algorithm of Porcupine (Athalye, `checker.go`), written anew after its
//! published form.
//!
//! Wing and Gong's search with Lowe's memory of configurations, key by key: a linked list of calls and returns; a call
//! that is legal is lifted out of the list together with its return and the search goes on from the front; at a return
//! the last call is put back. A configuration is a set of operations, as many bits as there are, and a state. An
//! operation without an answer returns at the end of time.
//!
//! It is in the same language and process as the judges, so that both are measured by the same clock on the same
//! machine. It is no slower than the original: on Jepsen's logs the table shows both.

use crate::usage;
use std::{
    collections::BTreeMap,
    hash::{BuildHasherDefault, DefaultHasher},
    time::Duration,
};
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainHistory, PlainOperation};

/// What it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An order.
    Linearizable,
    /// That there is none.
    Not,
    /// Nothing, within its limits.
    Undecided,
}

impl Found {
    /// Whether the history is right, if that was decided.
    #[must_use]
    pub const fn is_right(self) -> Option<bool> {
        match self {
            Self::Linearizable => Some(true),
            Self::Not => Some(false),
            Self::Undecided => None,
        }
    }
}

/// What it may take, on a command line.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Patience {
    /// The rival gives up on a history after so many seconds of CPU time.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Or when it remembers so many MiB.
    #[arg(long, default_value_t = 2_048)]
    mebibytes: usize,
}

impl Patience {
    /// The same as limits.
    #[must_use]
    pub const fn limits(self) -> Limits {
        Limits {
            time: Duration::from_secs(self.seconds),
            bytes: self.mebibytes.saturating_mul(1 << 20),
        }
    }
}

/// What it may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU time.
    pub time: Duration,
    /// Bytes of remembered configurations.
    pub bytes: usize,
}

/// Judges a history, key by key.
pub fn judge(history: &PlainHistory, limits: Limits) -> Found {
    let mut by_key: BTreeMap<&[u8], Vec<&PlainOperation>> = BTreeMap::new();
    for operation in &history.operations {
        by_key.entry(operation.key.as_slice()).or_default().push(operation);
    }
    let end = usage::cpu() + limits.time;
    let initial = history.initial.as_ref().map(|value| value.as_slice().to_vec());
    let mut worst = Found::Linearizable;
    for operations in by_key.values() {
        match key(operations, initial.clone(), end, limits.bytes) {
            Found::Linearizable => {}
            Found::Not => return Found::Not,
            Found::Undecided => worst = Found::Undecided,
        }
    }
    worst
}

/// Configurations by their hash.
#[expect(clippy::disallowed_types, reason = "keyed lookup, never iterated, with a fixed hasher")]
type Seen =
    std::collections::HashMap<u64, Vec<(Vec<u64>, State)>, BuildHasherDefault<DefaultHasher>>;

/// What a key holds.
type State = Option<Vec<u8>>;

/// A call, or a return.
struct Node {
    operation: usize,
    /// Of a call: its return.
    mate: Option<usize>,
    before: usize,
    after: usize,
}

/// The list of calls and returns in the order of time. Node 0 is its head.
struct List(Vec<Node>);

impl List {
    fn new(operations: &[&PlainOperation]) -> Self {
        // At one moment calls come before returns: intervals are closed.
        let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * operations.len());
        for (i, operation) in operations.iter().enumerate() {
            events.push((operation.invoked.0, false, i));
            events.push((operation.completed.map_or(u64::MAX, |at| at.0), true, i));
        }
        events.sort_unstable();
        let mut nodes = vec![Node { operation: usize::MAX, mate: None, before: 0, after: 1 }];
        let mut calls = vec![0; operations.len()];
        for (place, (_, is_return, operation)) in events.into_iter().enumerate() {
            nodes.push(Node { operation, mate: None, before: place, after: place + 2 });
            if is_return {
                nodes[calls[operation]].mate = Some(place + 1);
            } else {
                calls[operation] = place + 1;
            }
        }
        // Behind the last one.
        nodes.push(Node { operation: usize::MAX, mate: None, before: nodes.len() - 1, after: 0 });
        Self(nodes)
    }

    fn is_end(&self, node: usize) -> bool {
        node + 1 == self.0.len()
    }

    fn first(&self) -> usize {
        self.0[0].after
    }

    fn take(&mut self, node: usize) {
        let (before, after) = (self.0[node].before, self.0[node].after);
        self.0[before].after = after;
        self.0[after].before = before;
    }

    fn put_back(&mut self, node: usize) {
        let (before, after) = (self.0[node].before, self.0[node].after);
        self.0[before].after = node;
        self.0[after].before = node;
    }
}

fn key(operations: &[&PlainOperation], initial: State, end: Duration, bytes_max: usize) -> Found {
    let mut list = List::new(operations);
    let mut done = vec![0_u64; operations.len().div_ceil(64)];
    let mut seen = Seen::default();
    let mut calls: Vec<(usize, State)> = Vec::new();
    let (mut state, mut node, mut steps, mut bytes) = (initial, list.first(), 0_u64, 0);
    while !list.is_end(list.first()) {
        steps += 1;
        if bytes > bytes_max || (steps.is_multiple_of(1 << 12) && usage::cpu() >= end) {
            return Found::Undecided;
        }
        let Some(mate) = list.0[node].mate else {
            let Some((call, before)) = calls.pop() else { return Found::Not };
            let operation = list.0[call].operation;
            done[operation / 64] &= !(1 << (operation % 64));
            let mate = list.0[call].mate.unwrap_or_default();
            list.put_back(mate);
            list.put_back(call);
            (state, node) = (before, list.0[call].after);
            continue;
        };
        let operation = list.0[node].operation;
        let Some(next) = step(operations[operation], &state) else {
            node = list.0[node].after;
            continue;
        };
        done[operation / 64] |= 1 << (operation % 64);
        let configuration = (done.clone(), next);
        let known = seen.entry(hash(&configuration)).or_default();
        if known.contains(&configuration) {
            done[operation / 64] &= !(1 << (operation % 64));
            node = list.0[node].after;
            continue;
        }
        bytes += size_of_val(done.as_slice()) + 64;
        let next = configuration.1.clone();
        known.push(configuration);
        calls.push((node, std::mem::replace(&mut state, next)));
        list.take(node);
        list.take(mate);
        node = list.first();
    }
    Found::Linearizable
}

/// As Porcupine mixes it: the words of the set, how many there are, and the state.
fn hash((done, state): &(Vec<u64>, State)) -> u64 {
    let count: u32 = done.iter().map(|word| word.count_ones()).sum();
    let set = done.iter().fold(u64::from(count), |hash, word| hash ^ word);
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    set ^ state.as_deref().map_or(1, |state| state.iter().fold(0xcbf2_9ce4_8422_2325, mix))
}

/// The state after an operation, if its answer allows it.
fn step(operation: &PlainOperation, state: &State) -> Option<State> {
    let is_open = operation.completed.is_none();
    let holds = |value: &Option<Value>| value.as_ref().map(Value::as_slice) == state.as_deref();
    match &operation.action {
        PlainAction::Read(seen) => (is_open || holds(seen)).then(|| state.clone()),
        PlainAction::Write(value) => Some(Some(value.as_slice().to_vec())),
        PlainAction::Append(value) => {
            let mut longer = state.clone().unwrap_or_default();
            longer.extend_from_slice(value.as_slice());
            Some(Some(longer))
        }
        PlainAction::Delete => Some(None),
        PlainAction::Cas { from, to, swapped } => {
            let (is_there, to) = (holds(from), || Some(Some(to.as_slice().to_vec())));
            match (swapped, is_there) {
                (None | Some(true), true) => to(),
                (None | Some(false), false) => Some(state.clone()),
                (Some(true), false) | (Some(false), true) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_record::formats::{Recorded, read};

    fn found(lines: &str) -> Found {
        let text = format!("{{\"format\":\"lin-hist/1\",\"kind\":\"kv\"}}\n{lines}");
        let Ok((_, Recorded::Plain(history))) = read("test", None, text.as_bytes()) else {
            panic!("{text}")
        };
        judge(&history, Limits { time: Duration::from_secs(10), bytes: 1 << 30 })
    }

    #[test]
    fn it_tells_right_from_wrong() {
        let puts = "{\"p\":1,\"f\":\"put\",\"k\":1,\"v\":1,\"t0\":0,\"t1\":9}\n{\"p\":2,\"f\":\"put\",\"k\":1,\"v\":2,\"t0\":20,\"t1\":40}\n";
        let get = |out, t0| {
            format!("{puts}{{\"p\":3,\"f\":\"get\",\"k\":1,\"out\":{out},\"t0\":{t0},\"t1\":60}}\n")
        };
        assert_eq!(found(&get(1, 30)), Found::Linearizable);
        assert_eq!(found(&get(2, 50)), Found::Linearizable);
        assert_eq!(found(&get(1, 50)), Found::Not);
        assert_eq!(found(&get(3, 30)), Found::Not);
        let lost = "{\"p\":1,\"f\":\"put\",\"k\":1,\"v\":1,\"t0\":0,\"t1\":null}\n";
        let get = |out, t0| {
            format!("{{\"p\":{t0},\"f\":\"get\",\"k\":1,\"out\":{out},\"t0\":{t0},\"t1\":{t0}}}\n")
        };
        assert_eq!(found(&format!("{lost}{}{}", get("null", 5), get("1", 6))), Found::Linearizable);
        assert_eq!(found(&format!("{lost}{}{}", get("1", 5), get("null", 6))), Found::Not);
    }
}
