//! A cluster that was started over from a backup is judged epoch by epoch, each as a history of its own.
//!
//! ```text
//!  asked of the old cluster                | asked of the new one
//!  kept in the backup | lost with the rest |
//!  `------- the first part --------------' |
//!  `----------------'                      `----- the second part, behind what was kept, and nothing else
//! ```
//!
//! What the backup holds its own bytes say: writes by the revision in their answers, up to the backup's; requests whose
//! answers tell no revision of their own, and those of unknown outcome, by its log ([`EpochRow::kept`]). So nothing is
//! taken on trust that the new cluster could have made up: what was acknowledged at or below the backup's revision must
//! be there, what was acknowledged above it must not, and no request of the old cluster may still come true. No other
//! judge knows of epochs. They see the compaction that the backup had come to, as if somebody had asked for it just then,
//! the hash that it was taken with, and revisions that were left out ([`Case::epochs`](crate::case::Case)).
//!
//! A history may begin with the backup of a cluster that it does not tell of ([`EpochRow::from_elsewhere`]). Of its keys it
//! names none, so for the judges that is an empty store whose revisions were left out.

use crate::ruling::{Anomaly, Judgement, Ruling};
use std::collections::BTreeSet;
use whitewater_api::{
    Body, ClusterId, Completion, KvHash, LeaseRequest, MaintenanceRequest, MaintenanceResponse,
    NodeId, Process, Request, RequestId, Response, Revision, Term, request::CompactRequest,
    response::Header,
};
use whitewater_record::{Checked, EpochRow, History, Operation, SimTime};

/// One epoch as a history, and where its parts stand in the whole.
pub(crate) struct Part {
    /// What was kept, and what was asked in the epoch. Its own epochs are those that lie behind it.
    pub(crate) history: History,
    /// By operation: its position in the whole; nothing for what nobody asked.
    operations: Vec<Option<usize>>,
    /// By row of watches.
    rows: Vec<usize>,
    /// By belief about a lock.
    holds: Vec<usize>,
    /// How many of the operations lie before the epoch.
    before: usize,
}

/// Below it are the processes of nobody's requests, which say what backups say; one for each.
const NOBODY: u32 = u32::MAX - 1;

/// Cuts a history into its epochs.
pub(crate) fn parts(whole: &History) -> Vec<Part> {
    let mut kept = Kept::default();
    let mut parts = Vec::with_capacity(whole.epochs.len() + 1);
    for number in 0..=whole.epochs.len() {
        let from = number.checked_sub(1).map(|before| &whole.epochs[before]);
        let until = whole.epochs.get(number);
        // Before a cluster that nobody knows there is nothing.
        if number == 0 && until.is_some_and(|epoch| epoch.from_elsewhere) {
            continue;
        }
        let part = kept.and_then(whole, from, until, number);
        if let Some(epoch) = until {
            kept = part.kept(whole, epoch);
        }
        parts.push(part);
    }
    parts
}

/// Judges each epoch, and says of each judge the worst that it says of any. Most histories are of one epoch.
pub(crate) fn judge(
    whole: &History,
    mut judge: impl FnMut(&History) -> Vec<Judgement>,
) -> Vec<Judgement> {
    if whole.epochs.is_empty() {
        return judge(whole);
    }
    let mut all: Vec<Judgement> = Vec::new();
    for part in parts(whole) {
        let judgements = judge(&part.history).into_iter().map(|it| part.map(it));
        if all.is_empty() {
            all.extend(judgements);
            continue;
        }
        for (one, other) in all.iter_mut().zip(judgements) {
            one.checked = Checked {
                evaluations: one.checked.evaluations + other.checked.evaluations,
                discriminating: one.checked.discriminating + other.checked.discriminating,
            };
            if weight(&other.ruling) > weight(&one.ruling) {
                one.ruling = other.ruling;
            }
        }
    }
    all
}

