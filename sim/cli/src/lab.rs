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
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
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
    /// When its operations were invoked, by client.
    began: Vec<Vec<SimTime>>,
}

/// What came of a plan that was played to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sight {
    /// The failure that is looked for.
    Fails,
    /// Another failure.
    FailsOtherwise,
    /// Undecided.
    Undecided,
    /// Nothing is broken.
    Passes,
}

impl Sight {
    fn of(fact: &Fact) -> Self {
        match fact.verdict {
            _ if fact.is_wanted => Self::Fails,
            Verdict::Failed => Self::FailsOtherwise,
            Verdict::Inconclusive => Self::Undecided,
            Verdict::Passed => Self::Passes,
        }
    }
}

/// Workers, and what they found out.
pub(crate) struct Lab {
    stations: Vec<Station>,
    /// Which station played which candidate, and what came of it.
    reports: Receiver<Report>,
    budget: Budget,
    /// The failure that is looked for.
    wanted: Signature,
    /// Candidates must pass without their mutations.
    has_twin: bool,
    /// Whether candidates may be cut short, if they are only wanted quickly.
    pub(crate) is_hasty: bool,
    /// When the failure is seen in the smallest plan so far.
    at: SimTime,
    facts: BTreeMap<u64, Fact>,
    /// Plans that a single worker would have played too.
    counted: BTreeSet<u64>,
    /// Of the last question in full: those that passed, and those that failed in another way.
    pub(crate) last_full: (u64, u64),
    cpu_us: u64,
    error: Option<CliError>,
}

/// A thread that drives one worker. The worker dies with the thread that started it, so both live as long as the
/// laboratory.
struct Station {
    trials: Sender<(usize, Trial)>,
    thread: JoinHandle<()>,
}

struct Report {
    station: usize,
    place: usize,
    finding: Result<Finding, CliError>,
}

/// Candidates of one question.
struct Desk<'a> {
    candidates: &'a mut dyn Iterator<Item = Plan>,
    until: Option<SimTime>,
    /// Names of the candidates that were handed out, in order.
    keys: Vec<u64>,
    /// Those that are being played, by place.
    playing: BTreeMap<usize, Plan>,
    /// The first in the order that is known to fail.
    first: Option<(usize, Plan)>,
    is_spent: bool,
}

impl Lab {
    /// Opens the laboratory for a failure that is seen at `at`.
    pub(crate) fn new(
        recruiter: &Recruiter,
        workers: usize,
        budget: Budget,
        wanted: Signature,
        at: SimTime,
        has_twin: bool,
    ) -> Self {
        let (sender, reports) = channel();
        let station = |station| {
            let (trials, queue) = channel();
            let (recruiter, reports) = (recruiter.clone(), sender.clone());
            let thread = thread::spawn(move || drive(station, &recruiter, &queue, &reports));
            Station { trials, thread }
        };
        Self {
            stations: (0..workers).map(station).collect(),
            reports,
            budget,
            // A cluster that does not recover is seen at the very end only.
            is_hasty: wanted.class != FailureClass::Liveness,
            wanted,
            has_twin,
            at,
            facts: BTreeMap::new(),
            counted: BTreeSet::new(),
            last_full: (0, 0),
            cpu_us: 0,
            error: None,
        }
    }

    /// Runs that count: those that a single worker would have played.
    pub(crate) fn runs(&self) -> u64 {
        u64::try_from(self.counted.len()).unwrap_or(u64::MAX)
    }

    /// Runs may begin until then.
    pub(crate) const fn extend(&mut self, deadline: Option<Instant>) {
        self.budget.deadline = deadline;
    }

    /// CPU time of all workers, in microseconds.
    pub(crate) const fn cpu_us(&self) -> u64 {
        self.cpu_us
    }

