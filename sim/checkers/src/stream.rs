//! The judge by revisions, while the history comes in.
//!
//! ```text
//!  events --> open operations --> window of operations whose place is not settled --+
//!                                  ^                                                | Timeline, as of a whole history
//!             unknown outcomes ----+      past: what the store was <--- settled ----+
//! ```
//!
//! Operations are gathered in a window. When it is full it is judged like a history that begins where the last one ended,
//! and everything up to a revision is settled: what made it is known, and nothing that may still come can change that.
//! The rest stays for the next window. What is judged is exactly what [`judge_by_revisions`](crate::judge_by_revisions)
//! judges as `revision-order` and `serializable`.
//!
//! Memory is bounded by the operations that are open, the window, the keys that are there, the operations of unknown
//! outcome of which nobody has seen whether they happened, the leases that were ever granted, and the compactions. Reads of the past need the past: it is
//! kept from the last compaction that was acknowledged on, in some 80 bytes for each write. Without compactions, that
//! grows with the history.
//!
//! If more than one operation may have made a revision, and nobody tells which, the window grows. At a bound the first
//! explanation is taken, and if it leads into a contradiction later, that is `Undecided`. The same goes for an operation
//! that is open for so long. Values must be unique, as for all judges; here that is not checked.

mod past;
mod silent;
mod window;

use self::{
    past::{Found, Past},
    silent::Silent,
    window::settle,
};
use crate::{
    case::{Before, Case, Origin, Status},
    deed::{Deed, deeds, tells_newest},
    ends::{Grants, Leases},
    limits::Budget,
    recorded::Recorded,
    revision_order,
    ruling::{Judgement, Ruling},
    serializable,
    timeline::Timeline,
};
use std::{collections::BTreeMap, ops::Range};
use whitewater_api::{
    Completion, Effect, Error, LeaseRequest, NodeId, Request, RequestId, Response, Revision,
};
use whitewater_record::{Checked, History, Operation, SimTime};

/// A history that is judged while it comes in, event by event in the order of time.
#[derive(Debug)]
pub struct Stream {
    budget: Budget,
    /// Operations in a window, at least.
    window: usize,
    past: Past,
    /// The newest revision that was told.
    told: u64,
    /// Invoked, and not completed.
    open: BTreeMap<RequestId, Pending>,
    /// Completed, and not settled; and all that may still happen.
    pending: Vec<Pending>,
    /// Of `pending`, how many have an answer.
    answered: usize,
    /// How many answered operations make a window.
    due: usize,
    /// All compactions that were not refused.
    compactions: Vec<Pending>,
    /// All leases that were granted, or may have been.
    leases: Leases,
    /// The highest revision whose compaction was acknowledged.
    compacted: u64,
    recorded: Recorded,
    silent: Silent,
    invoked: usize,
    /// Revisions whose explanation was taken without need.
    guessed: Option<(u64, u64)>,
    rulings: [Option<Ruling>; 2],
    checked: [Checked; 2],
}

#[derive(Debug)]
struct Pending {
    operation: Operation,
    /// Its position in the order of invocation.
    position: usize,
    /// The newest revision that was told before it was invoked, and when it was completed.
    floor: u64,
    told: u64,
}

impl Stream {
    /// Nothing has happened yet. A window has `window` operations at least; some ten thousand are a good choice.
    #[must_use]
    pub fn new(budget: Budget, window: usize) -> Self {
        Self {
            budget,
            window: window.max(1),
            past: Past::new(),
            told: Revision::FIRST.0,
            open: BTreeMap::new(),
            pending: Vec::new(),
            answered: 0,
            due: window.max(1),
            compactions: Vec::new(),
            leases: Leases::new(),
            compacted: 0,
            recorded: Recorded::default(),
            silent: Silent::default(),
            invoked: 0,
            guessed: None,
            rulings: [None, None],
            checked: [Checked::default(); 2],
        }
    }

    /// A request was made. Ids are unique, and times do not decrease.
    pub fn invoke(&mut self, id: RequestId, at: SimTime, request: Request) {
        let operation = Operation {
            id,
            node: NodeId::default(),
            invoked: at,
            completed: SimTime::NEVER,
            request,
            completion: Completion::Info(Error::TimedOut),
            witness: None,
        };
        let pending =
            Pending { operation, position: self.invoked, floor: self.told, told: self.told };
        self.invoked += 1;
        self.open.insert(id, pending);
    }

