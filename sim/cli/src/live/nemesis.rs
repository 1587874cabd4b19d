//! The nemesis: torments one member at a time, so that a majority is always there; once in a while it kills all of them.

use super::{members::Members, stage::Stage, wires::Cut};
use crate::exit::CliError;
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};
use whitewater_api::Completion;
use whitewater_record::{History, Seed, SimTime, Span};

/// How long a cluster has between two faults, and how long they last, in milliseconds.
const REST: (u64, u64) = (500, 2500);
const LENGTH: (u64, u64) = (100, 4000);

/// What it does, the more often the more often it stands here.
const FAULTS: [Fault; 8] = [
    Fault::Kill,
    Fault::Kill,
    Fault::KillAll,
    Fault::Pause,
    Fault::Pause,
    Fault::Cut(Cut::Both),
    Fault::Cut(Cut::Both),
    Fault::Cut(Cut::From),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// `kill -9`, and started again.
    Kill,
    /// The same for all at once, as when the power of a rack fails.
    KillAll,
    /// SIGSTOP, and SIGCONT.
    Pause,
    /// Its connections to the others stand still.
    Cut(Cut),
}

/// What was done.
#[derive(Default)]
pub(super) struct Ledger {
    faults: BTreeMap<&'static str, u64>,
    /// Of these, how many hit who led.
    leaders: u64,
    /// When a leader was killed alone, and when the next fault began.
    lost_leaders: Vec<(SimTime, SimTime)>,
}

/// The election timeout of both servers, by default.
const ELECTION: Duration = Duration::from_secs(1);

/// Election timeouts that a killed leader may cost those who ask.
const LOSS_MAX: u64 = 2;

fn in_elections(span: Span) -> String {
    let hundredths = span.0 / u64::try_from(ELECTION.as_nanos() / 100).unwrap_or(u64::MAX);
    format!("{}.{:02} election timeouts", hundredths / 100, hundredths % 100)
}

/// Torments until the faults are over, and heals.
pub(super) fn torment(stage: &Stage, members: &Members, seed: Seed) -> Result<Ledger, CliError> {
    let mut draws = seed.stream("live nemesis", 0);
    let mut ledger = Ledger::default();
    let count = u64::try_from(members.len()).expect("members are few");
    loop {
        rest(stage, draws.between(REST.0, REST.1));
        ledger.end_last_loss(stage.now());
        if stage.faults_are_over() {
            return Ok(ledger);
        }
        let drawn = usize::try_from(draws.between(0, count - 1)).expect("members are few");
        let leader = members.leader();
        let victim = if draws.chance(500_000) { leader.unwrap_or(drawn) } else { drawn };
        let (fault, length) = (*draws.pick(&FAULTS), draws.between(LENGTH.0, LENGTH.1));
        *ledger.faults.entry(fault.name()).or_default() += 1;
        ledger.leaders += u64::from(leader == Some(victim));
        let victims = if fault == Fault::KillAll { 0..members.len() } else { victim..victim + 1 };
        for victim in victims.clone() {
            fault.begin(members, victim)?;
        }
        if fault == Fault::Kill && leader == Some(victim) {
            ledger.lost_leaders.push((stage.now(), SimTime::NEVER));
        }
        rest(stage, length);
        for victim in victims {
            fault.end(members, victim)?;
        }
    }
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillAll => "kill all",
            Self::Pause => "pause",
            Self::Cut(Cut::Both) => "cut",
            Self::Cut(Cut::From) => "one-way cut",
        }
    }

    fn begin(self, members: &Members, victim: usize) -> Result<(), CliError> {
        match self {
            Self::Kill | Self::KillAll => members.process(victim).kill(),
            Self::Pause => members.process(victim).pause(),
            Self::Cut(cut) => {
                members.wires().cut(victim, cut);
                Ok(())
            }
        }
    }

    fn end(self, members: &Members, victim: usize) -> Result<(), CliError> {
        match self {
            Self::Kill | Self::KillAll => members.process(victim).start(),
            Self::Pause => members.process(victim).resume(),
            Self::Cut(_) => {
                members.wires().heal();
                Ok(())
            }
        }
    }
}

impl Ledger {
    fn end_last_loss(&mut self, now: SimTime) {
        if let Some((_, until)) = self.lost_leaders.last_mut() {
            *until = now.min(*until);
        }
    }

