//! Second half of the faults: the drafts of all groups are made to fit each other. No dice are thrown here.
//!
//! What holds afterwards:
//!
//! - Faults are sorted by start and end within the run.
//! - Wiped and damaged disks and members removed without a certain replacement are together fewer than half of the members, so that
//!   a majority of those that hold the data is left whatever else fails. A cluster of two never loses a disk.
//! - While a disk is being wiped, nobody else is down. That everybody has been heard of by then no plan can know; the
//!   nemesis leaves a disk alone that would be missed.
//! - Ids of new members count upward and are never used again.
//! - One node never suffers the same kind twice at once, and only one clock drifts at a time.
//! - Faults that can stop the service leave the calm that the scenario asks for ([`calm`](crate::calm)).

use crate::{
    calm::Calm,
    dist::Percent,
    fault_group::Change,
    faults::{Draft, recovery},
    planner::Size,
};
use whitewater_api::{MemberChange, NodeId, Tuning};
use whitewater_record::{Fault, PlannedFault, SimTime, Span, Victim};

/// Ids of nodes are kept in 64-bit masks.
const NODE_ID_MAX: u64 = 63;

/// Turns drafts into the faults of a plan.
pub(crate) fn settle(
    mut drafts: Vec<Draft>,
    calm_percent: Percent,
    size: &Size,
    tuning: &Tuning,
) -> Vec<PlannedFault> {
    drafts.sort_by_key(Draft::at);
    let mut members = Members::new(size.nodes, &drafts);
    let mut faults = Vec::with_capacity(drafts.len() + 8);
    for draft in drafts {
        members.resolve(draft, &mut faults);
    }
    faults.sort_by_key(|fault| fault.at);
    let mut calm = Calm::new(calm_percent, size, recovery(tuning));
    let mut kept: Vec<PlannedFault> = Vec::with_capacity(faults.len());
    for fault in faults {
        let fits = is_planned_by_members(&fault.fault)
            || !(members.is_wiping(&fault) || kept.iter().any(|other| is_twice(other, &fault)));
        // Without its restoration a backup is for nothing.
        let is_due = matches!(fault.fault, Fault::Restore { .. });
        if fits && (calm.admits(&fault) || is_due) {
            kept.push(fault);
        }
    }
    kept
}

/// What follows the membership is never left out: the steps of a story belong together.
const fn is_planned_by_members(fault: &Fault) -> bool {
    fault.loses_disk()
        || matches!(
            fault,
            Fault::Member { .. }
                | Fault::ReplaceMember { .. }
                | Fault::Backup { .. }
                | Fault::Restore { .. }
        )
}

/// Whether `later`, which starts no earlier, does again what `earlier` is still doing.
fn is_twice(earlier: &PlannedFault, later: &PlannedFault) -> bool {
    if earlier.end() <= later.at || earlier.fault.name() != later.fault.name() {
        return false;
    }
    match (earlier.fault.victim(), later.fault.victim()) {
        // A role and an id may be the same node, and drifts of one node add up.
        _ if matches!(later.fault, Fault::DriftClock { .. }) => true,
        (Some(earlier), Some(later)) => earlier == later,
        _ if matches!(
            later.fault,
            Fault::PowerLoss
                | Fault::ZoneLoss { .. }
                | Fault::LeapSecond
                | Fault::Shuffle { .. }
                | Fault::CrashClient { .. }
                | Fault::Restore { .. }
        ) =>
        {
            true
        }
        _ => earlier.fault == later.fault,
    }
}

/// Who is believed to be a member, and how much more the cluster can bear.
struct Members {
    nodes: u64,
    /// Invariant: never empty; what a plan cannot know (who led when the leader was replaced) is left as it was.
    voters: Vec<u64>,
    /// Invariant: above every id that was ever used.
    next: u64,
    /// Wipes that are still to be had.
    wipes_left: u64,
    /// Removals that are still to be had without a certain replacement.
    /// Invariant: with `wipes_left` and the wipes that were had, at most (nodes - 1) / 2 if a disk is wiped at all.
    removals_left: u64,
    /// From when to when a disk is wiped.
    wipes: Vec<(SimTime, SimTime)>,
}

impl Members {
    fn new(nodes: u64, drafts: &[Draft]) -> Self {
        let is_loss = |draft: &&Draft| matches!(draft, Draft::Wipe { .. } | Draft::Damage { .. });
        let wipes = drafts.iter().filter(is_loss).count();
        let spare = (nodes - 1) / 2;
        let wipes_left = u64::try_from(wipes).expect("a length fits 64 bits").min(spare);
        // Without wipes, every removal is safe in itself: the leader commits it on a majority. But a voter must be left.
        let removals_left = if wipes_left > 0 { spare - wipes_left } else { nodes - 1 };
        let voters = (1..=nodes).collect();
        Self { nodes, voters, next: nodes + 1, wipes_left, removals_left, wipes: Vec::new() }
    }