    /// What is broken in a plan when it is played to its end, if it is what is looked for. Costs no budget.
    pub(crate) fn confirm(&mut self, plan: &Plan) -> Result<Option<Violation>, CliError> {
        let key = key(plan, None);
        if self.error.is_none() && !self.facts.contains_key(&key) {
            self.send(0, 0, plan, None);
            let fact = self.receive()?.2;
            self.facts.insert(key, fact);
        }
        let fact = self.facts.get(&key).filter(|fact| fact.is_wanted);
        Ok(fact.and_then(|fact| fact.violation.clone()))
    }

    /// What comes of each of these plans, in full. Nothing of those for which the budget does not reach.
    pub(crate) fn each(
        &mut self,
        plans: &[Plan],
        ticker: &mut Ticker,
    ) -> Result<Vec<Option<Sight>>, CliError> {
        let mut idle: Vec<usize> = (0..self.stations.len()).collect();
        let mut playing = 0;
        for (place, plan) in plans.iter().enumerate() {
            let key = key(plan, None);
            if self.facts.contains_key(&key) || self.counted.contains(&key) {
                continue;
            }
            if idle.is_empty() {
                idle.push(self.settle_one(plans)?);
                playing -= 1;
            }
            ticker.on_question(self.runs());
            if self.is_spent(0) {
                break;
            }
            let station = idle.pop().expect("one was just freed");
            self.send(station, place, plan, None);
            self.counted.insert(key);
            playing += 1;
        }
        for _ in 0..playing {
            self.settle_one(plans)?;
        }
        Ok(plans.iter().map(|plan| self.facts.get(&key(plan, None)).map(Sight::of)).collect())
    }

    /// Waits for one of the plans that are being played. Returns the station that is free now.
    fn settle_one(&mut self, plans: &[Plan]) -> Result<usize, CliError> {
        let (station, place, fact) = self.receive()?;
        self.facts.insert(key(&plans[place], None), fact);
        Ok(station)
    }

    /// The first of the candidates that still fails.
    pub(crate) fn first(
        &mut self,
        depth: Depth,
        candidates: &mut dyn Iterator<Item = Plan>,
        ticker: &mut Ticker,
    ) -> Answer {
        let until = match depth {
            Depth::Quick if self.is_hasty => Some(self.patience()),
            Depth::Quick | Depth::Full => None,
        };
        let mut desk = Desk {
            candidates,
            until,
            keys: Vec::new(),
            playing: BTreeMap::new(),
            first: None,
            is_spent: false,
        };
        let mut idle: Vec<usize> = (0..self.stations.len()).collect();
        loop {
            ticker.on_question(self.runs());
            while let Some(station) = idle.pop() {
                if !self.employ(station, &mut desk) {
                    idle.push(station);
                    break;
                }
            }
            if desk.playing.is_empty() {
                return self.close(desk, depth);
            }
            match self.receive() {
                Ok((station, place, fact)) => {
                    idle.push(station);
                    let plan = desk.playing.remove(&place).expect("it was handed out");
                    desk.learn(place, plan, &fact);
                    self.facts.insert(desk.keys[place], fact);
                }
                // The world itself is broken; what is still played does not matter.
                Err(error) => {
                    self.error = Some(error);
                    return Answer::Spent;
                }
            }
        }
    }

    /// Gives a station the next candidate of which nothing is known yet. Whether there is one.
    fn employ(&mut self, station: usize, desk: &mut Desk<'_>) -> bool {
        while desk.first.is_none() && !desk.is_spent && self.error.is_none() {
            let place = desk.keys.len();
            if self.is_spent(place) {
                desk.is_spent = true;
                return false;
            }
            let Some(plan) = desk.candidates.next() else { return false };
            let key = key(&plan, desk.until);
            desk.keys.push(key);
            if let Some(fact) = self.facts.get(&key) {
                desk.learn(place, plan, fact);
            } else {
                self.send(station, place, &plan, desk.until);
                desk.playing.insert(place, plan);
                return true;
            }
        }
        false
    }

