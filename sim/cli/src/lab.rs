//! The laboratory: plays candidate plans in worker processes and names the first one that still fails.
//!
//! Candidates are played ahead on all workers, and the first success in their order counts, whoever was quicker. What is
//! known of a plan is kept, so that none is played twice.

use crate::{
    campaign::{WORKER_DIED, WORKER_STUCK},
    exit::CliError,
    interrupt::Interrupt,
    job::{self, Finding, Trial},
    pool::{Recruiter, Reply, Worker},
    progress::Ticker,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};
use whitewater_record::{FailureClass, Mixer, Plan, Signature, SimTime, Span, Verdict, Violation};
use whitewater_shrink::{Answer, Depth, Failing};

/// When to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    /// No run begins after this.
    pub(crate) deadline: Option<Instant>,
    /// Runs that count, at most.
    pub(crate) runs: Option<u64>,
    /// No run begins after a Ctrl-C.
    pub(crate) interrupt: Interrupt,
}

/// What came of a plan, played as far as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    verdict: Verdict,
    violation: Option<Violation>,
    is_wanted: bool,
}

/// Workers, and what they found out.
pub(crate) struct Lab {
    workers: Vec<Option<Worker>>,
    notes: Notes,
    /// Whether candidates may be cut short, if they are only wanted quickly.
    pub(crate) is_hasty: bool,
    /// When the failure is seen in the smallest plan so far.
    at: SimTime,
    /// Of the last question in full: those that passed, and those that failed in another way.
    pub(crate) last_full: (u64, u64),
    cpu_us: u64,
    error: Option<CliError>,
}

/// What all workers may look at while they work.
struct Notes {
    recruiter: Recruiter,
    budget: Budget,
    /// The failure that is looked for.
    wanted: Signature,
    /// Candidates must pass without their mutations.
    has_twin: bool,
    facts: BTreeMap<u64, Fact>,
    /// Plans that a single worker would have played too.
    counted: BTreeSet<u64>,
}

/// Candidates on their way to workers.
struct Desk<'a, 'b> {
    candidates: &'a mut (dyn Iterator<Item = Plan> + Send + 'b),
    handed_out: Vec<u64>,
    /// The first in the order that is known to fail.
    first: Option<(usize, Plan)>,
    is_spent: bool,
    facts: BTreeMap<u64, Fact>,
    cpu_us: u64,
    error: Option<CliError>,
}

impl Lab {
    /// Opens the laboratory for a failure that is seen at `at`.
    pub(crate) fn new(
        recruiter: Recruiter,
        workers: usize,
        budget: Budget,
        wanted: Signature,
        at: SimTime,
        has_twin: bool,
    ) -> Self {
        // A cluster that does not recover is seen at the very end only.
        let is_hasty = wanted.class != FailureClass::Liveness;
        let (facts, counted) = (BTreeMap::new(), BTreeSet::new());
        Self {
            workers: (0..workers).map(|_| None).collect(),
            notes: Notes { recruiter, budget, wanted, has_twin, facts, counted },
            is_hasty,
            at,
            last_full: (0, 0),
            cpu_us: 0,
            error: None,
        }
    }

    /// Runs that count: those that a single worker would have played.
    pub(crate) fn runs(&self) -> u64 {
        self.notes.runs()
    }

    /// CPU time of all workers, in microseconds.
    pub(crate) const fn cpu_us(&self) -> u64 {
        self.cpu_us
    }

    /// What is broken in a plan when it is played to its end, if it is what is looked for. Costs no budget.
    pub(crate) fn confirm(&mut self, plan: &Plan) -> Result<Option<Violation>, CliError> {
        let key = key(plan, None);
        if !self.notes.facts.contains_key(&key) {
            let mut worker = self.workers.first_mut().and_then(Option::take);
            let (fact, cpu_us) = self.notes.play(&mut worker, plan, None)?;
            if let Some(place) = self.workers.first_mut() {
                *place = worker;
            }
            self.cpu_us += cpu_us;
            self.notes.facts.insert(key, fact);
        }
        let fact = self.notes.facts.get(&key).filter(|fact| fact.is_wanted);
        Ok(fact.and_then(|fact| fact.violation.clone()))
    }

    /// The first of the candidates that still fails.
    pub(crate) fn first(
        &mut self,
        depth: Depth,
        candidates: &mut (dyn Iterator<Item = Plan> + Send),
        ticker: &mut Ticker,
    ) -> Answer {
        if self.error.is_some() {
            return Answer::Spent;
        }
        let until = match depth {
            Depth::Quick if self.is_hasty => Some(self.patience()),
            Depth::Quick | Depth::Full => None,
        };
        ticker.on_question(self.runs());
        let desk = Mutex::new(Desk {
            candidates,
            handed_out: Vec::new(),
            first: None,
            is_spent: false,
            facts: BTreeMap::new(),
            cpu_us: 0,
            error: None,
        });
        // A worker dies with the thread that started it, so none is started inside of the threads below; whoever has lost
        // its worker goes home, and comes back with another one.
        loop {
            for worker in &mut self.workers {
                if let Err(error) = self.notes.recruiter.hire(worker) {
                    lock(&desk).error = Some(error);
                }
            }
            thread::scope(|scope| {
                let notes = &self.notes;
                for worker in &mut self.workers {
                    scope.spawn(|| notes.work(&desk, worker, until));
                }
            });
            if lock(&desk).error.is_some() || self.workers.iter().all(Option::is_some) {
                break;
            }
        }
        let desk = desk.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.close(desk, depth)
    }

