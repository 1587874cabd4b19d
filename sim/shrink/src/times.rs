//! Moments that stand for themselves, a shorter run, rounder times.

use crate::{operations, size::digits};
use whitewater_record::{Plan, SimTime, Span, When};

const SECOND: u64 = 1_000_000_000;
/// What times are rounded to, the coarsest first.
const GRAINS: [u64; 5] = [SECOND, SECOND / 2, SECOND / 10, SECOND / 100, SECOND / 1_000];

/// The same plan with operations at their moments instead of after one another, and without those that the run did not
/// come to. `began` says when each operation was first invoked, by client. Such a plan gives the same run, and an
/// operation that is taken away moves no other one: in a plan whose times were rounded, operations wait for those before
/// them, and some are there for nothing but that.
pub fn pinned(plan: &Plan, began: &[Vec<SimTime>]) -> Plan {
    let mut pinned = plan.clone();
    for (client, began) in pinned.clients.iter_mut().zip(began) {
        client.operations.truncate(began.len());
        for (operation, at) in client.operations.iter_mut().zip(began) {
            operation.when = When::At(*at);
        }
    }
    pinned
}

/// The plan without what comes after `at`, when the promise was broken.
pub(crate) fn without_tail(plan: &Plan, at: SimTime) -> Plan {
    let mut less = plan.clone();
    less.faults.retain(|fault| fault.at <= at);
    for client in &mut less.clients {
        client.operations.retain(|operation| match operation.when {
            When::At(when) => when <= at,
            When::After(_) => true,
        });
    }
    less
}

/// The plan with a safety phase of this length; faults that last longer end with it.
fn lasting(plan: &Plan, duration: Span) -> Plan {
    let mut less = plan.clone();
    less.duration = duration;
    less.faults.retain(|fault| fault.at.0 < duration.0);
    for fault in &mut less.faults {
        fault.lasts = fault.lasts.min(SimTime(duration.0).since(fault.at));
    }
    less
}

/// The plan with a shorter safety phase. `at` is when the promise was broken.
pub(crate) fn shorter(plan: &Plan, at: SimTime) -> Vec<Plan> {
    let mut all = Vec::new();
    // What is broken at the very end of a phase may need it to go on a little.
    for end in [at.0, last_event(plan)] {
        for grain in [SECOND, SECOND / 10, SECOND / 100] {
            let up = (end / grain + 1) * grain;
            all.push(lasting(plan, Span(up)));
        }
    }
    for grain in GRAINS {
        all.push(lasting(plan, Span(plan.duration.0 / grain * grain)));
    }
    all.retain(|less| less.duration.0 > 0 && less.duration < plan.duration);
    all.sort_by_key(|less| less.duration);
    all
}

/// The plan that begins later: without all that ends before a moment, the rest so much earlier. The latest moment first.
pub(crate) fn without_head(plan: &Plan, at: SimTime) -> Vec<Plan> {
    let moments = [7, 6, 4, 2, 1].map(|eighths| at.0 / 8 / SECOND * eighths * SECOND);
    let later = |moment: u64| {
        let mut less = plan.clone();
        less.faults.retain(|fault| fault.at.0 >= moment);
        for client in &mut less.clients {
            client.operations.retain(|operation| match operation.when {
                When::At(when) => when.0 >= moment,
                When::After(_) => true,
            });
        }
        // A cluster needs a while before it has a leader.
        let cut = moment.saturating_sub(3 * SECOND);
        [map(&less, |time| time.saturating_sub(cut)), less]
    };
    moments.into_iter().filter(|moment| *moment > 0).flat_map(later).collect()
}

fn last_event(plan: &Plan) -> u64 {
    moments(plan).last().copied().unwrap_or(0)
}

