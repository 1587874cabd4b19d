//! What a cluster can be asked to survive.
//!
//! A search that takes items away finds plans that nobody would have planned: a disk is wiped and its member never
//! replaced, a majority of the disks is gone. Such a plan breaks promises that were never made. The rules are those by
//! which plans are settled when they are drawn.

use whitewater_api::MemberChange;
use whitewater_record::{Fault, Plan, PlannedFault, Victim};

/// Whether a correct cluster survives the plan.
///
/// - Disks that are wiped or damaged and members that leave without a replacement are together fewer than half of the members, if a
///   disk is wiped at all.
/// - A member whose disk was wiped is replaced afterwards; while it is being wiped, nobody else is down.
/// - Clocks drift by no more than a quarter of what the replicas allow for.
pub fn is_fair(plan: &Plan) -> bool {
    let wipes: Vec<&PlannedFault> =
        plan.faults.iter().filter(|fault| fault.fault.loses_disk()).collect();
    let removals = plan.faults.iter().filter(|fault| is_removal(&fault.fault)).count();
    let spare = usize::try_from(plan.cluster.nodes.saturating_sub(1) / 2).unwrap_or(0);
    let survives = wipes.is_empty() || wipes.len() + removals <= spare;
    let is_replaced = |wipe: &&PlannedFault| plan.faults.iter().any(|fault| replaces(fault, wipe));
    let is_alone = |wipe: &&PlannedFault| {
        !plan.faults.iter().any(|fault| {
            fault.fault.takes_down()
                && fault != *wipe
                && fault.at < wipe.end()
                && wipe.at < fault.end()
        })
    };
    survives
        && wipes.iter().filter(|lost| is_wipe(&lost.fault)).all(is_replaced)
        && wipes.iter().all(is_alone)
        && is_timed(plan)
}

/// Whether the later fault brings a new member in for the one whose disk the earlier one wipes.
pub(crate) fn replaces(later: &PlannedFault, wipe: &PlannedFault) -> bool {
    let replaced = if let Fault::ReplaceMember { victim, .. } = later.fault {
        Some(victim)
    } else if let Fault::Member { change: MemberChange::Replace { old, .. } } = later.fault {
        Some(Victim::Node(old))
    } else {
        None
    };
    is_wipe(&wipe.fault) && replaced == wipe.fault.victim() && later.at >= wipe.end()
}

const fn is_wipe(fault: &Fault) -> bool {
    matches!(fault, Fault::WipeDisk { .. })
}

const fn is_removal(fault: &Fault) -> bool {
    matches!(fault, Fault::Member { change: MemberChange::Remove(_) })
}

fn is_timed(plan: &Plan) -> bool {
    let drifts = plan.faults.iter().filter_map(|fault| {
        if let Fault::DriftClock { ppm, .. } = fault.fault { Some(ppm) } else { None }
    });
    let clocks = plan.cluster.clocks.iter().map(|clock| clock.drift_ppm);
    let bound = plan.cluster.tuning.drift_ppm_max / 4;
    drifts.chain(clocks).all(|ppm| u64::from(ppm.unsigned_abs()) <= bound)
}
