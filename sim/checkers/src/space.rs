//! Nothing is added while an alarm says that there is no space (etcd, `server/etcdserver/apply/capped.go`).
//!
//! An alarm is raised and put down by way of the log, so whoever asks after it was raised is behind it. It is certainly raised
//! from the answer to whoever raised it until somebody asks to put it down whose request may come behind. A request whose
//! outcome is not known may come behind anything.
//!
//! | code | promise |
//! |---|---|
//! | `write-without-space` | no put succeeds, and no lease is granted, while NOSPACE is certainly raised |
//!
//! Evaluations: puts and grants whose outcome is known. Discriminating: those while the alarm was certainly raised.

use crate::{
    case::Case,
    deed::{Deed, Fate, deeds, fate},
    ruling::{Anomaly, Judgement, Ruling},
};
use std::collections::BTreeMap;
use whitewater_api::{
    Alarm, AlarmAction, Error, LeaseRequest, MaintenanceRequest, NodeId, Request,
};
use whitewater_record::{Checked, Operation, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "space";

/// From when to when an alarm was certainly raised, and by which operation.
#[derive(Clone, Copy, Debug)]
struct Raised {
    from: SimTime,
    until: SimTime,
    by: usize,
}

/// Looks for what was added while there was no space.
pub(crate) fn judge(case: &Case) -> Judgement {
    let operations = &case.history.operations;
    let raised = Spells::of(operations);
    let mut checked = Checked::default();
    let mut first: Option<Anomaly> = None;
    for (position, operation) in operations.iter().enumerate().filter(|_| !raised.0.is_empty()) {
        let Some(has_added) = has_added(operation) else { continue };
        checked.evaluations += 1;
        let Some(raised) = raised.around(operation) else { continue };
        checked.discriminating += 1;
        if !has_added || first.as_ref().is_some_and(|it| it.at <= operation.completed) {
            continue;
        }
        let number = |place: usize| u32::try_from(place).expect("numbered by u32");
        let sentence = format!(
            "{} succeeded, though NOSPACE was raised by {} and not put down",
            case.operation(number(position)),
            case.operation(number(raised.by)),
        );
        first = Some(Anomaly {
            code: "write-without-space".to_owned(),
            sentence,
            operations: vec![raised.by, position],
            rows: Vec::new(),
            at: operation.completed,
        });
    }
    let ruling = match first {
        Some(anomaly) => Ruling::Broken(anomaly),
        None if checked.evaluations == 0 => {
            Ruling::NotApplicable("nobody raised an alarm".to_owned())
        }
        None => Ruling::Holds,
    };
    Judgement { judge: JUDGE, ruling, checked }
}

/// Whether a request that would add something did. [`None`] for others, and where it is not known.
fn has_added(operation: &Operation) -> Option<bool> {
    match fate(operation) {
        Fate::Refused(Error::NoSpace) => Some(false),
        Fate::Open | Fate::Refused(_) => None,
        Fate::Done(_) => {
            let mut has_put =
                matches!(operation.request, Request::Lease(LeaseRequest::Grant { .. }));
            deeds(operation, &mut |deed| has_put |= matches!(deed, Deed::Put { .. }));
            has_put.then_some(true)
        }
    }
}

/// When alarms were certainly raised, by their beginnings; each with the one that lasts longest of those so far.
struct Spells(Vec<(SimTime, Raised)>);

impl Spells {
    fn of(operations: &[Operation]) -> Self {
        let mut put_down: BTreeMap<NodeId, Vec<&Operation>> = BTreeMap::new();
        for operation in operations {
            let is_refused = matches!(fate(operation), Fate::Refused(_));
            if let Some((AlarmAction::Deactivate, member)) = about(operation)
                && !is_refused
            {
                put_down.entry(member).or_default().push(operation);
            }
        }
        let none = Vec::new();
        let spell = |(by, operation): (usize, &Operation)| {
            let (AlarmAction::Activate, member) = about(operation)? else { return None };
            let Fate::Done(_) = fate(operation) else { return None };
            let is_before = |it: &Operation| {
                matches!(fate(it), Fate::Done(_)) && it.completed < operation.invoked
            };
            let downs = put_down.get(&member).unwrap_or(&none).iter();
            let until = downs.filter(|it| !is_before(it)).map(|it| it.invoked).min();
            let until = until.unwrap_or(SimTime(u64::MAX));
            let from = operation.completed;
            (from < until).then_some(Raised { from, until, by })
        };
        let mut all: Vec<Raised> = operations.iter().enumerate().filter_map(spell).collect();
        all.sort_by_key(|it| it.from);
        let mut longest: Option<Raised> = None;
        let longest_so_far = |it: Raised| {
            let longer = longest.filter(|longest| longest.until >= it.until).unwrap_or(it);
            longest = Some(longer);
            (it.from, longer)
        };
        Self(all.into_iter().map(longest_so_far).collect())
    }

    /// The alarm that was certainly raised all the time that an operation took.
    fn around(&self, operation: &Operation) -> Option<Raised> {
        let begun = self.0.partition_point(|(from, _)| *from < operation.invoked);
        let (_, longest) = self.0.get(begun.checked_sub(1)?)?;
        (operation.completed <= longest.until).then_some(*longest)
    }
}

/// What somebody wants done with an alarm for want of space, and whose.
fn about(operation: &Operation) -> Option<(AlarmAction, NodeId)> {
    let Request::Maintenance(MaintenanceRequest::Alarm { action, member, alarm }) =
        operation.request
    else {
        return None;
    };
    (alarm == Some(Alarm::NoSpace)).then_some((action, member))
}