/// Of two epochs, the one that says more; the first, if they say as much.
const fn weight(ruling: &Ruling) -> u8 {
    match ruling {
        Ruling::NotApplicable(_) => 0,
        Ruling::Holds => 1,
        Ruling::Withheld(_) => 2,
        Ruling::Undecided(_) => 3,
        Ruling::Broken(_) => 4,
    }
}

/// Positions in the whole of what a backup holds.
#[derive(Default)]
struct Kept {
    operations: Vec<usize>,
    holds: Vec<usize>,
}

impl Kept {
    /// The epoch that goes on with this.
    fn and_then(
        &self,
        whole: &History,
        from: Option<&EpochRow>,
        until: Option<&EpochRow>,
        number: usize,
    ) -> Part {
        let begin = from.map_or(SimTime::ZERO, |epoch| epoch.at);
        let end = until.map_or(SimTime::NEVER, |epoch| epoch.at);
        let is_own = |at: SimTime| at >= begin && (until.is_none() || at < end);
        let before = self.operations.len();
        let kept = self.operations.iter().map(|place| Some(*place));
        let mut operations: Vec<Option<usize>> = kept.collect();
        let mut history = History::default();
        history
            .operations
            .extend(operations.iter().flatten().map(|p| whole.operations[*p].clone()));
        if let Some(epoch) = from {
            history.operations.extend(origin(epoch, number));
            operations.resize(history.operations.len(), None);
        }
        for (place, operation) in whole.operations.iter().enumerate() {
            if is_own(operation.invoked) {
                history.operations.push(operation.clone());
                operations.push(Some(place));
            }
        }
        if let Some(epoch) = until {
            history.operations.push(hash(epoch, number, 2));
            operations.push(None);
        }
        // What is told at the very moment at which the old cluster is stopped was told by it.
        let is_first = from.is_none_or(|epoch| epoch.from_elsewhere);
        let is_told = |at: SimTime| (is_first || at > begin) && at <= end;
        let rows = whole.watches.iter().enumerate().filter(|(_, row)| is_told(row.at));
        let rows: Vec<usize> = rows.map(|(place, _)| place).collect();
        history.watches = rows.iter().map(|place| whole.watches[*place].clone()).collect();
        let own = whole.holds.iter().enumerate().filter(|(_, hold)| is_own(hold.from));
        let holds = self.holds.iter().copied().chain(own.map(|(place, _)| place));
        let holds: Vec<usize> = holds.collect();
        history.holds = holds.iter().map(|place| whole.holds[*place].clone()).collect();
        for hold in &mut history.holds {
            hold.to = hold.to.min(end);
        }
        history.callers.clone_from(&whole.callers);
        // Whoever began to observe another cluster has been told things that nobody knows here.
        let begun = history.operations[before..].iter().map(|it| it.id);
        let begun: BTreeSet<RequestId> = begun.collect();
        let observed = whole.observed.iter().filter(|row| is_told(row.at));
        history.observed = observed.filter(|row| begun.contains(&row.call)).cloned().collect();
        history.ends = whole.ends.iter().filter(|row| is_told(row.at)).copied().collect();
        history.epochs = whole.epochs[..number].to_vec();
        Part { history, operations, rows, holds, before }
    }
}

impl Part {
    /// What the next epoch begins with.
    fn kept(&self, whole: &History, epoch: &EpochRow) -> Kept {
        // What was in a backup before is in this one.
        let (old, own) = self.operations.split_at(self.before);
        let is_kept = |place: &&usize| survives(&whole.operations[**place], epoch);
        let operations = old.iter().flatten().chain(own.iter().flatten().filter(is_kept));
        let is_held = |place: &usize| whole.holds[*place].seen <= epoch.backup.revision;
        let holds = self.holds.iter().copied().filter(is_held).collect();
        Kept { operations: operations.copied().collect(), holds }
    }

