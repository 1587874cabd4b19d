//! Keys at which no value that somebody names is written twice: decided by their zones, in the time of a sort.
//!
//! There it is known who reads from whom. So the operations fall into clusters: a write and the reads that saw its value;
//! and the clusters into blocks: one that a swap makes of another follows it at once. Blocks do not interleave. Write `f`
//! for the first return in a block and `s` for its last invocation. One block has to come before another if its `f` lies
//! before the other's `s`, and an order of the blocks exists if and only if no two have to come before each other: of
//! a longer circle, the block with the earliest `f` has to come before all others of it. (Gibbons and Korach, "Testing
//! shared memories", 1997, for reads and writes. Blocks carry it over to swaps: within one, the order is given.)
//!
//! When this applies:
//!
//! - nothing is appended or deleted, and no value that a read or a swap names is written twice or is the initial one;
//! - an unknown write or swap whose value was seen did take effect, with no end of its interval. One whose value nobody saw
//!   can be left out: nothing depends on it;
//! - a swap that found something else says that the key did not hold a value, which is not a matter of blocks. Unless
//!   that value never was there, it is left aside: then a contradiction is one, but an order proves nothing.

mod cluster;

use self::cluster::Cluster;
use crate::{
    intern::{Interner, Table},
    nearly,
};
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainHistory, PlainOperation};

/// What the zones say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Zoned {
    /// There is an order.
    Linearizable,
    /// There is none, for a reason.
    Broken(Clash),
    /// They cannot tell.
    Unknown,
}

/// Why there is no order. Numbers are positions of operations in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// It saw a value that nobody wrote.
    NeverWritten(u32),
    /// The first saw what the second wrote, and had returned before the second was invoked.
    FromFuture(u32, u32),
    /// Both swapped the same value, which was there once.
    SwappedTwice(u32, u32),
    /// Swaps that feed each other, and nothing before them.
    Circle(u32),
    /// The swap put an end to a value. One operation returned after the effect of that, and one needed the value and was
    /// invoked later.
    OutOfTurn {
        /// The swap.
        swap: u32,
        /// Saw or made what came after.
        after: u32,
        /// Saw or made what was before.
        before: u32,
    },
    /// The first pair orders its blocks one way, the second pair the other way: in each, the first returned before the
    /// second was invoked.
    Crossed([u32; 2], [u32; 2]),
}

const NOBODY: u32 = u32::MAX;
/// Before every operation.
pub(crate) const START: u64 = 0;
/// After every operation.
pub(crate) const END: u64 = u64::MAX;

/// The first return in a block and its last invocation, with the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Zone {
    first: (u64, u32),
    last: (u64, u32),
}

/// Judges the operations at these positions, which name the same key.
pub(crate) fn decide(history: &PlainHistory, operations: &[u32]) -> Zoned {
    match Zones::new(history, operations) {
        None => Zoned::Unknown,
        Some(zones) => match zones.decide() {
            Err(clash) => Zoned::Broken(clash),
            Ok(true) => Zoned::Linearizable,
            Ok(false) => Zoned::Unknown,
        },
    }
}

struct Zones<'h> {
    history: &'h PlainHistory,
    clusters: Vec<Cluster>,
    values: Interner<'h>,
    /// Unknown swaps: from and to.
    doubtful: Vec<(u32, u32, u32)>,
    /// Writes of values that are written more than once: nobody may name those.
    repeated: Vec<u32>,
    /// Values that swaps did not find.
    denied: Vec<u32>,
    /// A value that somebody names is written twice, or is the initial one.
    is_ambiguous: bool,
}

impl<'h> Zones<'h> {
    /// [`None`] if they do not apply.
    fn new(history: &'h PlainHistory, operations: &[u32]) -> Option<Self> {
        let mut zones = Self {
            history,
            clusters: Vec::new(),
            values: Interner::default(),
            doubtful: Vec::new(),
            repeated: Vec::new(),
            denied: Vec::new(),
            is_ambiguous: false,
        };
        // Absence is the first cluster, and nobody writes it.
        zones.clusters.push(Cluster::new());
        let initial = zones.cluster(history.initial.as_ref());
        zones.clusters[initial as usize].is_initial = true;
        for &position in operations {
            zones.add(position, &history.operations[position as usize])?;
            // It will not become clearer.
            if zones.is_ambiguous {
                return None;
            }
        }
        Some(zones)
    }

    fn cluster(&mut self, value: Option<&'h Value>) -> u32 {
        let Some(value) = value else { return 0 };
        let cluster = self.values.number(value.as_slice()) + 1;
        if cluster as usize == self.clusters.len() {
            self.clusters.push(Cluster::new());
        }
        cluster
    }

