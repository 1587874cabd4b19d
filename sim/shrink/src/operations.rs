//! Fewer operations, and simpler ones.

use crate::{limits::FILLER_MIN, size::digits};
use whitewater_api::{Key, LeaseId, Value};
use whitewater_record::{
    AuthStep, Condition, LeaseChoice, LeaseStep, LockStep, MaintenanceStep, OptionStep, Plan,
    SimTime, Span, Step, When,
};

/// Client and place of an operation.
pub(crate) type Place = (usize, usize);

/// All operations, by time; those whose time is not said, in the order of their clients.
pub(crate) fn places(plan: &Plan) -> Vec<Place> {
    let mut all: Vec<(SimTime, Place)> = Vec::new();
    for (client, operations) in plan.clients.iter().map(|client| &client.operations).enumerate() {
        for (place, operation) in operations.iter().enumerate() {
            let at = match operation.when {
                When::At(at) => at,
                When::After(_) => SimTime::ZERO,
            };
            all.push((at, (client, place)));
        }
    }
    all.sort_unstable();
    all.into_iter().map(|(_, place)| place).collect()
}

/// The plan without these operations. What comes `after` one of them comes so much later.
pub(crate) fn without(plan: &Plan, gone: &[Place]) -> Plan {
    let mut gone = gone.to_vec();
    gone.sort_unstable();
    let mut less = plan.clone();
    for (client, planned) in less.clients.iter_mut().enumerate() {
        let mut waited = Span(0);
        let mut place = 0;
        planned.operations.retain_mut(|operation| {
            let goes = gone.binary_search(&(client, place)).is_ok();
            place += 1;
            match &mut operation.when {
                When::After(after) if goes => waited = waited + *after,
                When::After(after) => *after = std::mem::take(&mut waited) + *after,
                When::At(_) => {}
            }
            !goes
        });
    }
    less
}

/// The keys and prefixes of a step.
pub(crate) fn keys(step: &Step) -> Vec<&Key> {
    match step {
        Step::Put(key, _)
        | Step::Get(key)
        | Step::StaleGet(key)
        | Step::List(key, _)
        | Step::ByVersion(key, _)
        | Step::Nest(key, _)
        | Step::Delete(key)
        | Step::DeleteAll(key)
        | Step::Swap(key, _)
        | Step::Create(key, _)
        | Step::PutPast(key, ..)
        | Step::Remove(key)
        | Step::Append(key, _)
        | Step::Lock(LockStep::Write(_, key, _))
        | Step::Lease(LeaseStep::Put(_, key, _))
        | Step::Auth(AuthStep::Sneak(key, _) | AuthStep::Look(key, _) | AuthStep::Peek(key)) => {
            vec![key]
        }
        Step::Option(step) => vec![step.key()],
        Step::Both(a, b, _) => vec![a, b],
        Step::If(condition, key, _) => vec![&condition.key, key],
        Step::Compact(_)
        | Step::Lease(_)
        | Step::Lock(_)
        | Step::Turn(_)
        | Step::CompactTurned
        | Step::Maintain(_)
        | Step::Cluster(_)
        | Step::Auth(_) => Vec::new(),
    }
}

/// The value that a step writes.
pub(crate) fn value(step: &Step) -> Option<&Value> {
    match step {
        Step::Put(_, value)
        | Step::Swap(_, value)
        | Step::Create(_, value)
        | Step::Both(_, _, value)
        | Step::PutPast(_, value, _)
        | Step::Nest(_, value)
        | Step::Append(_, value)
        | Step::If(_, _, value)
        | Step::Turn(value)
        | Step::Lock(
            LockStep::Join(_, value) | LockStep::Write(_, _, value) | LockStep::Proclaim(_, value),
        )
        | Step::Lease(LeaseStep::Put(_, _, value))
        | Step::Option(OptionStep::Rewrite(_, value))
        | Step::Auth(AuthStep::Sneak(_, value) | AuthStep::Look(_, value)) => Some(value),
        Step::Get(_)
        | Step::StaleGet(_)
        | Step::List(..)
        | Step::ByVersion(..)
        | Step::Delete(_)
        | Step::DeleteAll(_)
        | Step::Compact(_)
        | Step::Remove(_)
        | Step::CompactTurned
        | Step::Option(_)
        | Step::Lock(_)
        | Step::Lease(_)
        | Step::Maintain(_)
        | Step::Cluster(_)
        | Step::Auth(_) => None,
    }
}