    /// Whether no more runs may begin after so many of this question.
    fn is_spent(&self, more: usize) -> bool {
        let runs = self.runs() + u64::try_from(more).unwrap_or(u64::MAX);
        self.budget.deadline.is_some_and(|deadline| Instant::now() >= deadline)
            || self.budget.runs.is_some_and(|max| runs >= max)
            || self.budget.interrupt.is_set()
    }

    /// Counts, and answers.
    fn close(&mut self, desk: Desk<'_>, depth: Depth) -> Answer {
        let Desk { keys, first, is_spent, .. } = desk;
        let decisive = first.as_ref().map_or(keys.len(), |(place, _)| place + 1);
        self.counted.extend(&keys[..decisive]);
        if depth == Depth::Full {
            let passes = |key: &&u64| {
                self.facts.get(key).is_some_and(|fact| fact.verdict == Verdict::Passed)
            };
            let passed = keys.iter().filter(passes).count();
            let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            self.last_full = (count(passed), count(keys.len() - passed));
        }
        if let Some((place, plan)) = first {
            let fact = self.facts.get(&keys[place]);
            let violation = fact.and_then(|fact| fact.violation.as_ref());
            self.at = violation.map_or(self.at, |violation| violation.at);
            let began = fact.map_or_else(Vec::new, |fact| fact.began.clone());
            let failing = Failing { plan, at: self.at, began };
            return Answer::Fails { place, failing: Box::new(failing) };
        }
        if is_spent || self.error.is_some() { Answer::Spent } else { Answer::Passes }
    }

    /// How long to wait for the failure: a little beyond where it was seen last.
    fn patience(&self) -> SimTime {
        self.at + Span(self.at.0 / 16) + Span::seconds(1)
    }

    fn send(&self, station: usize, place: usize, plan: &Plan, until: Option<SimTime>) {
        let wanted = Some(self.wanted.clone());
        let trial = Trial { plan: plan.clone(), until, wanted, has_twin: self.has_twin };
        self.stations[station]
            .trials
            .send((place, trial))
            .expect("a station works until the laboratory is closed");
    }

    fn receive(&mut self) -> Result<(usize, usize, Fact), CliError> {
        let report = self.reports.recv().expect("a station works until the laboratory is closed");
        let Finding { verdict, violation, is_wanted, cpu_us, began } = report.finding?;
        self.cpu_us += cpu_us;
        Ok((report.station, report.place, Fact { verdict, violation, is_wanted, began }))
    }

    /// Sends the workers home. What went wrong, if something did.
    pub(crate) fn leave(self) -> Result<(), CliError> {
        for Station { trials, thread } in self.stations {
            drop(trials);
            thread.join().map_err(|_| CliError::Internal("a station panicked".to_owned()))?;
        }
        self.error.map_or(Ok(()), Err)
    }
}

impl Desk<'_> {
    /// What came of a candidate.
    fn learn(&mut self, place: usize, plan: Plan, fact: &Fact) {
        let is_first = self.first.as_ref().is_none_or(|(first, _)| place < *first);
        if fact.is_wanted && is_first {
            self.first = Some((place, plan));
        }
    }
}

/// One worker's life, seen from its station.
fn drive(
    station: usize,
    recruiter: &Recruiter,
    trials: &Receiver<(usize, Trial)>,
    reports: &Sender<Report>,
) {
    let mut worker: Option<Worker> = None;
    for (place, trial) in trials {
        let finding = ask(recruiter, &mut worker, &trial);
        if reports.send(Report { station, place, finding }).is_err() {
            break;
        }
    }
    if let Some(worker) = worker {
        worker.dismiss();
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

/// The name of a plan and of how far it is played, in few bytes.
fn key(plan: &Plan, until: Option<SimTime>) -> u64 {
    let mut mixer = Mixer::default();
    mixer.add(until.map_or(0, |until| until.0));
    for chunk in plan.to_toml().as_bytes().chunks(8) {
        mixer.add(chunk.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
    }
    mixer.finish()
}
