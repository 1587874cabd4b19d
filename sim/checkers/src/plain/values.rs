//! The values that a key can hold, as small numbers, so far as an observer can tell them apart.

use crate::intern::Table;
use std::ops::Range;
use whitewater_api::Value;

/// What a key holds: [`ABSENT`], [`OTHER`], or a value that some observer names.
pub(crate) type State = u32;

/// The key holds nothing.
pub(crate) const ABSENT: State = 0;

/// The key holds something that no observer to come names, nor can it become so by appending to it.
pub(crate) const OTHER: State = 1;

/// The moment after the last event.
pub(crate) const FOREVER: u32 = u32::MAX;

/// The values of one key.
///
/// Only a value that an observer names can be told from another, so all the rest is one state. Where values are appended
/// to, a prefix of a named value counts too, and a state is a node of the trie of the named values: the appends that
/// a read has seen order themselves, because any other order leaves the trie and never comes back.
#[derive(Debug)]
pub(crate) struct Values<'h> {
    kind: Kind<'h>,
    /// By state: the last event at which an observer that names it, or something that it is a prefix of, is open.
    last_named: Vec<u32>,
}

#[derive(Debug)]
enum Kind<'h> {
    /// Nothing is appended: a value is named or it is not, and all were numbered beforehand.
    Exact,
    /// Prefixes of named values.
    Trie(Trie<'h>),
    /// What will be named is not known yet: every value that occurs is a state.
    Open(Open),
}

/// Nodes of the trie of the named values, made when they are first reached.
#[derive(Debug)]
struct Trie<'h> {
    /// The named values, sorted, without doubles, each with the last event that names it.
    named: Vec<(&'h [u8], u32)>,
    /// By state, from 2.
    nodes: Vec<Node>,
    numbers: Table<u64, State>,
    /// The node that an append leads to.
    memo: Table<u64, State>,
    chunks: Vec<&'h [u8]>,
    /// Maxima of `last` over `named`, a segment tree.
    maxima: Vec<u32>,
}

/// The named values that begin with the same `depth` bytes.
#[derive(Clone, Debug)]
struct Node {
    range: Range<u32>,
    depth: u32,
}

/// Values as they come.
#[derive(Debug, Default)]
pub(crate) struct Open {
    numbers: Table<Box<[u8]>, State>,
    strings: Vec<Box<[u8]>>,
    chunks: Vec<Box<[u8]>>,
    chunk_numbers: Table<Box<[u8]>, u32>,
}

/// What the observers of a key name: a value or absence, and the last event at which that observer is open.
#[derive(Debug, Default)]
pub(crate) struct Named<'h> {
    /// Values.
    pub(crate) values: Vec<(&'h [u8], u32)>,
    /// Absence.
    pub(crate) absent: u32,
    /// Something other than a certain value.
    pub(crate) other: u32,
}

impl<'h> Named<'h> {
    /// Somebody names `value`, or absence, and is open until `last`.
    pub(crate) fn add(&mut self, value: Option<&'h Value>, last: u32) {
        match value {
            Some(value) => self.values.push((value.as_slice(), last)),
            None => self.absent = self.absent.max(last),
        }
    }
}

impl<'h> Values<'h> {
    /// The values of a key to which nothing is appended: by state, the last event at which an observer names it.
    pub(crate) fn exact(last_named: Vec<u32>) -> Self {
        Self { kind: Kind::Exact, last_named }
    }

    /// The values of a key to which `chunks` are appended.
    pub(crate) fn trie(named: Named<'h>, chunks: Vec<&'h [u8]>) -> Self {
        let Named { values: mut all, absent, other } = named;
        all.sort_unstable();
        let mut merged: Vec<(&[u8], u32)> = Vec::with_capacity(all.len());
        for (value, last) in all {
            match merged.last_mut() {
                Some(previous) if previous.0 == value => previous.1 = last.max(previous.1),
                _ => merged.push((value, last)),
            }
        }
        let leaves = merged.len().next_power_of_two();
        let mut maxima = vec![0; 2 * leaves];
        for (leaf, (_, last)) in maxima[leaves..].iter_mut().zip(&merged) {
            *leaf = *last;
        }
        for i in (1..leaves).rev() {
            maxima[i] = maxima[2 * i].max(maxima[2 * i + 1]);
        }
        let trie = Trie {
            named: merged,
            nodes: Vec::new(),
            numbers: Table::default(),
            memo: Table::default(),
            chunks,
            maxima,
        };
        let mut values = Self { kind: Kind::Trie(trie), last_named: vec![absent, other] };
        let empty = values.value(b"");
        values.last_named[ABSENT as usize] = absent.max(values.last_named(empty));
        values
    }

    /// The values of a key of which not everything is known yet.
    pub(crate) fn open() -> Self {
        Self { kind: Kind::Open(Open::default()), last_named: vec![FOREVER, FOREVER] }
    }

    /// Where the one can be made the other at any time, the one is asked for as long as the other.
    pub(crate) fn carry_back(&mut self, mut edges: Vec<(State, State)>) {
        edges.sort_unstable();
        edges.dedup();
        loop {
            let mut has_changed = false;
            for &(from, to) in &edges {
                let last = self.last_named(to).max(self.last_named(OTHER));
                if self.last_named(from) < last {
                    self.last_named[from as usize] = last;
                    has_changed = true;
                }
            }
            if !has_changed {
                return;
            }
        }
    }