    /// What killed leaders cost, each: how long it took until somebody who asked after that had an answer, as far as no other
    /// fault came before it. The shortest first.
    fn losses(&self, history: &History) -> Vec<Span> {
        let answer = |(from, until): &(SimTime, SimTime)| {
            let asked = history.operations.iter().filter(|operation| operation.invoked >= *from);
            let answered = asked.filter(|asked| matches!(asked.completion, Completion::Ok(_)));
            let first = answered.map(|operation| operation.completed).min()?;
            (first < *until).then(|| first.since(*from))
        };
        let mut losses: Vec<Span> = self.lost_leaders.iter().filter_map(answer).collect();
        losses.sort_unstable();
        losses
    }

    fn describe_losses(&self, history: &History) -> Option<String> {
        let losses = self.losses(history);
        let longest = in_elections(*losses.last()?);
        let times = losses.len();
        Some(format!("; a killed leader replaced {times} times, after {longest} at most"))
    }

    /// That killed leaders cost too much, if they did. Half of them: one election in a hundred takes longer because the votes
    /// are split or everybody waits long.
    pub(super) fn objection(&self, history: &History) -> Option<String> {
        let losses = self.losses(history);
        let half = *losses.get(losses.len().checked_sub(1)? / 2)?;
        let is_too_much = u128::from(half.0) >= u128::from(LOSS_MAX) * ELECTION.as_nanos();
        is_too_much.then(|| {
            let times = losses.len();
            format!("half of {times} killed leaders cost {} or more", in_elections(half))
        })
    }

    /// What was done, what the clients had of it, and the longest time in which none of them got an answer.
    pub(super) fn describe(&self, history: &History) -> String {
        let faults: Vec<String> =
            self.faults.iter().map(|(name, count)| format!("{count} x {name}")).collect();
        let faults = if faults.is_empty() { "no faults".to_owned() } else { faults.join(", ") };
        let answered = history
            .operations
            .iter()
            .filter(|operation| matches!(operation.completion, Completion::Ok(_)));
        let mut answered: Vec<SimTime> = answered.map(|operation| operation.completed).collect();
        answered.sort_unstable();
        let gap = answered.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default();
        let [ok, fail, info] = history.outcomes();
        format!(
            "{faults} ({} at the leader); {ok} ok, {fail} fail, {info} info, {} messages of watches; longest silence {gap}{}",
            self.leaders,
            history.watches.len(),
            self.describe_losses(history).unwrap_or_default()
        )
    }
}

/// Waits so long, or until the faults are over.
fn rest(stage: &Stage, milliseconds: u64) {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < until && !stage.faults_are_over() {
        thread::sleep(super::TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::{
        Body, Error, Header, KeyRange, NodeId, Process, Request, RequestId, Response,
        request::RangeRequest, response::RangeResponse,
    };
    use whitewater_record::Operation;

    /// A read that was asked and answered at these milliseconds, or not answered.
    fn read(invoked: u64, completed: u64, is_answered: bool) -> Operation {
        let body = Body::Range(RangeResponse::default());
        let completion = if is_answered {
            Completion::Ok(Response { header: Header::default(), body })
        } else {
            Completion::Info(Error::TimedOut)
        };
        Operation {
            id: RequestId { process: Process(1), sequence: 0 },
            node: NodeId(1),
            invoked: at(invoked),
            completed: at(completed),
            request: Request::Range(RangeRequest::new(KeyRange::single("k"))),
            completion,
            witness: None,
        }
    }

    const fn at(milliseconds: u64) -> SimTime {
        SimTime(milliseconds * 1_000_000)
    }

    #[test]
    fn a_killed_leader_costs_what_passes_until_who_asks_after_it_is_answered() {
        let ledger = |lost_leaders| Ledger { lost_leaders, ..Ledger::default() };
        let operations = vec![
            read(900, 1100, true), // asked before
            read(1010, 1500, false),
            read(1020, 2270, true),
            read(5000, 7500, true),
        ];
        let history = History { operations, ..History::default() };
        let one = ledger(vec![(at(1000), SimTime::NEVER)]);
        assert_eq!(one.losses(&history), [Span(1_270_000_000)]);
        assert_eq!(one.objection(&history), None);
        let late = ledger(vec![(at(4900), SimTime::NEVER)]);
        let objection = late.objection(&history).unwrap();
        assert_eq!(objection, "half of 1 killed leaders cost 2.60 election timeouts or more");
        let cut_short = ledger(vec![(at(4900), at(6000))]);
        assert_eq!(cut_short.objection(&history), None, "another fault came before the answer");
        let one_of_two = ledger(vec![(at(1000), at(2500)), (at(4900), SimTime::NEVER)]);
        assert_eq!(one_of_two.objection(&history), None, "one may take long");
    }
}