    fn resolve(&mut self, draft: Draft, faults: &mut Vec<PlannedFault>) {
        match draft {
            Draft::Fault(fault) => faults.push(fault),
            Draft::Damage { at, down, pick, how } => {
                let Some(node) = self.lose(at, down, pick) else { return };
                let fault = Fault::DamageDisk { victim: Victim::Node(NodeId(node)), how };
                faults.push(PlannedFault { at, lasts: down, fault });
            }
            Draft::Wipe { at, down, inert, replace, pick } => {
                let Some((node, new)) = self.wipe(at, down, pick) else { return };
                let victim = Victim::Node(node);
                faults.push(PlannedFault { at, lasts: down, fault: Fault::WipeDisk { victim } });
                let fault = Fault::ReplaceMember { victim, new };
                faults.push(PlannedFault { at: at + down + inert, lasts: replace, fault });
            }
            Draft::Churn { at, steps, change, pick } => {
                let mut at = at;
                for (fault, lasts) in self.churn(change, pick, steps) {
                    faults.push(PlannedFault { at, lasts, fault });
                    at = at + lasts;
                }
            }
            Draft::Scale { at, steps, picks } => {
                let mut at = at;
                for (change, lasts) in self.scale(steps, picks) {
                    if let Some(change) = change {
                        faults.push(PlannedFault { at, lasts, fault: Fault::Member { change } });
                    }
                    at = at + lasts;
                }
            }
            Draft::Restore { at, steps: [taking, going_on, down], victim, restore } => {
                let fault = Fault::Backup { victim };
                faults.push(PlannedFault { at, lasts: taking, fault });
                let at = at + taking + going_on;
                faults.push(PlannedFault { at, lasts: down, fault: restore });
            }
            Draft::Replace { at, lasts, old } => {
                let Some(new) = self.voters.contains(&old).then(|| self.come()).flatten() else {
                    return;
                };
                self.go(old);
                self.voters.push(new.0);
                let fault = Fault::ReplaceMember { victim: Victim::Node(NodeId(old)), new };
                faults.push(PlannedFault { at, lasts, fault });
            }
        }
    }

    /// Two come, nothing is done for a while, two go; nothing at all if the cluster cannot bear it.
    fn scale(&mut self, steps: [Span; 5], picks: [u64; 2]) -> Vec<(Option<MemberChange>, Span)> {
        if self.removals_left < 2 {
            return Vec::new();
        }
        let mut all = Vec::new();
        for lasts in &steps[..2] {
            let Some(new) = self.come() else { return all };
            self.voters.push(new.0);
            all.push((Some(MemberChange::Add(new)), *lasts));
        }
        all.push((None, steps[2]));
        for (lasts, pick) in steps[3..].iter().zip(picks) {
            let Some(old) = self.pick(pick, NODE_ID_MAX) else { return all };
            self.go(old);
            self.removals_left -= 1;
            all.push((Some(MemberChange::Remove(NodeId(old))), *lasts));
        }
        all
    }

    /// Whose disk goes and who comes instead, if the cluster can bear it: only a member of the start, once, and not while
    /// another disk is being wiped.
    fn wipe(&mut self, at: SimTime, down: Span, pick: u64) -> Option<(NodeId, NodeId)> {
        let node = self.lose(at, down, pick)?;
        let new = self.come()?;
        self.go(node);
        self.voters.push(new.0);
        Some((NodeId(node), new))
    }

    /// Whose disk loses what was promised on it, if the cluster can bear it.
    fn lose(&mut self, at: SimTime, down: Span, pick: u64) -> Option<u64> {
        let busy = self.wipes.iter().any(|(_, end)| at < *end);
        if self.wipes_left == 0 || busy {
            return None;
        }
        let node = self.pick(pick, self.nodes)?;
        self.wipes_left -= 1;
        self.wipes.push((at, at + down));
        Some(node)
    }

    fn churn(&mut self, change: Change, pick: u64, steps: [Span; 3]) -> Vec<(Fault, Span)> {
        let member = |change| Fault::Member { change };
        let total = steps[0] + steps[1] + steps[2];
        let Some(old) = self.pick(pick, NODE_ID_MAX) else { return Vec::new() };
        let Some(new) = self.come() else { return Vec::new() };
        self.voters.push(new.0);
        let replace = |victim| vec![(Fault::ReplaceMember { victim, new }, total)];
        let change = match change {
            // The newcomer may fail to arrive, and the removal go through all the same.
            Change::AddRemove | Change::LearnerPromoteRemove if self.removals_left == 0 => {
                Change::Replace
            }
            Change::AddRemove
            | Change::LearnerPromoteRemove
            | Change::Replace
            | Change::ReplaceLeader => change,
        };
        match change {
            Change::AddRemove => {
                self.removals_left -= 1;
                self.go(old);
                let remove = member(MemberChange::Remove(NodeId(old)));
                vec![(member(MemberChange::Add(new)), steps[0] + steps[1]), (remove, steps[2])]
            }
            Change::LearnerPromoteRemove => {
                self.removals_left -= 1;
                self.go(old);
                vec![
                    (member(MemberChange::AddLearner(new)), steps[0]),
                    (member(MemberChange::Promote(new)), steps[1]),
                    (member(MemberChange::Remove(NodeId(old))), steps[2]),
                ]
            }
            Change::Replace => {
                self.go(old);
                replace(Victim::Node(NodeId(old)))
            }
            Change::ReplaceLeader => replace(Victim::Leader),
        }
    }

    /// A voter with an id of at most `highest`.
    fn pick(&self, pick: u64, highest: u64) -> Option<u64> {
        let able: Vec<u64> = self.voters.iter().copied().filter(|id| *id <= highest).collect();
        let count = u64::try_from(able.len()).expect("a length fits 64 bits");
        let index = pick.checked_rem(count)?;
        able.get(usize::try_from(index).expect("below a length")).copied()
    }

    fn come(&mut self) -> Option<NodeId> {
        let new = NodeId(self.next);
        self.next += 1;
        (new.0 <= NODE_ID_MAX).then_some(new)
    }

    fn go(&mut self, old: u64) {
        self.voters.retain(|id| *id != old);
    }

    /// Whether the fault would take somebody down while a disk is wiped.
    fn is_wiping(&self, fault: &PlannedFault) -> bool {
        fault.fault.takes_down()
            && self.wipes.iter().any(|(start, end)| fault.at < *end && *start < fault.end())
    }
}