    /// The state in which the key holds `value`.
    pub(crate) fn value(&mut self, value: &[u8]) -> State {
        match &mut self.kind {
            Kind::Exact => unreachable!("the values of this key are numbered beforehand"),
            Kind::Trie(trie) => trie.value(value, &mut self.last_named),
            Kind::Open(open) => open.value(value, &mut self.last_named),
        }
    }

    /// The number of something that may be appended.
    pub(crate) fn chunk(&mut self, chunk: &[u8]) -> u32 {
        match &mut self.kind {
            Kind::Open(open) => open.chunk(chunk),
            Kind::Exact | Kind::Trie(_) => unreachable!("these number their chunks first"),
        }
    }

    /// The state after appending a chunk.
    pub(crate) fn append(&mut self, state: State, chunk: u32) -> State {
        match &mut self.kind {
            Kind::Exact => unreachable!("this key has no appends"),
            Kind::Trie(trie) => trie.append(state, chunk, &mut self.last_named),
            Kind::Open(open) => open.append(state, chunk, &mut self.last_named),
        }
    }

    /// The last event at which something can depend on the key holding this.
    pub(crate) fn last_named(&self, state: State) -> u32 {
        self.last_named[state as usize]
    }

    /// How many states there are so far.
    pub(crate) fn len(&self) -> usize {
        self.last_named.len()
    }

    /// Carries a state of values as they come over to others of that kind.
    pub(crate) fn carry(&self, state: State, to: &mut Self) -> State {
        match &self.kind {
            Kind::Open(open) if state > OTHER => to.value(&open.strings[state as usize - 2]),
            Kind::Exact | Kind::Trie(_) | Kind::Open(_) => state,
        }
    }

    /// The same for what is appended.
    pub(crate) fn carry_chunk(&self, chunk: u32, to: &mut Self) -> u32 {
        match &self.kind {
            Kind::Open(open) => to.chunk(&open.chunks[chunk as usize]),
            Kind::Exact | Kind::Trie(_) => chunk,
        }
    }
}

impl Trie<'_> {
    fn value(&mut self, value: &[u8], last_named: &mut Vec<u32>) -> State {
        let all = Node { range: 0..number(self.named.len()), depth: 0 };
        self.walk(&all, value, last_named)
    }

    fn append(&mut self, state: State, chunk: u32, last_named: &mut Vec<u32>) -> State {
        if state == OTHER {
            return OTHER;
        }
        let memo = u64::from(state) << 32 | u64::from(chunk);
        if let Some(&next) = self.memo.get(&memo) {
            return next;
        }
        let node = match state {
            ABSENT => Node { range: 0..number(self.named.len()), depth: 0 },
            node => self.nodes[node as usize - 2].clone(),
        };
        let next = self.walk(&node, self.chunks[chunk as usize], last_named);
        self.memo.insert(memo, next);
        next
    }

    /// The node below `node` by the bytes of `more`.
    fn walk(&mut self, node: &Node, more: &[u8], last_named: &mut Vec<u32>) -> State {
        let depth = node.depth as usize;
        let range = node.range.start as usize..node.range.end as usize;
        let within = &self.named[range.clone()];
        // All of them begin alike, so the rest of them is sorted too.
        let low = within.partition_point(|(value, _)| &value[depth..] < more);
        let count = within[low..].partition_point(|(value, _)| value[depth..].starts_with(more));
        if count == 0 {
            return OTHER;
        }
        let (low, high) = (range.start + low, range.start + low + count);
        let deeper = Node { range: number(low)..number(high), depth: number(depth + more.len()) };
        let key = u64::from(deeper.range.start) << 32 | u64::from(deeper.depth);
        let next = number(last_named.len());
        let state = *self.numbers.entry(key).or_insert(next);
        if state == next {
            last_named.push(self.maximum(low, high));
            self.nodes.push(deeper);
        }
        state
    }

    fn maximum(&self, low: usize, high: usize) -> u32 {
        let leaves = self.maxima.len() / 2;
        let (mut low, mut high, mut maximum) = (low + leaves, high + leaves, 0);
        while low < high {
            if low % 2 == 1 {
                maximum = maximum.max(self.maxima[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                maximum = maximum.max(self.maxima[high]);
            }
            (low, high) = (low / 2, high / 2);
        }
        maximum
    }
}

impl Open {
    fn value(&mut self, value: &[u8], last_named: &mut Vec<u32>) -> State {
        if let Some(&state) = self.numbers.get(value) {
            return state;
        }
        let state = number(last_named.len());
        self.numbers.insert(value.into(), state);
        self.strings.push(value.into());
        last_named.push(FOREVER);
        state
    }

    fn chunk(&mut self, chunk: &[u8]) -> u32 {
        if let Some(&known) = self.chunk_numbers.get(chunk) {
            return known;
        }
        let next = number(self.chunks.len());
        self.chunk_numbers.insert(chunk.into(), next);
        self.chunks.push(chunk.into());
        next
    }

    fn append(&mut self, state: State, chunk: u32, last_named: &mut Vec<u32>) -> State {
        let mut whole = match state {
            ABSENT => Vec::new(),
            OTHER => unreachable!("every value is a state of its own"),
            value => self.strings[value as usize - 2].to_vec(),
        };
        whole.extend_from_slice(&self.chunks[chunk as usize]);
        self.value(&whole, last_named)
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("states are numbered by u32")
}