    /// A judgement of the part as one of the whole.
    fn map(&self, mut judgement: Judgement) -> Judgement {
        if let Ruling::Broken(anomaly) = &mut judgement.ruling {
            self.place(anomaly);
        }
        if let Ruling::Undecided(doubt) = &mut judgement.ruling {
            // Its positions would be those of the part.
            doubt.window = None;
        }
        judgement
    }

    /// Positions in the part become positions in the whole.
    pub(crate) fn place(&self, anomaly: &mut Anomaly) {
        let operations = anomaly.operations.iter().filter_map(|place| self.operation(*place));
        anomaly.operations = operations.collect();
        anomaly.rows = anomaly.rows.iter().filter_map(|row| self.row(*row)).collect();
    }

    /// The position in the whole of an operation of the part.
    pub(crate) fn operation(&self, place: usize) -> Option<usize> {
        self.operations.get(place).copied().flatten()
    }

    /// The position in the whole of a belief of the part.
    pub(crate) fn hold(&self, place: usize) -> Option<usize> {
        self.holds.get(place).copied()
    }

    /// The position in the whole of a row of watches of the part.
    pub(crate) fn row(&self, place: usize) -> Option<usize> {
        self.rows.get(place).copied()
    }
}

/// Whether a backup holds what an operation did, or saw.
fn survives(operation: &Operation, epoch: &EpochRow) -> bool {
    if matches!(operation.completion, Completion::Fail(_)) {
        return false;
    }
    let is_in_log = || epoch.kept.binary_search(&operation.id).is_ok();
    match (&operation.request, &operation.completion) {
        (
            Request::Put(_) | Request::Range(_) | Request::DeleteRange(_) | Request::Txn(_),
            Completion::Ok(response),
        ) => response.header.revision <= epoch.backup.revision,
        // How far the backup was compacted, it says itself; that a lease was kept alive, no log says; and the members of the
        // new cluster are others.
        (
            Request::Compact(_)
            | Request::Lease(LeaseRequest::KeepAlive(_))
            | Request::Member(_)
            | Request::Cluster(_),
            _,
        ) => false,
        (
            Request::Put(_)
            | Request::Range(_)
            | Request::DeleteRange(_)
            | Request::Txn(_)
            | Request::Lease(_)
            | Request::MoveLeader(_)
            | Request::Maintenance(_)
            | Request::Auth(_),
            _,
        ) => is_in_log(),
    }
}

/// What the new cluster begins with beside the keys: the compaction of the backup, and its hash.
fn origin(epoch: &EpochRow, number: usize) -> Vec<Operation> {
    let newest = epoch.first();
    let compacted = if epoch.marks() { newest } else { epoch.backup.compacted };
    let compact = Request::Compact(CompactRequest { revision: compacted, physical: false });
    let compaction = (compacted > Revision(0))
        .then(|| nobodys(epoch, (number, 1), compact, (newest, Body::Compact)));
    compaction.into_iter().chain([hash(epoch, number, 3)]).collect()
}

/// The hash that the backup was taken with.
fn hash(epoch: &EpochRow, number: usize, place: usize) -> Operation {
    let KvHash { revision, .. } = epoch.backup;
    let request = Request::Maintenance(MaintenanceRequest::HashKv { revision });
    let body = Body::Maintenance(MaintenanceResponse::HashKv(epoch.backup));
    nobodys(epoch, (number, place), request, (revision, body))
}

fn nobodys(
    epoch: &EpochRow,
    (number, place): (usize, usize),
    request: Request,
    (revision, body): (Revision, Body),
) -> Operation {
    let place = u32::try_from(4 * number + place).expect("epochs are few");
    let header = Header { cluster: ClusterId(0), node: NodeId(0), term: Term(0), revision };
    Operation {
        id: RequestId { process: Process(NOBODY - place), sequence: 0 },
        node: NodeId(0),
        invoked: epoch.at,
        completed: epoch.at,
        request,
        completion: Completion::Ok(Response { header, body }),
        witness: None,
    }
}

#[cfg(test)]
mod tests;
