//! Just-in-time linearization over the events of one component.
//!
//! A narrow search first, that keeps few configurations and does operations of unknown outcome only where something
//! asks for them. Where it gets stuck it goes back a little and is wider for a while. An order that it finds is an
//! order, however it was found; that there is none only the last search says, which starts anew and leaves nothing out.

use super::{
    problem::{Component, Event, NEVER, OpInfo, Problem},
    state::{Cell, Config},
};
use crate::limits::{BEAMS, Beam, CHECKPOINT_EVENTS, RESERVE};

/// How the search of a component ended.
pub(super) enum Found {
    /// There is an order.
    Order,
    /// There is none: nothing explains this operation. One of the last configurations, from which it was tried.
    None { operation: u32, last: Config },
    /// The budget ran out. All orders were followed to the first event, and one was found that reaches the second.
    Exhausted { from: Event, to: Event },
}

/// What one event did to the set of configurations.
enum Step {
    Going,
    Stuck(Config),
    Exhausted,
}

/// Bytes of a configuration beside its cells: what is done, what is to be done, and its place in a table.
const CONFIG_BYTES: usize = 160;

/// A place to go back to.
struct Checkpoint {
    event: usize,
    frontier: Vec<Config>,
    open: Vec<u32>,
}

/// The state of the search.
pub(super) struct Search<'a> {
    pub(super) problem: &'a Problem,
    /// Configurations that may still be visited.
    pub(super) budget: &'a mut u64,
    /// Bytes that may be held, half of them by places to go back to.
    bytes_max: u64,
    /// Bytes of a configuration of the component, roughly.
    config_bytes: u64,
    /// What of the budget is kept for the search that leaves nothing out.
    reserve: u64,
    /// How wide the search may be for now.
    pub(super) beam: Beam,
    /// Something was left out because of that.
    pub(super) is_cut: bool,
    /// Invoked and not returned, or of unknown outcome, in the order of invocation.
    pub(super) open: Vec<u32>,
    /// The position of the event that is looked at.
    pub(super) now: u32,
}

impl<'a> Search<'a> {
    pub(super) fn new(problem: &'a Problem, budget: &'a mut u64, bytes_max: u64) -> Self {
        Self {
            problem,
            budget,
            bytes_max,
            config_bytes: 0,
            reserve: 0,
            beam: BEAMS[0],
            is_cut: false,
            open: Vec::new(),
            now: 0,
        }
    }

    pub(super) fn run(&mut self, component: &Component) -> Found {
        let start =
            Checkpoint { event: 0, frontier: vec![Config::new(component)], open: Vec::new() };
        self.config_bytes = (component.keys * size_of::<Cell>() + CONFIG_BYTES) as u64;
        let mut frontier = start.frontier.clone();
        let mut held = 0;
        let mut checkpoints = vec![start];
        self.open.clear();
        self.is_cut = false;
        self.reserve = *self.budget / RESERVE;
        // The width, until which event it stays, and the furthest event that was reached.
        let (mut width, mut until, mut furthest) = (0, 0, 0);
        let mut next = 0;
        while let Some(event) = component.events.get(next) {
            if next > until && width + 1 < BEAMS.len() {
                width = 0;
            }
            self.beam = BEAMS[width];
            if next % CHECKPOINT_EVENTS == 0 && checkpoints.last().is_some_and(|c| c.event < next) {
                let (frontier, open) = (frontier.clone(), self.open.clone());
                held += frontier.len();
                checkpoints.push(Checkpoint { event: next, frontier, open });
                self.thin_out(&mut checkpoints, &mut held);
            }
            furthest = furthest.max(next);
            let operation = event.operation;
            let step = if event.is_return {
                self.returned(&mut frontier, operation)
            } else {
                self.invoked(&mut frontier, operation)
            };
            match step {
                Step::Going => next += 1,
                Step::Stuck(last) if !self.is_cut => return Found::None { operation, last },
                Step::Exhausted if width + 1 == BEAMS.len() => {
                    return Found::Exhausted { from: *event, to: component.events[furthest] };
                }
                Step::Stuck(_) | Step::Exhausted => {
                    let is_spent = matches!(step, Step::Exhausted);
                    width = if is_spent { BEAMS.len() - 1 } else { width + 1 };
                    until = until.max(next);
                    self.is_cut = width + 1 < BEAMS.len();
                    if !self.is_cut {
                        self.reserve = 0;
                    }
                    let back = next.saturating_sub(BEAMS[width].back_events);
                    while checkpoints.len() > 1
                        && checkpoints.pop_if(|checkpoint| checkpoint.event > back).is_some()
                    {
                    }
                    let checkpoint = &checkpoints[checkpoints.len() - 1];
                    next = checkpoint.event;
                    frontier.clone_from(&checkpoint.frontier);
                    self.open.clone_from(&checkpoint.open);
                }
            }
        }
        Found::Order
    }

