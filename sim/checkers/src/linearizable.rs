//! The black-box judge: is there an order of the operations that respects real time and explains every answer? It does
//! not use the revisions as the order; a mod revision is only a token of the write beside which it stands.
//!
//! The question is that of Wing and Gong (Testing and Verifying Concurrent Objects, 1993). The method is just-in-time
//! linearization (Lowe, Testing for Linearizability, 2017): walk over invocations and returns in the order of time and
//! keep the set of configurations, a store with the open operations that are done; at a return, every configuration
//! must do that operation, and before it whatever it needs. The first empty set names the operation. What keeps the
//! set small:
//!
//! - An operation is done only when it returns or when something that is to be done does not commute with it. If what
//!   it saw is not there, only what brings it about is tried.
//! - Observers that are legal are done at once.
//! - Values are unique, so an answer names its write, and all answers together give each write its version and
//!   creation. A write fits only where they fit, and may be overwritten only after everybody who saw it.
//! - Puts that nobody ever sees are interchangeable: of those of one key the one that must return first is taken, and
//!   only where a version or a count shows that one is missing. Those of unknown outcome may so be left out for ever.
//! - Hidden writes look alike, so configurations that differ in them meet.
//! - Keys that no operation ties together are searched apart.
//!
//! A witness, an order that somebody else found, spares the search: it is replayed on the same state, and if it explains
//! every answer it is a proof. If it does not, it says nothing.
//!
//! A lease that ends takes its keys with it, also if nobody asked for that; what the search makes of an operation of
//! unknown outcome, it makes of that, too. A put on a lease and its end need one that was granted, a grant one that is not
//! there.
//!
//! Not covered: reads of the past and of keys only, what a sort order or a filter did, and refusals. It cannot follow where
//! an operation of unknown outcome may leave one key with the same value in two branches, on different leases, nor compares
//! of ranges and with the order of revisions or values.
//!
//! Evaluations: operations of known outcome. Discriminating: those at whose return another operation was open that may
//! write what they touch.

mod compile;
mod components;
mod contention;
mod force;
mod learn;
mod lives;
mod problem;
mod search;
mod state;
mod verify;
mod ways;

pub(crate) use self::verify::Refusal;