    /// A request that was made came to an end. Says whether there is an objection by now.
    pub fn complete(
        &mut self,
        id: RequestId,
        at: SimTime,
        completion: Completion<Response, Error>,
    ) -> bool {
        let Some(mut pending) = self.open.remove(&id) else {
            // It was open for too long, and counts as of unknown outcome.
            if let Completion::Ok(response) = completion {
                self.told = self.told.max(response.header.revision.0);
            }
            return self.is_over();
        };
        (pending.operation.completed, pending.operation.completion) = (at, completion);
        pending.told = self.told;
        let is_known = self.note(&pending);
        let is_refused = matches!(&pending.operation.completion, Completion::Fail(error)
            if error.effect() == Effect::None);
        if matches!(pending.operation.request, Request::Lease(LeaseRequest::Grant { .. })) {
            if let Some((lease, grants)) = Grants::note(&pending.operation, pending.floor) {
                self.leases.entry(lease).or_default().join(grants);
            }
        } else if matches!(pending.operation.request, Request::Compact(_)) && !is_refused {
            self.compactions.push(pending);
        } else {
            self.answered += usize::from(is_known);
            self.pending.push(pending);
        }
        if self.answered >= self.due && !self.is_over() {
            self.judge(false);
        }
        self.is_over()
    }

    /// There are no more events. The judgements of `revision-order` and `serializable`.
    #[must_use]
    pub fn finish(mut self) -> [Judgement; 2] {
        self.pending.extend(std::mem::take(&mut self.open).into_values());
        if !self.is_over() {
            self.judge(true);
        }
        let [white, stale] = self.rulings;
        let [checked_white, checked_stale] = self.checked;
        let white = white.unwrap_or(Ruling::Holds);
        let stale = match (stale, &white) {
            (_, Ruling::Broken(_)) => {
                Ruling::Withheld("the history is not linearizable".to_owned())
            }
            (Some(stale), _) => stale,
            (None, Ruling::Holds) if checked_stale.evaluations == 0 => {
                Ruling::NotApplicable("there are no serializable reads".to_owned())
            }
            (None, Ruling::Holds) => Ruling::Holds,
            (None, _) => Ruling::Withheld("the order of the writes is not known".to_owned()),
        };
        [
            Judgement { judge: revision_order::JUDGE, ruling: white, checked: checked_white },
            Judgement { judge: serializable::JUDGE, ruling: stale, checked: checked_stale },
        ]
    }

    fn is_over(&self) -> bool {
        self.rulings[0].is_some()
    }

    /// What a completion tells at once. Whether it is an answer.
    fn note(&mut self, pending: &Pending) -> bool {
        match &pending.operation.completion {
            Completion::Ok(response) => {
                if let Request::Compact(compact) = &pending.operation.request {
                    self.compacted = self.compacted.max(compact.revision.0);
                }
                if tells_newest(&pending.operation.request) {
                    self.told = self.told.max(response.header.revision.0);
                }
                true
            }
            Completion::Fail(error) => error.effect() == Effect::None,
            Completion::Info(_) => false,
        }
    }

    /// Judges the window, and settles what can be settled.
    fn judge(&mut self, is_last: bool) {
        let mut pending = std::mem::take(&mut self.pending);
        let closed = pending.len();
        pending.extend(std::mem::take(&mut self.open).into_values());
        let opened = pending.len();
        pending.append(&mut self.compactions);
        let floors = pending.iter().map(|pending| pending.floor).collect();
        let operations = pending.iter_mut().map(|pending| take(&mut pending.operation)).collect();
        let history = History { operations, ..History::default() };

        let past = std::mem::replace(&mut self.past, Past::new());
        let from = past.since(oldest_shown(&history, self.compacted));
        let before = past.after(from);
        let (versions, grants) = (Vec::new(), self.grants(&history, &before));
        let origin = Origin { oldest: from, revision: past.revision, versions, floors, grants };
        let case = Case::resume(&history, origin, self.recorded, &before);
        self.recorded = case.recorded;
        if let Some(anomaly) = self.silent.look(&case, |number| pending[number].position) {
            self.rulings[0].get_or_insert(Ruling::Broken(anomaly));
        }
        let settled = self.window(&case, &pending, closed..opened, is_last);
        let mut is_settled = vec![false; pending.len()];
        let mut found = None;
        if let Some((timeline, revision)) = settled {
            is_settled = settle(&case, &timeline, &pending[..opened], closed, revision);
            self.count(&case, &timeline, &is_settled);
            for (lease, end) in timeline.model.ends(revision) {
                if let Some(grants) = self.leases.get_mut(&lease) {
                    grants.end(end);
                }
            }
            found = Some((Found::new(&case, &timeline.model, past.revision, revision), revision));
        }
        drop((case, before));
        self.past = past;
        if let Some((found, revision)) = found {
            self.past.extend(&found, revision);
        }
        self.keep(pending, history, &is_settled, closed..opened);
    }