/// How much there is to understand about a step.
pub(crate) fn rank(step: &Step) -> u64 {
    match step {
        Step::Get(_) => 0,
        Step::Put(..) => 1,
        // Steps about locks mean something only together, and nothing simpler stands for them.
        Step::StaleGet(_) | Step::Delete(_) | Step::Lock(LockStep::Look(_)) => 2,
        Step::List(_, limit) => 3 + u64::from(*limit > 0),
        Step::ByVersion(_, limit) => 4 + u64::from(*limit > 0),
        Step::Create(..) => 4,
        Step::DeleteAll(_) => 5,
        Step::Swap(..) | Step::Remove(_) | Step::Turn(_) => 6,
        Step::PutPast(_, _, back) => 7 + u64::from(*back > 1),
        Step::Both(..) | Step::Nest(..) => 8,
        Step::Compact(keep) => 2 + u64::from(*keep > 0),
        Step::Option(step) => option_rank(step),
        Step::Lease(step) => lease_rank(step),
        Step::Append(..) | Step::CompactTurned => 7,
        Step::If(condition, ..) => 9 + u64::from(condition.is_prefix),
        Step::Maintain(MaintenanceStep::HashKv(back)) => 3 + u64::from(*back > 0),
        Step::Lock(_) | Step::Maintain(_) | Step::Cluster(_) => 3,
        Step::Auth(_) => 9,
    }
}

/// More than what it would be without its options.
fn option_rank(step: &OptionStep) -> u64 {
    match step {
        OptionStep::Count(_) => 4,
        OptionStep::Take(_) | OptionStep::Rewrite(..) => 5,
        OptionStep::Touch(_) => 6,
        OptionStep::Recent(_, back) | OptionStep::Past(_, back) => 6 + u64::from(*back > 0),
    }
}

fn lease_rank(step: &LeaseStep) -> u64 {
    let of_choice = |lease: &LeaseChoice| match lease {
        LeaseChoice::Mine => 0,
        LeaseChoice::Seen => 2,
        LeaseChoice::Id(_) => 1,
    };
    match step {
        LeaseStep::Grant { ttl, lease } => {
            2 + u64::from(*lease != LeaseId::NONE) + u64::from(*ttl > 1)
        }
        LeaseStep::Put(lease, ..) | LeaseStep::TimeToLive(lease) => 2 + of_choice(lease),
        LeaseStep::KeepAlive(lease) => 1 + of_choice(lease),
        LeaseStep::Revoke(lease) => 3 + of_choice(lease),
        LeaseStep::List => 2,
    }
}

/// Steps that could stand for this one, the simplest first.
fn simpler(step: &Step) -> Vec<Step> {
    let mut all = Vec::new();
    for key in keys(step) {
        all.push(Step::Get(key.clone()));
        if let Some(value) = value(step) {
            all.push(Step::Put(key.clone(), value.clone()));
            all.push(Step::Create(key.clone(), value.clone()));
            all.push(Step::Swap(key.clone(), value.clone()));
        }
        all.push(Step::Delete(key.clone()));
        all.push(Step::List(key.clone(), 0));
    }
    if let Step::PutPast(key, value, _) = step {
        all.push(Step::PutPast(key.clone(), value.clone(), 1));
    }
    if matches!(step, Step::Compact(_) | Step::CompactTurned) {
        all.push(Step::Compact(0));
    }
    if let Step::Maintain(MaintenanceStep::HashKv(_)) = step {
        all.push(Step::Maintain(MaintenanceStep::HashKv(0)));
    }
    if let Step::If(condition, key, value) = step {
        let single = Condition { is_prefix: false, ..condition.clone() };
        all.push(Step::If(single, key.clone(), value.clone()));
    }
    if let Step::Option(OptionStep::Recent(prefix, _)) = step {
        all.push(Step::Option(OptionStep::Recent(prefix.clone(), 0)));
    }
    if let Step::Option(OptionStep::Past(prefix, _)) = step {
        all.push(Step::Option(OptionStep::Past(prefix.clone(), 0)));
    }
    if let Step::Lease(step) = step {
        all.extend(simpler_leases(step).into_iter().map(Step::Lease));
    }
    all.retain(|other| rank(other) < rank(step));
    all
}

