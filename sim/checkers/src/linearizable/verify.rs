//! A candidate order, verified in one pass. What it says about the revisions does not count; it is replayed on the
//! search's own state, where a revision is a token.
//!
//! When leases were granted the order does not say: each grant is placed where the first that needs it comes. Nor does it tell
//! of ends that took nothing with them.

use super::{
    problem::{Life, Move, NEVER, Problem},
    state::{Block, Config, Player},
};
use std::collections::BTreeMap;

/// Why an order proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where it fails.
    pub(crate) operation: u32,
    pub(crate) reason: &'static str,
    /// It hangs on a lease that may have been granted more than once. When that was the order does not say, so that it may
    /// still be right.
    pub(crate) is_open: bool,
}

/// The replay of an order.
struct Replay<'a> {
    problem: &'a Problem,
    is_placed: Vec<bool>,
    stores: Vec<Config>,
    newest_invocation: u32,
    /// A lease was granted that may have been granted by another, or at another time.
    has_guessed: bool,
    /// By component and cell.
    lives: BTreeMap<(u32, u32), &'a Life>,
    /// By lease that may be granted more than once.
    periods: Vec<Periods<'a>>,
}

/// When a lease could be granted, and end at once.
struct Periods<'a> {
    life: &'a Life,
    /// Where it ended last, as the order says.
    ended: u32,
    /// From where to where nothing hung on it.
    free: Vec<[u32; 2]>,
    is_free: bool,
}

/// Whether `order` holds every operation of known outcome once and each of unknown outcome at most once, grants excepted,
/// respects real time, and explains every answer.
pub(super) fn verify(problem: &Problem, order: &[u32]) -> Result<(), Refusal> {
    let renewable = problem.lives.iter().filter(|life| life.is_renewable());
    let periods =
        renewable.map(|life| Periods { life, ended: 0, free: vec![[0, 0]], is_free: true });
    let mut replay = Replay {
        problem,
        is_placed: vec![false; problem.ops.len()],
        stores: problem.components.iter().map(Config::new).collect(),
        newest_invocation: 0,
        has_guessed: false,
        lives: problem.lives.iter().map(|life| ((life.component, life.cell), life)).collect(),
        periods: periods.collect(),
    };
    order.iter().try_for_each(|operation| replay.next(*operation))?;
    replay.complete()
}

impl Replay<'_> {
    fn next(&mut self, operation: u32) -> Result<(), Refusal> {
        let refuse =
            |this: &Self, reason| Err(Refusal { operation, reason, is_open: this.has_guessed });
        let Some(info) = self.problem.ops.get(operation as usize) else {
            return refuse(self, "is not an operation of the history");
        };
        if std::mem::replace(&mut self.is_placed[operation as usize], true) {
            return refuse(self, "comes twice");
        }
        // It touches no key that this judge looks at.
        if info.component == NEVER || !info.is_included {
            return Ok(());
        }
        self.invoked(info.invoked);
        if info.returned < self.newest_invocation {
            return refuse(self, "had returned before one that precedes it was invoked");
        }
        // Nobody is waited for here: who saw a write is checked when its own turn comes.
        let player = Player { problem: self.problem, operation, now: NEVER, done: &[] };
        // Of a transaction half may be done when a lease is found missing.
        let is_txn = matches!(info.moves, Move::Txn { .. }) && info.moves.may_need_life();
        loop {
            let cells = &mut self.stores[info.component as usize].cells;
            let before = is_txn.then(|| cells.clone());
            match player.play(cells) {
                Ok(_) => break,
                Err(Block::Grants(life)) => {
                    if let Some(before) = before {
                        *cells = before;
                    }
                    if !self.grant(info.component, life, info.returned) {
                        return refuse(self, "needs a lease that nobody can have granted by then");
                    }
                }
                Err(_) => return refuse(self, "cannot have given this answer there"),
            }
        }
        self.note(info.component, &info.moves);
        Ok(())
    }

    fn invoked(&mut self, at: u32) {
        self.newest_invocation = self.newest_invocation.max(at);
    }

    /// Grants a lease before an operation that has to return, by the grant that must return first.
    fn grant(&mut self, component: u32, cell: u32, returns: u32) -> bool {
        let Some(life) = self.lives.get(&(component, cell)).copied() else { return false };
        let mut periods = self.periods.iter();
        let ended = periods.find(|it| it.life.is_at(component, cell)).map_or(0, |it| it.ended);
        let info = |op: &u32| &self.problem.ops[*op as usize];
        self.has_guessed |= life.is_renewable();
        let fits = |op: &&u32| {
            !self.is_placed[**op as usize]
                && info(op).invoked <= returns
                && info(op).returned >= ended
        };
        let grants = life.grants.iter().filter(fits);
        let Some(grant) = grants.min_by_key(|op| info(op).returned).copied() else { return false };
        self.is_placed[grant as usize] = true;
        let player = Player { problem: self.problem, operation: grant, now: NEVER, done: &[] };
        self.invoked(info(&grant).invoked);
        player.play(&mut self.stores[component as usize].cells).is_ok()
    }

    /// Takes note of what became of leases.
    fn note(&mut self, component: u32, moves: &Move) {
        let cells = &self.stores[component as usize].cells;
        let now = self.newest_invocation;
        for it in self.periods.iter_mut().filter(|it| it.life.component == component) {
            if matches!(moves, Move::End { life, .. } if *life == it.life.cell) {
                it.ended = now;
            }
            let number = it.life.number;
            let is_free = !it.life.keys.iter().any(|key| cells[*key as usize].hangs_on(number));
            if is_free && !it.is_free {
                it.free.push([now, now]);
            } else if let (true, Some(last)) = (it.is_free, it.free.last_mut()) {
                last[1] = now;
            }
            it.is_free = is_free;
        }
    }

    /// Whether nothing is left out. Grants that nobody needed may be anywhere where nothing hung on their lease, for then it may
    /// have ended before.
    fn complete(self) -> Result<(), Refusal> {
        let info = |op: u32| &self.problem.ops[op as usize];
        let is_idle = |op: u32, it: &Periods| {
            let (last, until) = (it.free.len() - 1, info(op).returned);
            it.free.iter().enumerate().any(|(at, [from, to])| {
                let to = if at == last && it.is_free { NEVER } else { *to };
                *from <= until && info(op).invoked <= to
            })
        };
        let is_missing = |op: &u32| {
            let Move::Grant { life } = info(*op).moves else { return true };
            let is_it =
                |it: &&Periods| it.life.component == info(*op).component && it.life.cell == life;
            self.periods.iter().find(is_it).is_some_and(|it| !is_idle(*op, it))
        };
        let left_out = (0..).zip(&self.is_placed).filter(|(_, placed)| !**placed).map(|(op, _)| op);
        let mut missing = left_out.filter(|op| info(*op).returned != NEVER).filter(is_missing);
        missing.next().map_or(Ok(()), |operation| {
            let is_open = matches!(info(operation).moves, Move::Grant { .. });
            Err(Refusal { operation, reason: "is left out", is_open })
        })
    }
}