/// Starts and ends of faults and operations.
fn moments(plan: &Plan) -> Vec<u64> {
    let mut all: Vec<u64> =
        plan.faults.iter().flat_map(|fault| [fault.at.0, fault.end().0]).collect();
    for operation in plan.clients.iter().flat_map(|client| &client.operations) {
        if let When::At(at) = operation.when {
            all.push(at.0);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The plan with every time rounded, to coarse grains first.
pub(crate) fn rounder(plan: &Plan) -> Vec<Plan> {
    GRAINS.iter().map(|grain| map(plan, |time| round(time, *grain))).collect()
}

/// The plan with single times rounded, and faults that last less long.
pub(crate) fn rounder_each(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    for place in 0..plan.faults.len() {
        let lasts = plan.faults[place].lasts.0;
        let mut lengths: Vec<u64> = rounded(lasts);
        lengths.extend([lasts / 2, lasts / 4].map(|length| round(length, leading(length))));
        all.extend(lengths.into_iter().filter(|length| *length > 0).map(|length| {
            let mut less = plan.clone();
            less.faults[place].lasts = Span(length);
            less
        }));
        all.extend(rounded(plan.faults[place].at.0).into_iter().map(|at| {
            let mut less = plan.clone();
            less.faults[place].at = SimTime(at);
            less
        }));
    }
    for (client, place) in operations::places(plan) {
        let times = match plan.clients[client].operations[place].when {
            When::At(at) => rounded(at.0),
            When::After(after) => rounded(after.0),
        };
        all.extend(times.into_iter().map(|time| {
            let mut less = plan.clone();
            let when = &mut less.clients[client].operations[place].when;
            *when = match when {
                When::At(_) => When::At(SimTime(time)),
                When::After(_) => When::After(Span(time)),
            };
            less
        }));
    }
    for timeout in [Span::seconds(1), Span::millis(500), Span(round(plan.timeout.0, SECOND))] {
        if timeout.0 > 0 && !operations::is_round(plan.timeout) {
            all.push(Plan { timeout, ..plan.clone() });
        }
    }
    for less in &mut all {
        let end = less.faults.iter().map(|fault| fault.end().0).max().unwrap_or(0);
        less.duration = less.duration.max(Span(end));
        less.faults.sort_by_key(|fault| fault.at);
        put_in_order(less);
    }
    all
}

/// An operation does not begin before the one before it, so its moment may as well say so.
fn put_in_order(plan: &mut Plan) {
    for client in &mut plan.clients {
        let mut last = SimTime::ZERO;
        for operation in &mut client.operations {
            if let When::At(at) = &mut operation.when {
                *at = last.max(*at);
                last = *at;
            }
        }
    }
}

/// The plan with all that comes after an idle while earlier.
pub(crate) fn earlier(plan: &Plan) -> Vec<Plan> {
    let moments = moments(plan);
    let mut all = Vec::new();
    let mut before = 0;
    for moment in moments.into_iter().chain([plan.duration.0]) {
        let gap = moment.saturating_sub(before);
        for cut in [gap, gap / 4 * 3, gap / 2, gap / 4] {
            for grain in GRAINS {
                let cut = cut / grain * grain;
                if cut > 0 {
                    all.push(map(plan, |time| {
                        if time > before { before.max(time.saturating_sub(cut)) } else { time }
                    }));
                    break;
                }
            }
        }
        before = moment;
    }
    all.sort_by_key(|less| less.duration);
    all
}

/// All moments changed by a function that keeps their order.
fn map(plan: &Plan, to: impl Fn(u64) -> u64) -> Plan {
    let mut less = plan.clone();
    less.duration = Span(to(plan.duration.0).max(1));
    for fault in &mut less.faults {
        let end = to(fault.end().0).min(less.duration.0);
        fault.at = SimTime(to(fault.at.0));
        fault.lasts = SimTime(end).since(fault.at);
    }
    less.faults.retain(|fault| fault.at.0 < less.duration.0);
    for operation in less.clients.iter_mut().flat_map(|client| &mut client.operations) {
        if let When::At(at) = &mut operation.when {
            *at = SimTime(to(at.0));
        }
    }
    less
}

/// Rounder times near this one.
fn rounded(time: u64) -> Vec<u64> {
    let mut all = Vec::new();
    for grain in GRAINS {
        for near in [round(time, grain), time / grain * grain, (time / grain + 1) * grain] {
            if digits(near) < digits(time) && !all.contains(&near) {
                all.push(near);
            }
        }
    }
    all
}

/// The nearest multiple.
fn round(time: u64, grain: u64) -> u64 {
    (time + grain / 2) / grain * grain
}

/// The place value of the first digit.
fn leading(time: u64) -> u64 {
    10_u64.pow(time.checked_ilog10().unwrap_or(0))
}