/// The shortest lease, an id that the cluster picks, the client's own lease.
fn simpler_leases(step: &LeaseStep) -> Vec<LeaseStep> {
    let mine = LeaseChoice::Mine;
    match step {
        LeaseStep::Grant { ttl, lease } => vec![
            LeaseStep::Grant { ttl: 1, lease: LeaseId::NONE },
            LeaseStep::Grant { ttl: *ttl, lease: LeaseId::NONE },
            LeaseStep::Grant { ttl: 1, lease: *lease },
        ],
        LeaseStep::Put(_, key, value) => vec![LeaseStep::Put(mine, key.clone(), value.clone())],
        LeaseStep::KeepAlive(_) => vec![LeaseStep::KeepAlive(mine)],
        LeaseStep::Revoke(lease) => {
            vec![LeaseStep::KeepAlive(*lease), LeaseStep::Revoke(mine)]
        }
        LeaseStep::TimeToLive(lease) => {
            vec![LeaseStep::KeepAlive(*lease), LeaseStep::TimeToLive(mine)]
        }
        LeaseStep::List => Vec::new(),
    }
}

/// The plan with simpler operations: fewer keys, shorter values, simpler steps, each for all at once if it can be.
pub(crate) fn simplified(plan: &Plan) -> Vec<Plan> {
    let mut all = vec![map(plan, plain_value)];
    let mut names: Vec<&Key> = Vec::new();
    for key in steps(plan).flat_map(keys) {
        if !names.contains(&key) {
            names.push(key);
        }
    }
    for (i, key) in names.iter().enumerate().skip(1).rev() {
        for other in &names[..i] {
            all.push(map(plan, |step| renamed(step, key, other)));
        }
    }
    for (client, place) in places(plan) {
        for step in simpler(&plan.clients[client].operations[place].step) {
            let mut less = plan.clone();
            less.clients[client].operations[place].step = step;
            all.push(less);
        }
    }
    all
}

fn steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.clients.iter().flat_map(|client| &client.operations).map(|operation| &operation.step)
}

fn map(plan: &Plan, change: impl Fn(&Step) -> Step) -> Plan {
    let mut less = plan.clone();
    for operation in less.clients.iter_mut().flat_map(|client| &mut client.operations) {
        operation.step = change(&operation.step);
    }
    less
}

/// Without the byte that fills a value up to a length.
fn plain_value(step: &Step) -> Step {
    let mut step = step.clone();
    if let Step::Put(_, value)
    | Step::Swap(_, value)
    | Step::Create(_, value)
    | Step::Both(_, _, value)
    | Step::Lease(LeaseStep::Put(_, _, value))
    | Step::Auth(AuthStep::Sneak(_, value) | AuthStep::Look(_, value)) = &mut step
    {
        let bytes = value.as_slice();
        let filler = bytes.last().copied();
        let used = bytes.iter().rposition(|byte| Some(*byte) != filler).map_or(0, |last| last + 1);
        // `v11` is not filled up.
        if used > 0 && bytes.len() - used > FILLER_MIN {
            *value = Value::from(bytes[..used].to_vec());
        }
    }
    step
}

fn renamed(step: &Step, from: &Key, to: &Key) -> Step {
    let mut step = step.clone();
    match &mut step {
        // A transaction may not write one key twice.
        Step::Both(a, b, value) if (&*a == from && &*b == to) || (&*b == from && &*a == to) => {
            return Step::Swap(to.clone(), value.clone());
        }
        Step::Both(a, b, _) | Step::If(Condition { key: a, .. }, b, _) => {
            for key in [a, b] {
                if key == from {
                    *key = to.clone();
                }
            }
        }
        Step::Option(step) => {
            if step.key() == from {
                *step.key_mut() = to.clone();
            }
        }
        Step::Put(key, _)
        | Step::Get(key)
        | Step::StaleGet(key)
        | Step::List(key, _)
        | Step::ByVersion(key, _)
        | Step::Nest(key, _)
        | Step::Delete(key)
        | Step::DeleteAll(key)
        | Step::Swap(key, _)
        | Step::Create(key, _)
        | Step::PutPast(key, ..)
        | Step::Remove(key)
        | Step::Append(key, _)
        | Step::Lock(LockStep::Write(_, key, _))
        | Step::Lease(LeaseStep::Put(_, key, _))
        | Step::Auth(AuthStep::Sneak(key, _) | AuthStep::Look(key, _) | AuthStep::Peek(key)) => {
            if key == from {
                *key = to.clone();
            }
        }
        Step::Compact(_)
        | Step::Lease(_)
        | Step::Lock(_)
        | Step::Turn(_)
        | Step::CompactTurned
        | Step::Maintain(_)
        | Step::Cluster(_)
        | Step::Auth(_) => {}
    }
    step
}

/// Whether a span is as round as it gets.
pub(crate) fn is_round(span: Span) -> bool {
    digits(span.0) <= 1
}