use self::{
    learn::Lore,
    problem::{ABSENT, Component, Event, FIRST, Move, OpInfo, Problem},
    search::{Found, Search},
    state::Config,
};
use crate::{
    Spread,
    bounds::tells,
    case::Case,
    doubt::{Doubt, Window},
    limits::Budget,
    ruling::{Judgement, Ruling},
    writers::Writers,
};
use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};
use whitewater_api::LeaseId;
use whitewater_record::{Checked, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "linearizable";

/// The judgement, and how it came about.
pub(crate) struct BlackBox {
    pub(crate) judgement: Judgement,
    /// Why the witness proves nothing, if there was one.
    pub(crate) refusal: Option<Refusal>,
}

/// Judges a history. A `witness` that verifies is proof enough; without one the search decides, component by component
/// as `spread` spreads them.
pub(crate) fn judge(
    case: &Case,
    writers: &Writers,
    budget: &Budget,
    witness: Option<&[u32]>,
    spread: Spread<'_>,
) -> BlackBox {
    let told = (0..).zip(&case.operations).filter(|(op, _)| tells(case, *op));
    let mut checked = Checked { evaluations: told.count() as u64, discriminating: 0 };
    let (verified, refusal) = witness.map_or((None, None), |order| {
        let (ruling, refusal) = replay(case, writers, order, &mut checked);
        (Some(ruling).filter(|ruling| *ruling == Ruling::Holds), refusal)
    });
    let ruling = verified.unwrap_or_else(|| {
        in_any_way(case, writers, |problem, ways| {
            note(&mut checked, problem);
            let configurations_max = budget.configurations_max / ways as u64;
            decide(case, problem, &Budget { configurations_max, ..*budget }, spread)
        })
    });
    BlackBox { judgement: Judgement { judge: JUDGE, ruling, checked }, refusal }
}

fn note(checked: &mut Checked, problem: &Problem) {
    checked.discriminating = checked.discriminating.max(contention::contended(problem));
}

/// What an order proves in any way, and why it proves nothing, if it surely does not.
fn replay(
    case: &Case,
    writers: &Writers,
    order: &[u32],
    checked: &mut Checked,
) -> (Ruling, Option<Refusal>) {
    let mut refusals: Vec<Refusal> = Vec::new();
    let ruling = in_any_way(case, writers, |problem, _| {
        note(checked, problem);
        let Err(refusal) = verify::verify(problem, order) else { return Ruling::Holds };
        refusals.push(refusal);
        let who = case.operation(refusal.operation);
        Ruling::Undecided(format!("the order proves nothing: {who} {}", refusal.reason).into())
    });
    let is_refused = ruling != Ruling::Holds && refusals.iter().all(|refusal| !refusal.is_open);
    let refusal = refusals.first().copied().filter(|_| is_refused);
    (ruling, refusal)
}

/// What an order proves.
pub(crate) fn verify(case: &Case, writers: &Writers, order: &[u32]) -> Result<(), Ruling> {
    let (ruling, _) = replay(case, writers, order, &mut Checked::default());
    if ruling == Ruling::Holds { Ok(()) } else { Err(ruling) }
}

/// Whether the history is right in one of the ways to say who made what, of which there is one at least; wrong, if it is so
/// in each of them.
fn in_any_way(
    case: &Case,
    writers: &Writers,
    mut decide: impl FnMut(&Problem, usize) -> Ruling,
) -> Ruling {
    let lore = match Lore::new(case, writers, &[]) {
        Ok(lore) => lore,
        Err(ruling) => return ruling,
    };
    let ways = match ways::ways(case, writers, &lore) {
        Ok(ways) => ways,
        Err(ruling) => return ruling,
    };
    let mut first = Some(lore).filter(|_| ways == [ways::Way::new()]);
    let mut worst: Option<Ruling> = None;
    for way in &ways {
        let lore = first.take().map_or_else(|| Lore::new(case, writers, way), Ok);
        let problem = lore.and_then(|lore| compile::compile(case, writers, lore));
        let ruling = problem.map_or_else(|ruling| ruling, |problem| decide(&problem, ways.len()));
        match ruling {
            Ruling::Holds => return ruling,
            // It objects only if all do.
            Ruling::Broken(_) if worst.is_some() => {}
            Ruling::Broken(_)
            | Ruling::Undecided(_)
            | Ruling::NotApplicable(_)
            | Ruling::Withheld(_) => worst = Some(ruling),
        }
    }
    worst.unwrap_or(Ruling::Holds)
}

/// Each component has the whole budget, so that what is found does not depend on which of them is looked at first. Those
/// behind one that is broken need not be looked at: the first counts.
fn decide(case: &Case, problem: &Problem, budget: &Budget, spread: Spread<'_>) -> Ruling {
    let found: Vec<OnceLock<Found>> = problem.components.iter().map(|_| OnceLock::new()).collect();
    let broken = AtomicUsize::new(usize::MAX);
    spread(found.len(), &|component| {
        if broken.load(Ordering::Relaxed) < component {
            return;
        }
        let mut left = budget.configurations_max;
        let mut search = Search::new(problem, &mut left, budget.bytes_max);
        let end = search.run(&problem.components[component]);
        if matches!(end, Found::None { .. }) {
            broken.fetch_min(component, Ordering::Relaxed);
        }
        assert!(found[component].set(end).is_ok(), "component {component} was decided twice");
    });
    let mut doubts = Vec::new();
    for (component, found) in problem.components.iter().zip(found) {
        match found.into_inner().expect("all before the first that is broken were looked at") {
            Found::Order => {}
            Found::None { operation, last } => return unexplained(case, problem, operation, &last),
            Found::Exhausted { from, to } => {
                doubts.push(undecided(case, budget, component, [from, to]));
            }
        }
    }
    doubts.into_iter().min_by_key(Doubt::length).map_or(Ruling::Holds, Ruling::Undecided)
}

/// All orders were followed to the first event, and one was found that reaches the second.
fn undecided(case: &Case, budget: &Budget, component: &Component, [from, to]: [Event; 2]) -> Doubt {
    let since = time(case, from).min(case.operations[to.operation as usize].invoked);
    let until = time(case, to);
    let operations = component.events.iter().map(|event| event.operation);
    let window = Window::of(case, to.operation, [since, until], operations);
    let size = window.as_ref().map_or(0, |window| window.operations);
    let reason = format!(
        "{} configurations in {} MiB did not decide what happened from {since} to {until}, when {size} operations were open: an \
         order explains everything that returned before, but how {} came about is open",
        budget.configurations_max,
        budget.bytes_max >> 20,
        case.operation(to.operation)
    );
    Doubt { reason, window }
}

fn time(case: &Case, event: Event) -> SimTime {
    let op = &case.operations[event.operation as usize];
    if event.is_return { op.completed } else { op.invoked }
}

/// What stands against an operation, in the longest order that was found.
fn unexplained(case: &Case, problem: &Problem, operation: u32, last: &Config) -> Ruling {
    let info = &problem.ops[operation as usize];
    let who = case.operation(operation);
    let name = |key: u32| &case.keys[problem.names[info.component as usize][key as usize] as usize];
    let describe = |cell: u32| match problem.write(cell) {
        Some(write) => format!("written by {}", case.operation(write.operation)),
        None if cell == ABSENT => "absent".to_owned(),
        None => "written by an operation that nobody saw".to_owned(),
    };
    let wrong = first_wrong(&info.moves, last);
    let Some((key, held)) = wrong else {
        if let Some((key, writer, later)) = spoiled(problem, operation, last) {
            let [writer_name, later_name] = [writer, later].map(|op| case.operation(op));
            let sentence = format!(
                "no order of the operations explains {later_name}: {who} had returned before it was asked, and it saw {} \
                 still as it was written by {writer_name}",
                name(key)
            );
            return case.broken("not-linearizable", sentence, &[later, operation, writer]);
        }
        let lease = astray(problem, operation, last).unwrap_or_default();
        let sentence = format!("no order of the operations explains {who}{lease}");
        return case.broken("not-linearizable", sentence, &[operation]);
    };
    let is = last.cells[key as usize].writer;
    let sentence = format!(
        "{who} saw {} {}, but no order of the operations explains that: by then it was {}",
        name(key),
        describe(held),
        describe(is)
    );
    let mut evidence = vec![operation];
    evidence.extend([held, is].iter().filter_map(|cell| problem.write(*cell)).map(|w| w.operation));
    evidence.dedup();
    case.broken("not-linearizable", sentence, &evidence)
}

/// What is wrong with the lease that an operation names.
fn astray(problem: &Problem, operation: u32, last: &Config) -> Option<String> {
    let OpInfo { moves, component, .. } = &problem.ops[operation as usize];
    let mut lives = problem.lives.iter().filter(|life| life.component == *component);
    lives.find_map(|life| {
        let lease = LeaseId(problem.leases[life.number as usize]);
        let is_granted = matches!(moves, Move::Grant { life: cell } if *cell == life.cell);
        match last.is_alive(life.cell) {
            true if is_granted => Some(format!(": by then {lease} was there")),
            false if moves.needs_life(life.cell) => {
                Some(format!(": by then {lease} was not there"))
            }
            _ => None,
        }
    })
}

/// What an operation would put an end to, though somebody saw it who was asked only after the operation had returned: the key,
/// who wrote it, and who saw it.
fn spoiled(problem: &Problem, operation: u32, last: &Config) -> Option<(u32, u32, u32)> {
    let info = &problem.ops[operation as usize];
    let mut keys = info.writes.iter().flat_map(|keys| keys.iter());
    keys.find_map(|key| {
        let write = problem.write(last.cells[key as usize].writer)?;
        let is_later = |op: &&u32| problem.ops[**op as usize].invoked > info.returned;
        let later = write.observers.iter().rev().find(is_later)?;
        Some((key, write.operation, *later))
    })
}

/// The first key that the answer shows otherwise than the configuration has it.
fn first_wrong(step: &Move, last: &Config) -> Option<(u32, u32)> {
    let differs = |(key, held): &(u32, u32)| last.cells[*key as usize].writer != *held;
    match step {
        Move::Read { first, held, .. } => {
            (*first..).zip(held.iter().copied()).find(|pair| differs(pair))
        }
        Move::Glimpse { held, .. } => held.iter().copied().find(|pair| differs(pair)),
        Move::Put(put) => put.before.map(|held| (put.key, held)).filter(differs),
        Move::Delete { keys, before, .. } => {
            let held = before.as_ref()?;
            (keys.low..).zip(held.iter().copied()).find(|pair| differs(pair))
        }
        Move::Txn { success, failure, taken, .. } => {
            let steps = if *taken == Some(true) { success } else { failure };
            let wrong = steps.iter().find_map(|step| first_wrong(step, last));
            wrong.filter(|(_, held)| *held == ABSENT || *held >= FIRST)
        }
        Move::Grant { .. } | Move::End { .. } | Move::Nothing => None,
    }
}