    /// Takes over what was found out, and answers.
    fn close(&mut self, desk: Desk<'_, '_>, depth: Depth) -> Answer {
        let Desk { handed_out, first, is_spent, facts, cpu_us, error, .. } = desk;
        self.notes.facts.extend(facts);
        self.cpu_us += cpu_us;
        self.error = error;
        let decisive = first.as_ref().map_or(handed_out.len(), |(place, _)| place + 1);
        self.notes.counted.extend(&handed_out[..decisive.min(handed_out.len())]);
        if depth == Depth::Full {
            let passed = |key: &&u64| {
                self.notes.facts.get(key).is_some_and(|fact| fact.verdict == Verdict::Passed)
            };
            let all = handed_out.len();
            let passed = handed_out.iter().filter(passed).count();
            let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            self.last_full = (count(passed), count(all - passed));
        }
        if let Some((place, plan)) = first {
            let fact = self.notes.facts.get(&handed_out[place]);
            let at = fact.and_then(|fact| fact.violation.as_ref()).map_or(self.at, |one| one.at);
            self.at = at;
            return Answer::Fails { place, failing: Box::new(Failing { plan, at }) };
        }
        if is_spent || self.error.is_some() { Answer::Spent } else { Answer::Passes }
    }

    /// How long to wait for the failure: a little beyond where it was seen last.
    fn patience(&self) -> SimTime {
        self.at + Span(self.at.0 / 16) + Span::seconds(1)
    }

    /// Sends the workers home. What went wrong, if something did.
    pub(crate) fn leave(self) -> Result<(), CliError> {
        for worker in self.workers.into_iter().flatten() {
            worker.dismiss();
        }
        self.error.map_or(Ok(()), Err)
    }
}

impl Notes {
    /// Runs that count: those that a single worker would have played.
    fn runs(&self) -> u64 {
        u64::try_from(self.counted.len()).unwrap_or(u64::MAX)
    }

    /// One worker's share, until nothing is left to do or the worker is lost.
    fn work(
        &self,
        desk: &Mutex<Desk<'_, '_>>,
        worker: &mut Option<Worker>,
        until: Option<SimTime>,
    ) {
        while worker.is_some() {
            // The desk is free again while the plan is played.
            let next = self.next(&mut lock(desk), until);
            let Some((place, key, plan)) = next else { return };
            let known = self.facts.get(&key).cloned();
            let fact = match known {
                Some(fact) => Ok((fact, 0)),
                None => self.play(worker, &plan, until),
            };
            let mut desk = lock(desk);
            match fact {
                Ok((fact, cpu_us)) => {
                    let is_first = desk.first.as_ref().is_none_or(|(first, _)| place < *first);
                    if fact.is_wanted && is_first {
                        desk.first = Some((place, plan));
                    }
                    desk.facts.insert(key, fact);
                    desk.cpu_us += cpu_us;
                }
                Err(error) => desk.error = Some(error),
            }
        }
    }

    /// The next candidate, unless one before it is known to fail.
    fn next(&self, desk: &mut Desk<'_, '_>, until: Option<SimTime>) -> Option<(usize, u64, Plan)> {
        if desk.first.is_some() || desk.error.is_some() || desk.is_spent {
            return None;
        }
        let place = desk.handed_out.len();
        let runs = self.runs() + u64::try_from(place).unwrap_or(u64::MAX);
        let is_late = self.budget.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let is_enough = self.budget.runs.is_some_and(|max| runs >= max);
        if is_late || is_enough || self.budget.interrupt.is_set() {
            desk.is_spent = true;
            return None;
        }
        let plan = desk.candidates.next()?;
        let key = key(&plan, until);
        desk.handed_out.push(key);
        Some((place, key, plan))
    }

    fn play(
        &self,
        worker: &mut Option<Worker>,
        plan: &Plan,
        until: Option<SimTime>,
    ) -> Result<(Fact, u64), CliError> {
        let wanted = Some(self.wanted.clone());
        let trial = Trial { plan: plan.clone(), until, wanted, has_twin: self.has_twin };
        let finding = ask(&self.recruiter, worker, &trial)?;
        let Finding { verdict, violation, is_wanted, cpu_us, began: _ } = finding;
        Ok((Fact { verdict, violation, is_wanted }, cpu_us))
    }
}

/// Has a worker play a plan. That it dies or is stuck is a failure of the plan.
pub(crate) fn ask(
    recruiter: &Recruiter,
    worker: &mut Option<Worker>,
    trial: &Trial,
) -> Result<Finding, CliError> {
    let (code, sentence) = match recruiter.ask(worker, &job::line(trial)?)? {
        Reply::Line(line) => {
            return serde_json::from_str(&line).map_err(|error| {
                CliError::Internal(format!("a worker said `{line}`, expected a finding: {error}"))
            });
        }
        Reply::Died(how) => (WORKER_DIED, format!("the process that ran it died {how}")),
        Reply::Stuck => (WORKER_STUCK, "no end in time".to_owned()),
    };
    let code = code.to_owned();
    let violation = Violation { code, at: SimTime::ZERO, event: None, node: None, sentence };
    let is_wanted = trial.wanted.as_ref() == Some(&Signature::of_violation(&violation));
    Ok(Finding {
        verdict: Verdict::Failed,
        violation: Some(violation),
        is_wanted,
        began: Vec::new(),
        cpu_us: 0,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a plan and of how far it is played, in few bytes.
fn key(plan: &Plan, until: Option<SimTime>) -> u64 {
    let mut mixer = Mixer::default();
    mixer.add(until.map_or(0, |until| until.0));
    for chunk in plan.to_toml().as_bytes().chunks(8) {
        mixer.add(chunk.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
    }
    mixer.finish()
}
