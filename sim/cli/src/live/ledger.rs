//! What was done to a cluster, what came of it, and what it cost the clients.

use super::blow::Deed;
use std::{collections::BTreeMap, time::Duration};
use whitewater_api::{ClusterRequest, Completion, Error, Request};
use whitewater_record::{History, SimTime, Span};
use whitewater_world::steps::is_worth_another;

/// What was done.
#[derive(Default)]
pub(super) struct Ledger {
    faults: BTreeMap<&'static str, Count>,
    /// Of these, how many hit who led.
    leaders: u64,
    /// How many began before another one, at another member, was over.
    overlaps: u64,
    /// When a leader was killed alone, and when the next fault began.
    lost_leaders: Vec<(SimTime, SimTime)>,
    /// What the cluster has not made good.
    objection: Option<String>,
}

/// Faults of a kind.
#[derive(Default)]
struct Count {
    begun: u64,
    /// Of these, how many were seen to have had their effect.
    seen: u64,
}

/// The election timeout of both servers, by default.
const ELECTION: Duration = Duration::from_secs(1);

/// Election timeouts that a killed leader may cost those who ask.
const LOSS_MAX: u64 = 2;

/// So many killed leaders say something. Of fewer, half may have met with split votes.
const LOSSES_MIN: usize = 5;

/// That killed leaders cost too much, if they did: half of them. One election in a hundred takes longer because the votes are split or
/// everybody waits long.
pub(super) fn dear_losses(losses: &[Span]) -> Option<String> {
    let mut losses = losses.to_vec();
    losses.sort_unstable();
    let half = *losses.get(losses.len() / 2).filter(|_| losses.len() >= LOSSES_MIN)?;
    let is_too_much = u128::from(half.0) >= u128::from(LOSS_MAX) * ELECTION.as_nanos();
    is_too_much.then(|| {
        let times = losses.len();
        format!("half of {times} killed leaders cost {} or more", in_elections(half))
    })
}

fn in_elections(span: Span) -> String {
    let hundredths = span.0 / u64::try_from(ELECTION.as_nanos() / 100).unwrap_or(u64::MAX);
    format!("{}.{:02} election timeouts", hundredths / 100, hundredths % 100)
}

impl Ledger {
    /// A fault, and whether it hits who leads.
    pub(super) fn begin(&mut self, fault: &'static str, is_leader: bool) {
        self.faults.entry(fault).or_default().begun += 1;
        self.leaders += u64::from(is_leader);
    }

    /// The fault is over, and whether it was seen to have had its effect.
    pub(super) fn end(&mut self, fault: &'static str, is_seen: bool) {
        self.faults.entry(fault).or_default().seen += u64::from(is_seen);
    }

    /// Two faults, at different members, of which the one may have begun before the other was over.
    pub(super) fn overlap(&mut self, one: &Deed, other: &Deed) {
        self.overlaps += u64::from(one.overlaps(other));
    }

    /// A leader was killed, and nobody else is down.
    pub(super) fn lose_leader(&mut self, at: SimTime) {
        self.lost_leaders.push((at, SimTime::NEVER));
    }

    /// The cluster has not made good what was done to it.
    pub(super) fn object(&mut self, objection: String) {
        self.objection.get_or_insert(objection);
    }

    pub(super) const fn has_objection(&self) -> bool {
        self.objection.is_some()
    }

    pub(super) fn end_last_loss(&mut self, now: SimTime) {
        if let Some((_, until)) = self.lost_leaders.last_mut() {
            *until = now.min(*until);
        }
    }

    /// What killed leaders cost, each: how long it took until somebody who asked after that had an answer, as far as no other
    /// fault came before it. The shortest first.
    pub(super) fn losses(&self, history: &History) -> Vec<Span> {
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

    /// What was not made good.
    pub(super) fn objection(&self) -> Option<String> {
        self.objection.clone()
    }

    /// What was done, what the clients had of it, and the longest time in which none of them got an answer.
    pub(super) fn describe(&self, history: &History) -> String {
        let describe = |(name, Count { begun, seen }): (&&str, &Count)| {
            let unseen = if begun == seen { String::new() } else { format!(" ({seen} seen)") };
            format!("{begun} x {name}{unseen}")
        };
        let faults: Vec<String> = self.faults.iter().map(describe).collect();
        let faults = if faults.is_empty() { "no faults".to_owned() } else { faults.join(", ") };
        let answered = history.operations.iter().filter(|it| is_answer(&it.completion));
        let mut answered: Vec<SimTime> = answered.map(|operation| operation.completed).collect();
        answered.sort_unstable();
        let gap = answered.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default();
        let [ok, fail, info] = history.outcomes();
        format!(
            "{faults} ({} at the leader, {} while another one lasted); {ok} ok, {fail} fail, {info} info, {} messages of watches, {} looks at elections; longest silence {gap}{}{}",
            self.leaders,
            self.overlaps,
            history.watches.len(),
            history.observed.len(),
            describe_changes(history),
            self.describe_losses(history).unwrap_or_default()
        )
    }
}

/// Who became a member or was changed, by whoever asked for it.
fn describe_changes(history: &History) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for operation in &history.operations {
        let (Request::Cluster(request), Completion::Ok(_)) =
            (&operation.request, &operation.completion)
        else {
            continue;
        };
        let change = match request {
            ClusterRequest::Add { .. } => "added",
            ClusterRequest::Promote(_) => "promoted",
            ClusterRequest::Update { .. } => "moved",
            ClusterRequest::Remove(_) => "removed",
            ClusterRequest::List { .. } | ClusterRequest::Publish { .. } => continue,
        };
        *counts.entry(change).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(name, times)| format!("{times} {name}")).collect();
    if counts.is_empty() { String::new() } else { format!("; members: {}", counts.join(", ")) }
}

/// Whether somebody decided: a refusal because of who asks, or of what is there, is an answer as good as another.
fn is_answer<R>(completion: &Completion<R, Error>) -> bool {
    match completion {
        Completion::Ok(_) => true,
        Completion::Fail(error) => !is_worth_another(error),
        Completion::Info(_) => false,
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
    fn a_refusal_for_a_reason_is_no_silence() {
        let mut refused = read(2000, 2000, false);
        refused.completion = Completion::Fail(Error::PermissionDenied);
        let mut leaderless = read(2500, 2500, false);
        leaderless.completion = Completion::Fail(Error::NoLeader);
        let operations = vec![read(0, 1000, true), refused, leaderless, read(2000, 4000, true)];
        let history = History { operations, ..History::default() };
        let told = Ledger::default().describe(&history);
        assert!(told.ends_with("longest silence 2s"), "{told}");
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
        let late = ledger(vec![(at(4900), SimTime::NEVER)]);
        assert_eq!(late.losses(&history), [Span(2_600_000_000)]);
        let cut_short = ledger(vec![(at(4900), at(6000))]);
        assert_eq!(cut_short.losses(&history), [], "another fault came before the answer");
    }

    #[test]
    fn killed_leaders_cost_too_much_if_half_of_some_do() {
        let [cheap, dear] = [1_270, 2_600].map(|milliseconds| Span(milliseconds * 1_000_000));
        assert_eq!(dear_losses(&[dear; 4]), None, "four may have had bad luck");
        assert_eq!(dear_losses(&[dear, dear, cheap, cheap, cheap]), None);
        let objection = dear_losses(&[dear, dear, cheap, cheap, dear]).unwrap();
        assert_eq!(objection, "half of 5 killed leaders cost 2.60 election timeouts or more");
    }
}
