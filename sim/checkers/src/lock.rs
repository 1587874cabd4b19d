//! A lock has one holder at a time, and an election one leader, by etcd's recipe (`client/v3/concurrency`, `mutex.go`
//! and `election.go`).
//!
//! Each contender puts a key of its own under a prefix, on a lease of its own; the key with the smallest create revision
//! owns the lock, until it is deleted or its lease ends. Clients say in [`HoldRow`](whitewater_record::HoldRow) when
//! they believed to hold it. In the order of revisions exclusion is strict, and it is what protects data: a write under
//! the lock compares the create revision of the holder's key, and so cannot succeed once the key is gone. In true time
//! two may believe at once, but only if the lease of the first may have ended ([`LeaseBound`](crate::LeaseBound)).
//!
//! | code | promise |
//! |---|---|
//! | `holds-nothing` | a holder's key was created at the revision that it says, and is there when it says so (etcd #11456) |
//! | `wrong-lease` | and hangs on the holder's lease, so that it goes with the holder |
//! | `jumped-queue` | no older key under the prefix is there then |
//! | `two-owners` | and of no other holder |
//! | `fence-broken` | a fenced write does not succeed after its key is gone |
//! | `interleaved-fences` | nor after a fenced write of a later holder |
//! | `two-holders` | two believe at once only if the first one's lease may have ended |
//! | `resigned-other` | whoever gives a lock back deletes its own key, and not one that came after it |
//! | `no-leader` | an observer is told of keys that lead |
//! | `told-backwards` | and of each before those that came after it, no proclamation twice |
//! | `missed-leader` | and of who leads as long as the observer looks twice |
//!
//! Evaluations: beliefs, fenced writes and what observers looked at. Discriminating: those on a lock with more than one contender.

mod observed;

use crate::{
    case::{Case, Keys},
    chronicle::{Change, Chronicle, Source},
    deed::{Fate, deeds, fate},
    keyring::Keyring,
    lease::Lives,
    ruling::{Anomaly, Judgement, Ruling},
};
use std::collections::BTreeMap;
use whitewater_api::{
    Body, End, Key, KeyRange, LeaseId, Request, Revision,
    request::{CompareTarget, Relation, TxnRequest},
};
use whitewater_record::{Checked, HoldRow, Operation, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "lock";

/// Judges all locks and elections.
pub(crate) fn judge(
    case: &Case,
    keys: &Keyring,
    chronicle: &Chronicle,
    lives: &Lives,
) -> Judgement {
    let holds = &case.history.holds;
    let mut review = Review { case, keys, chronicle, lives, checked: Checked::default() };
    let unsound = holds.iter().find(|hold| hold.to < hold.from);
    let ruling = if holds.is_empty() && case.history.observed.is_empty() {
        Ruling::NotApplicable("nobody held a lock".to_owned())
    } else if let Some(hold) = unsound {
        Ruling::Undecided(
            format!("the record is unsound: {} ends before it begins", name(hold)).into(),
        )
    } else {
        review.run().map_or(Ruling::Holds, Ruling::Broken)
    };
    Judgement { judge: JUDGE, ruling, checked: review.checked }
}

/// One lock, with the beliefs to hold it in the order of beginning.
struct Lock<'h> {
    holds: Vec<&'h HoldRow>,
    /// When keys under the prefix were certainly there.
    stays: Vec<Stay>,
}

/// A key was there from the revision that created it until before another one.
#[derive(Clone, Copy)]
struct Stay {
    create: u64,
    until: u64,
    key: u32,
}

/// A write that succeeded under the condition that a holder's key is there.
struct Fenced {
    revision: u64,
    operation: u32,
    /// The revision that created the key.
    fence: u64,
    key: u32,
    /// Whether only a holder may do that. Whoever waits may change or take back its own key.
    is_of_holder: bool,
}

struct Review<'a, 'h> {
    case: &'a Case<'h>,
    keys: &'a Keyring<'h>,
    chronicle: &'a Chronicle<'h>,
    lives: &'a Lives,
    checked: Checked,
}