    fn add(&mut self, position: u32, operation: &'h PlainOperation) -> Option<()> {
        let interval = interval(operation)?;
        match (&operation.action, operation.completed.is_some()) {
            (PlainAction::Append(_) | PlainAction::Delete, _) => return None,
            (PlainAction::Read(_), false) => {}
            (PlainAction::Read(value), true) => {
                let cluster = self.cluster(value.as_ref());
                self.clusters[cluster as usize].see(position, interval);
                self.name(cluster);
            }
            (PlainAction::Write(value), _) => {
                let cluster = self.cluster(Some(value));
                self.write(cluster, position, interval);
            }
            (PlainAction::Cas { from, to, swapped }, is_answered) => {
                let is_idle = from.as_ref() == Some(to);
                let from = self.cluster(from.as_ref());
                self.name(from);
                match (is_answered, swapped) {
                    (true, Some(false)) => self.denied.push(from),
                    (true, _) if is_idle => self.clusters[from as usize].see(position, interval),
                    (false, _) if is_idle => {}
                    (true | false, _) => {
                        let to = self.cluster(Some(to));
                        self.write(to, position, interval);
                        // Whether it took effect is known when all is read.
                        self.doubtful.push((position, from, to));
                        if is_answered {
                            self.clusters[from as usize].is_seen = true;
                            self.clusters[to as usize].is_seen = true;
                        }
                    }
                }
            }
        }
        Some(())
    }

    /// Somebody names the value.
    fn name(&mut self, cluster: u32) {
        let named = &mut self.clusters[cluster as usize];
        named.is_named = true;
        self.is_ambiguous |= named.is_ambiguous();
    }

    fn write(&mut self, cluster: u32, position: u32, interval: (u64, u64)) {
        let written = &mut self.clusters[cluster as usize];
        written.written = interval;
        if written.writer == NOBODY && !written.is_initial {
            written.writer = position;
            return;
        }
        self.is_ambiguous |= written.is_named;
        if !written.is_written_twice && !written.is_initial {
            self.repeated.push(written.writer);
        }
        written.writer = position;
        written.is_written_twice = true;
        self.repeated.push(position);
    }

    /// Whether the order that there is proves something.
    fn decide(mut self) -> Result<bool, Clash> {
        self.link()?;
        for cluster in &self.clusters {
            Self::check(cluster)?;
        }
        let mut zones = self.blocks()?;
        nearly::sort(&mut zones);
        if let Some([one, other]) = crossed(&zones, |zone| (zone.first.0, zone.last.0)) {
            let ways = [[one.first.1, other.last.1], [other.first.1, one.last.1]];
            return Err(Clash::Crossed(ways[0], ways[1]));
        }
        let was_there = |cluster: &u32| {
            let cluster = &self.clusters[*cluster as usize];
            cluster.is_seen || cluster.is_initial || cluster.writer != NOBODY
        };
        Ok(!self.denied.iter().any(was_there))
    }

    /// Which swaps took effect: those that were answered, and those whose value was seen.
    fn link(&mut self) -> Result<(), Clash> {
        let mut maker: Table<u32, (u32, u32)> = Table::default();
        let mut seen = Vec::new();
        for (swap, from, to) in std::mem::take(&mut self.doubtful) {
            let mut to = to;
            if self.clusters[to as usize].is_written_twice {
                // Nobody names that value, so it is one of its own.
                if !self.is_answered(swap) {
                    continue;
                }
                to = u32::try_from(self.clusters.len()).expect("clusters are numbered by u32");
                self.clusters.push(Cluster {
                    writer: swap,
                    is_seen: true,
                    written: self.interval(swap),
                    ..Cluster::new()
                });
            }
            maker.insert(to, (swap, from));
        }
        for (number, cluster) in (0..).zip(&self.clusters) {
            if cluster.is_seen && !cluster.is_written_twice {
                seen.push(number);
            }
        }
        while let Some(to) = seen.pop() {
            let Some(&(swap, from)) = maker.get(&to) else { continue };
            let source = &mut self.clusters[from as usize];
            if source.swap == swap {
                continue;
            }
            if source.swap != NOBODY {
                return Err(Clash::SwappedTwice(source.swap, swap));
            }
            (source.swap, source.successor) = (swap, to);
            if !source.is_seen {
                source.is_seen = true;
                seen.push(from);
            }
        }
        Ok(())
    }

    fn interval(&self, position: u32) -> (u64, u64) {
        interval(&self.history.operations[position as usize]).expect("all were looked at")
    }