    /// Of places to go back to that hold too much, every other one goes.
    fn thin_out(&self, checkpoints: &mut Vec<Checkpoint>, held: &mut usize) {
        if self.may_hold(*held) {
            return;
        }
        let mut number = 0_usize;
        checkpoints.retain(|_| {
            number += 1;
            number % 2 == 1
        });
        *held = checkpoints.iter().map(|checkpoint| checkpoint.frontier.len()).sum();
    }

    /// Whether there is room for so many configurations.
    pub(super) fn may_hold(&self, configurations: usize) -> bool {
        (configurations as u64).saturating_mul(self.config_bytes) <= self.bytes_max / 2
    }

    /// Takes one configuration from the budget, if there is one left.
    pub(super) fn spend(&mut self) -> bool {
        let has_left = *self.budget > self.reserve;
        *self.budget -= u64::from(has_left);
        has_left
    }

    fn invoked(&mut self, frontier: &mut [Config], operation: u32) -> Step {
        let info = self.info(operation);
        self.now = info.invoked;
        self.open.push(operation);
        if !info.is_write {
            for config in frontier {
                self.observe(config, operation);
            }
        }
        Step::Going
    }

    fn returned(&mut self, frontier: &mut Vec<Config>, operation: u32) -> Step {
        self.now = self.info(operation).returned;
        if !frontier.iter().all(|config| config.is_done(operation)) {
            let mut next = Vec::new();
            for config in &*frontier {
                if config.is_done(operation) {
                    next.push(config.clone());
                } else if !self.force(config, operation, &mut next) {
                    return Step::Exhausted;
                }
            }
            if next.is_empty() {
                return Step::Stuck(frontier.swap_remove(0));
            }
            *frontier = next;
        }
        for config in frontier.iter_mut() {
            config.forget(operation);
        }
        self.open.retain(|open| *open != operation);
        if frontier.len() > 1 {
            self.thin(frontier);
        }
        Step::Going
    }

    /// Drops configurations that meet, and those that spent more operations of unknown outcome on the same store.
    fn thin(&mut self, frontier: &mut Vec<Config>) {
        // Of equal stores, those that spent the least come first.
        frontier.sort_unstable_by(|a, b| {
            (&a.cells, a.done.len(), &a.done).cmp(&(&b.cells, b.done.len(), &b.done))
        });
        let mut kept: Vec<Config> = Vec::with_capacity(frontier.len());
        let mut first = 0;
        for config in frontier.drain(..) {
            if kept.last().is_some_and(|last| last.cells != config.cells) {
                first = kept.len();
            }
            if !kept[first..].iter().any(|other| self.spares(other, &config)) {
                kept.push(config);
            }
        }
        if kept.len() > self.beam.frontier {
            self.is_cut = true;
            kept.sort_by_key(|config| config.done.len());
            kept.truncate(self.beam.frontier);
        }
        *frontier = kept;
    }

    /// Whether `thrifty` can do whatever `config` can: it did the same, but for operations that need not happen.
    fn spares(&self, thrifty: &Config, config: &Config) -> bool {
        let is_optional = |op: &u32| self.info(*op).returned == NEVER;
        thrifty.done.iter().all(|op| config.is_done(*op))
            && config.done.iter().all(|op| is_optional(op) || thrifty.is_done(*op))
    }

    pub(super) fn info(&self, operation: u32) -> &'a OpInfo {
        &self.problem.ops[operation as usize]
    }
}