impl<'h> Review<'_, 'h> {
    fn run(&mut self) -> Option<Anomaly> {
        let mut locks: BTreeMap<&Key, Vec<&'h HoldRow>> = BTreeMap::new();
        let mut owners: BTreeMap<(u32, u64), &'h Key> = BTreeMap::new();
        for hold in &self.case.history.holds {
            locks.entry(&hold.prefix).or_default().push(hold);
            owners.insert((self.keys.number(&hold.key), hold.revision.0), &hold.prefix);
        }
        let mut fenced = self.fenced(&owners);
        let mut first = self.observed();
        for (prefix, mut holds) in locks {
            holds.sort_by_key(|hold| (hold.from, hold.revision));
            let keys = self.keys.interval(&KeyRange::prefix(prefix.clone()));
            let lock = Lock { holds, stays: self.stays(keys) };
            let writes = fenced.remove(prefix).unwrap_or_default();
            let anomaly = self.lock(&lock, &writes).err();
            first = first.into_iter().chain(anomaly).min_by_key(|anomaly| anomaly.at);
        }
        first
    }

    fn lock(&mut self, lock: &Lock, writes: &[Fenced]) -> Result<(), Anomaly> {
        let is_contended = lock.stays.iter().any(|stay| stay.key != lock.stays[0].key);
        let count = (lock.holds.len() + writes.len()) as u64;
        self.checked.evaluations += count;
        self.checked.discriminating += if is_contended { count } else { 0 };
        for hold in &lock.holds {
            self.owns(hold)?;
            self.is_first(hold, lock)?;
            self.resigns(hold)?;
        }
        self.fences(writes)?;
        self.overlaps(lock)
    }

    /// When keys were certainly there, by creation; each `until` the largest so far.
    fn stays(&self, keys: Keys) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        for key in keys.iter() {
            let mut stay: Option<Stay> = None;
            for change in &self.chronicle.chains[key as usize] {
                let revision = change.revision;
                if !change.is_put {
                    stays.extend(stay.take().map(|stay| Stay { until: revision, ..stay }));
                    continue;
                }
                let create = change.create;
                stay = match stay {
                    Some(stay) if stay.create == create => {
                        Some(Stay { until: revision + 1, ..stay })
                    }
                    other => {
                        stays.extend(other);
                        (create != 0).then_some(Stay { create, until: revision + 1, key })
                    }
                };
            }
            stays.extend(stay);
        }
        stays.sort_by_key(|stay| (stay.create, stay.key));
        let mut longest: Option<Stay> = None;
        for stay in &mut stays {
            let best = longest.filter(|best| best.until >= stay.until).unwrap_or(*stay);
            longest = Some(best);
            (stay.until, stay.key) = (best.until, best.key);
        }
        stays
    }

    fn source(&self, source: Source) -> (String, Vec<u32>) {
        match source {
            Source::Operation(operation) => (self.case.operation(operation), vec![operation]),
            Source::Told(_) => ("what a watch was told".to_owned(), Vec::new()),
        }
    }

    /// The holder's key is there.
    fn owns(&self, hold: &HoldRow) -> Result<(), Anomaly> {
        let key = self.keys.number(&hold.key);
        let refuse = |what: String, operations: &[u32]| {
            let sentence = format!("{}, but {what}", name(hold));
            Err(object("holds-nothing", hold.from, sentence, operations))
        };
        match self.chronicle.change(key, hold.revision.0) {
            Some((_, change)) if change.is_put && [0, hold.revision.0].contains(&change.create) => {
                self.hangs(hold, change)?;
            }
            Some((_, change)) => {
                let (who, operations) = self.source(change.source);
                return refuse(format!("that revision did not create its key: {who}"), &operations);
            }
            None => match self.chronicle.acts_at(hold.revision.0) {
                // Nobody tells who made it.
                [] if !self.chronicle.open[key as usize] => {
                    return refuse("nobody can have created its key then".to_owned(), &[]);
                }
                [] => {}
                [act, ..] => {
                    let who = self.case.operation(act.operation);
                    return refuse(format!("{who} made that revision"), &[act.operation]);
                }
            },
        }
        let between = self.chronicle.between(key, hold.revision.0 + 1, hold.seen.0);
        if let Some(end) = between.iter().find(|change| !change.is_put) {
            let (who, operations) = self.source(end.source);
            let what = format!("its key was gone since {}, by {who}", Revision(end.revision));
            return refuse(what, &operations);
        }
        if hold.seen < hold.revision {
            return refuse("that was before its key was created".to_owned(), &[]);
        }
        Ok(())
    }

    /// The holder's key goes with its lease.
    fn hangs(&self, hold: &HoldRow, change: &Change) -> Result<(), Anomaly> {
        let is_said = hold.lease != LeaseId::NONE;
        let Some(lease) = change.lease.filter(|lease| is_said && *lease != hold.lease) else {
            return Ok(());
        };
        let (who, operations) = self.source(change.source);
        let on = match lease {
            LeaseId::NONE => "no lease".to_owned(),
            lease => lease.to_string(),
        };
        let sentence =
            format!("{}, but its key hangs on {on} and not on {}: {who}", name(hold), hold.lease);
        Err(object("wrong-lease", hold.from, sentence, &operations))
    }

    /// No older key of the lock is there.
    fn is_first(&self, hold: &HoldRow, lock: &Lock) -> Result<(), Anomaly> {
        let older = lock.stays.partition_point(|stay| stay.create < hold.revision.0);
        let Some(stay) = lock.stays[..older].last().filter(|stay| stay.until > hold.seen.0) else {
            return Ok(());
        };
        let key = self.keys.key(stay.key);
        let other = lock.holds.iter().find(|other| {
            other.key == key && other.revision < hold.revision && other.seen <= hold.seen
        });
        let (code, who) = match other {
            Some(other) => ("two-owners", format!(": {}", name(other))),
            None => ("jumped-queue", String::new()),
        };
        let sentence = format!(
            "{}, but the older {key} was there until {}{who}",
            name(hold),
            Revision(stay.until)
        );
        Err(object(code, hold.from, sentence, &[]))
    }

    /// The writes under a lock, by its prefix, in the order of revisions.
    fn fenced(&self, owners: &BTreeMap<(u32, u64), &'h Key>) -> BTreeMap<&'h Key, Vec<Fenced>> {
        let mut fenced: BTreeMap<&Key, Vec<Fenced>> = BTreeMap::new();
        for (operation, told) in (0..).zip(&self.case.history.operations) {
            let (Fate::Done(response), Request::Txn(request)) = (fate(told), &told.request) else {
                continue;
            };
            let Body::Txn(answer) = &response.body else { continue };
            let mut effects = Vec::new();
            deeds(told, &mut |deed| effects.extend(deed.has_effect().then_some(deed)));
            if !answer.succeeded || effects.is_empty() {
                continue;
            }
            for (key, fence) in fences(request) {
                if !self.chronicle_has(key) {
                    continue;
                }
                let is_of_holder = effects.iter().any(|deed| !deed.is_of(key));
                let key = self.keys.number(key);
                let revision = response.header.revision.0;
                if let Some(prefix) = owners.get(&(key, fence)) {
                    fenced.entry(prefix).or_default().push(Fenced {
                        revision,
                        operation,
                        fence,
                        key,
                        is_of_holder,
                    });
                }
            }
        }
        for writes in fenced.values_mut() {
            writes.sort_by_key(|write| write.revision);
        }
        fenced
    }

    /// Whether anybody but the condition names the key.
    fn chronicle_has(&self, key: &Key) -> bool {
        let keys = self.keys.interval(&KeyRange::single(key.clone()));
        keys.low < keys.high
    }

    /// Fenced writes succeed only while their key is there, and so in the order of the holders.
    fn fences(&self, writes: &[Fenced]) -> Result<(), Anomaly> {
        let mut newest: Option<&Fenced> = None;
        for write in writes {
            let at = self.case.history.operations[write.operation as usize].completed;
            let who = self.case.operation(write.operation);
            let gone = self.chronicle.between(write.key, write.fence + 1, write.revision - 1);
            if let Some(end) = gone.iter().find(|change| !change.is_put) {
                let (by, operations) = self.source(end.source);
                let sentence = format!(
                    "{who} succeeded, but its fence {} was gone since {}, by {by}",
                    self.keys.key(write.key),
                    Revision(end.revision)
                );
                let operations: Vec<u32> =
                    [write.operation].into_iter().chain(operations).collect();
                return Err(object("fence-broken", at, sentence, &operations));
            }
            if let Some(later) = newest.filter(|newest| newest.fence > write.fence) {
                let sentence = format!(
                    "{who} succeeded under the fence {}, after {} under the later fence {}",
                    Revision(write.fence),
                    self.case.operation(later.operation),
                    Revision(later.fence)
                );
                let operations = [write.operation, later.operation];
                return Err(object("interleaved-fences", at, sentence, &operations));
            }
            if write.is_of_holder {
                newest = Some(write);
            }
        }
        Ok(())
    }

    /// The request by which a holder gave the lock back deleted no other key than its own.
    fn resigns(&self, hold: &HoldRow) -> Result<(), Anomaly> {
        let Some(id) = hold.resigned else { return Ok(()) };
        let by_id = |(_, told): &(u32, &Operation)| told.id == id;
        let mut all = (0..).zip(&self.case.history.operations);
        let Some((operation, told)) = all.find(by_id) else { return Ok(()) };
        let Fate::Done(response) = fate(told) else { return Ok(()) };
        let mut has_effect = false;
        deeds(told, &mut |deed| has_effect |= deed.has_effect());
        let key = self.keys.number(&hold.key);
        let before = response.header.revision.0.saturating_sub(1);
        let between = self.chronicle.between(key, hold.revision.0 + 1, before);
        let Some(end) = between.iter().find(|change| has_effect && !change.is_put) else {
            return Ok(());
        };
        let (by, operations) = self.source(end.source);
        let operations: Vec<u32> = [operation].into_iter().chain(operations).collect();
        let sentence = format!(
            "{} gave it back by {}, but its key was gone since {}, by {by}: what it deleted was another one",
            name(hold),
            self.case.operation(operation),
            Revision(end.revision)
        );
        Err(object("resigned-other", told.completed, sentence, &operations))
    }

    /// Two believe at once.
    fn overlaps(&self, lock: &Lock) -> Result<(), Anomaly> {
        let mut active: Vec<&HoldRow> = Vec::new();
        for hold in &lock.holds {
            active.retain(|other| other.to > hold.from);
            for other in &active {
                if other.key == hold.key && other.revision == hold.revision {
                    continue;
                }
                if self.must_hold(other, hold.from) {
                    let sentence = format!(
                        "{}, while {}, whose lease cannot have ended",
                        name(hold),
                        name(other)
                    );
                    return Err(object("two-holders", hold.from, sentence, &[]));
                }
            }
            active.push(hold);
        }
        Ok(())
    }

    /// Neither can the lease of the holder have ended by `at`, nor can anybody have deleted its key.
    fn must_hold(&self, hold: &HoldRow, at: SimTime) -> bool {
        let key = self.keys.number(&hold.key);
        let wiped = &self.chronicle.wiped[key as usize];
        let wiped = wiped.get(wiped.partition_point(|revision| *revision <= hold.revision.0));
        let acts = wiped.map(|revision| self.chronicle.acts_at(*revision)).unwrap_or_default();
        let is_deleted = acts
            .iter()
            .any(|act| self.case.history.operations[act.operation as usize].invoked <= at);
        if is_deleted || self.chronicle.open[key as usize] {
            return false;
        }
        if hold.lease == LeaseId::NONE {
            return true;
        }
        self.lives.known(hold.lease).is_some_and(|life| {
            life.is_unrevoked(at) && self.lives.deadline(life).is_some_and(|(end, _)| at < end)
        })
    }
}

fn object(code: &str, at: SimTime, sentence: String, operations: &[u32]) -> Anomaly {
    let operations = operations.iter().map(|operation| *operation as usize).collect();
    Anomaly::new(code, sentence, operations, at)
}

/// The conditions of a transaction that look like fences: a key has this create revision.
fn fences(request: &TxnRequest) -> impl Iterator<Item = (&Key, u64)> {
    request.compares.iter().filter_map(|compare| match (&compare.target, &compare.range.end) {
        (CompareTarget::Create(revision), End::Single) if compare.relation == Relation::Equal => {
            Some((&compare.range.start, revision.0))
        }
        (
            CompareTarget::Create(_)
            | CompareTarget::Version(_)
            | CompareTarget::Mod(_)
            | CompareTarget::Value(_)
            | CompareTarget::Lease(_),
            _,
        ) => None,
    })
}

/// Such as `p7 held lock/ from 3s to 4s by lock/1 of r5, seen at r9`.
fn name(hold: &HoldRow) -> String {
    let HoldRow { process, prefix, key, revision, seen, from, to, .. } = hold;
    format!("{process} held {prefix} from {from} to {to} by {key} of {revision}, seen at {seen}")
}