    /// Counts what was settled of a window. Of choices it counts those that can be seen in it.
    fn count(&mut self, case: &Case, timeline: &Timeline, is_settled: &[bool]) {
        let [white, stale] = &mut self.checked;
        for ((operation, op), _) in (0..)
            .zip(&case.operations)
            .zip(is_settled)
            .filter(|((_, op), is)| **is && op.status == Status::Known)
        {
            if op.tells {
                white.evaluations += 1;
                white.discriminating +=
                    u64::from(revision_order::had_choice(timeline, operation, op));
            }
            if op.is_serializable {
                stale.evaluations += 1;
                stale.discriminating += u64::from(serializable::had_choice(timeline, operation));
            }
        }
    }

    /// The leases that a window may be about.
    fn grants(&self, history: &History, before: &[Before]) -> Leases {
        let mut grants = Leases::new();
        if self.leases.is_empty() {
            return grants;
        }
        let mut add = |lease: i64| {
            if let Some(known) = self.leases.get(&lease) {
                grants.entry(lease).or_insert_with(|| known.clone());
            }
        };
        for before in before {
            add(before.cell.map_or(0, |(_, cell)| cell.lease));
        }
        for operation in &history.operations {
            if let Request::Lease(LeaseRequest::Revoke(lease)) = &operation.request {
                add(lease.0);
            }
            deeds(operation, &mut |deed| {
                if let Deed::Put { lease, .. } = deed {
                    add(lease.unwrap_or_default().0);
                }
            });
        }
        grants
    }

    /// Puts back what is not settled.
    fn keep(
        &mut self,
        pending: Vec<Pending>,
        history: History,
        is_settled: &[bool],
        open: Range<usize>,
    ) {
        let mut oldest = self.past.revision;
        self.answered = 0;
        for (i, (mut pending, operation)) in pending.into_iter().zip(history.operations).enumerate()
        {
            pending.operation = operation;
            if i >= open.end {
                self.compactions.push(pending);
                continue;
            }
            if is_settled.get(i).copied().unwrap_or(false) {
                continue;
            }
            oldest = oldest.min(pending.floor);
            if open.contains(&i) {
                self.open.insert(pending.operation.id, pending);
            } else {
                let is_unknown = match &pending.operation.completion {
                    Completion::Ok(_) => false,
                    Completion::Fail(error) => error.effect() != Effect::None,
                    Completion::Info(_) => true,
                };
                self.answered += usize::from(!is_unknown);
                self.pending.push(pending);
            }
        }
        self.past.forget(oldest.min(self.compacted));
        // What is judged again each time must be little beside what is new.
        let again = self.past.keys() / 2 + self.pending.len() - self.answered;
        self.due = self.answered + self.window.max(again).max(self.answered);
    }
}

fn take(operation: &mut Operation) -> Operation {
    let empty = Operation {
        id: operation.id,
        node: operation.node,
        invoked: operation.invoked,
        completed: operation.completed,
        request: Request::MoveLeader(NodeId::default()),
        completion: Completion::Info(Error::TimedOut),
        witness: None,
    };
    std::mem::replace(operation, empty)
}

/// The oldest revision that an answer shows; below a compaction nothing can be shown.
fn oldest_shown(history: &History, compacted: u64) -> u64 {
    let shown = history.operations.iter().filter_map(|operation| {
        let Completion::Ok(response) = &operation.completion else { return None };
        let told = response.header.revision.0;
        match &operation.request {
            Request::Range(range) if range.revision.0 != 0 => {
                Some(range.revision.0.min(told)).filter(|past| *past >= compacted)
            }
            Request::Range(_) | Request::Put(_) | Request::DeleteRange(_) | Request::Txn(_) => {
                Some(told)
            }
            Request::Lease(LeaseRequest::Revoke(_)) => Some(told),
            Request::Compact(_)
            | Request::Lease(_)
            | Request::Member(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_)
            | Request::Cluster(_) => None,
        }
    });
    shown.min().unwrap_or(u64::MAX)
}