    /// A value was seen only if it was written, and not before.
    const fn check(cluster: &Cluster) -> Result<(), Clash> {
        if !cluster.is_seen || cluster.is_initial {
            return Ok(());
        }
        let witness = if cluster.first.1 == NOBODY { cluster.swap } else { cluster.first.1 };
        if cluster.writer == NOBODY {
            return Err(Clash::NeverWritten(witness));
        }
        if cluster.first.0 < cluster.written.0 {
            return Err(Clash::FromFuture(witness, cluster.writer));
        }
        Ok(())
    }

    /// The zones of the blocks, after seeing that each of them is in order.
    fn blocks(&self) -> Result<Vec<Zone>, Clash> {
        let has_swaps = self.clusters.iter().any(|cluster| cluster.successor != NOBODY);
        let mut has_predecessor = vec![false; if has_swaps { self.clusters.len() } else { 0 }];
        let mut awaited = 0;
        for cluster in self.clusters.iter().filter(|cluster| cluster.successor != NOBODY) {
            has_predecessor[cluster.successor as usize] = true;
            awaited += 1;
        }
        let mut zones = Vec::with_capacity(self.clusters.len());
        for (number, cluster) in self.clusters.iter().enumerate() {
            if has_swaps && has_predecessor[number] || !Self::is_present(cluster) {
                continue;
            }
            let mut zone = Self::zone(cluster);
            let mut last = cluster;
            while last.successor != NOBODY {
                let swap = last.swap;
                last = &self.clusters[last.successor as usize];
                awaited -= 1;
                let next = Self::zone(last);
                if next.first.0 < zone.last.0 {
                    return Err(Clash::OutOfTurn {
                        swap,
                        after: next.first.1,
                        before: zone.last.1,
                    });
                }
                zone.first = zone.first.min(next.first);
                zone.last = zone.last.max(next.last);
            }
            zones.push(zone);
        }
        if awaited > 0 {
            let swap = self.clusters.iter().find(|cluster| cluster.swap != NOBODY);
            return Err(Clash::Circle(swap.expect("a circle is made of swaps").swap));
        }
        zones.extend(self.repeated.iter().filter(|write| self.is_lone(**write)).map(|write| {
            let (invoked, end) = self.interval(*write);
            Zone { first: (end, *write), last: (invoked, *write) }
        }));
        Ok(zones)
    }

    /// Whether a value that is not written twice was there for sure.
    const fn is_present(cluster: &Cluster) -> bool {
        if cluster.is_written_twice {
            return cluster.is_initial;
        }
        cluster.is_initial
            || cluster.is_seen
            || cluster.writer != NOBODY && cluster.written.1 != END
    }

    /// Whether it was a write that took effect for sure.
    fn is_lone(&self, position: u32) -> bool {
        let operation = &self.history.operations[position as usize];
        operation.completed.is_some() && matches!(operation.action, PlainAction::Write(_))
    }

    fn is_answered(&self, position: u32) -> bool {
        self.history.operations[position as usize].completed.is_some()
    }

    fn zone(cluster: &Cluster) -> Zone {
        let (first, last) = if cluster.is_initial {
            ((START, NOBODY), (START, NOBODY))
        } else {
            let (invoked, end) = cluster.written;
            ((end, cluster.writer), (invoked, cluster.writer))
        };
        Zone { first: first.min(cluster.first), last: last.max(cluster.last) }
    }
}

/// A time as a number between [`START`] and [`END`]; [`None`] if it is too late for that.
fn moment(time: u64) -> Option<u64> {
    time.checked_add(1).filter(|moment| *moment < END)
}

/// The moments at which an operation was invoked and returned.
pub(crate) fn interval(operation: &PlainOperation) -> Option<(u64, u64)> {
    let end = operation.completed.map_or(Some(END), |end| moment(end.0));
    Some((moment(operation.invoked.0)?, end?))
}

/// Two zones that each have to come before the other. They are sorted by their first returns, and `bounds` says the first
/// return and the last invocation of one.
///
/// Of those of which the last invocation is after the first return, the next one does not begin before one is over, or
/// they are crossed. So it is enough to hold the latest of them against what follows.
pub(crate) fn crossed<Z: Copy>(zones: &[Z], bounds: impl Fn(&Z) -> (u64, u64)) -> Option<[Z; 2]> {
    let mut forward: Option<(Z, u64, u64)> = None;
    for zone in zones {
        let (first, last) = bounds(zone);
        if let Some((around, its_first, its_last)) = forward
            && first < its_last
            && its_first < last
        {
            return Some([around, *zone]);
        }
        if first < last {
            forward = Some((*zone, first, last));
        }
    }
    None
}
