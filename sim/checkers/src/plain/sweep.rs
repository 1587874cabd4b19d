//! Keys whose values come and go: decided in one pass over the operations, in the order of their invocation.
//!
//! The clusters are those of [`zones`](super::zones): a write, and the reads that saw its value. But a cluster that is over
//! is forgotten. So little memory is touched however long the history is, and a value may be written again once nobody
//! can mean the old one any more.
//!
//! Write `f` for the first return in a cluster and `s` for its last invocation. A cluster `a` has to come before `b` if
//! `f(a) < s(b)`; two that have to come before each other are crossed, and if no two are, there is an order. When all that
//! was invoked before `now` was looked at, `a` is *over* if there is another `b` with `f(b) < now` and `f(a) < s(b)`: whoever
//! read the value of `a` from now on would have to come before `b` and after it. If `c` is not over, `s(a) <= f(c)`, or it
//! would be over because of `a`; and what is invoked from now on returns later than that. So `a` is crossed with nothing that
//! is left or that comes, and it is enough to look for crossed pairs among those that are there when it is forgotten.
//!
//! It only says yes, and then there is an order: it is assumed who reads from whom, and that works out. If it does not,
//! another engine has to tell whether the assumption was wrong. Where no value is written twice all that is right gets
//! its yes. Swaps and appends are not for it.

use super::zones::{END, START, crossed, interval};
use crate::{
    intern::{Token, Tokens},
    nearly,
};
use whitewater_api::Value;
use whitewater_record::{PlainAction, PlainOperation};

/// With so many clusters it is looked which of them are over: few enough for the nearest cache, with some more keys.
pub(crate) const CLUSTERS: usize = 64;

/// The operations on a key, as they are invoked.
#[derive(Debug)]
pub(crate) struct Sweep<'h> {
    /// In the order in which they were first met.
    clusters: Vec<Cluster>,
    /// By cluster.
    values: Tokens<'h>,
    clusters_min: usize,
    /// With so many it is looked which are over.
    clusters_max: usize,
    /// The latest invocation.
    now: u64,
    /// Nothing stands against an order so far.
    is_right: bool,
    /// First return and last invocation of each cluster.
    zones: Vec<(u64, u64)>,
}

/// A value while somebody may mean it.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    /// The first return.
    first: u64,
    /// The last invocation.
    last: u64,
    /// Somebody wrote it, or it was there from the start.
    is_written: bool,
}

impl<'h> Sweep<'h> {
    /// A key that holds `initial`, and a look at what is over with every so many clusters.
    pub(crate) fn new(initial: Option<&'h Value>, clusters: usize) -> Self {
        let mut values = Tokens::default();
        values.number(Token::new(initial.map(Value::as_slice)));
        Self {
            clusters: vec![Cluster { first: START, last: START, is_written: true }],
            values,
            clusters_min: clusters,
            clusters_max: clusters,
            now: START,
            is_right: true,
            zones: Vec::new(),
        }
    }

    /// The next operation is invoked. Whether nothing stands against an order so far.
    pub(crate) fn add(&mut self, operation: &'h PlainOperation) -> bool {
        self.is_right = self.is_right && self.take(operation).is_some();
        self.is_right
    }

    /// Whether there is an order; if not, that is for others to say.
    pub(crate) fn finish(mut self) -> bool {
        self.now = END;
        self.is_right && self.check().is_some()
    }

    /// [`None`] if it is not known whether there is an order.
    fn take(&mut self, operation: &'h PlainOperation) -> Option<()> {
        let (invoked, end) = interval(operation)?;
        if invoked < self.now {
            return None;
        }
        self.now = invoked;
        let (value, is_write) = match &operation.action {
            PlainAction::Read(_) if end == END => return Some(()),
            PlainAction::Read(seen) => (seen.as_ref(), false),
            PlainAction::Write(value) => (Some(value), true),
            PlainAction::Delete => (None, true),
            PlainAction::Append(_) | PlainAction::Cas { .. } => return None,
        };
        let mut cluster = self.cluster(value)?;
        if is_write && self.clusters[cluster].is_written {
            // A look at many for each value that is written again would take too long.
            if self.clusters.len() > self.clusters_min {
                return None;
            }
            self.forget()?;
            cluster = self.cluster(value)?;
        }
        let cluster = &mut self.clusters[cluster];
        if is_write && (cluster.is_written || cluster.first < invoked) {
            return None;
        }
        cluster.is_written |= is_write;
        cluster.first = cluster.first.min(end);
        cluster.last = invoked;
        Some(())
    }

    /// The position of the cluster of a value, a new one if there is none.
    fn cluster(&mut self, value: Option<&'h Value>) -> Option<usize> {
        let value = Token::new(value.map(Value::as_slice));
        if self.clusters.len() >= self.clusters_max && self.values.get(value).is_none() {
            self.forget()?;
        }
        let position = self.values.number(value) as usize;
        if position == self.clusters.len() {
            self.clusters.push(Cluster { first: END, last: START, is_written: false });
        }
        Some(position)
    }

    /// Forgets what is over. [`None`] if it is not known whether there is an order.
    fn forget(&mut self) -> Option<()> {
        self.check()?;
        let (mut latest, mut next) = (START, START);
        for (_, last) in self.zones.iter().take_while(|(first, _)| *first < self.now) {
            (latest, next) = (latest.max(*last), next.max(latest.min(*last)));
        }
        let is_left = |cluster: &Cluster| {
            let other = if cluster.last == latest { next } else { latest };
            other <= cluster.first
        };
        let clusters = &self.clusters;
        self.values.retain(|position| is_left(&clusters[position]));
        self.clusters.retain(is_left);
        self.clusters_max = self.clusters_min.max(2 * self.clusters.len());
        Some(())
    }

    /// Looks for what stands against an order among the clusters that are there.
    fn check(&mut self) -> Option<()> {
        // It saw something that nobody had written before it returned, or that was over.
        let is_unwritten = |cluster: &Cluster| !cluster.is_written && cluster.first < self.now;
        if self.clusters.iter().any(is_unwritten) {
            return None;
        }
        self.zones.clear();
        self.zones.extend(self.clusters.iter().map(|cluster| (cluster.first, cluster.last)));
        nearly::sort(&mut self.zones);
        crossed(&self.zones, |zone| *zone).is_none().then_some(())
    }
}
