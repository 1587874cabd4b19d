use crate::{Budget, counterexample, judge};
use whitewater_api::{
    Body, Completion, Error, Key, KeyRange, KeyValue, KvHash, NodeId, Process, Request, RequestId,
    Response, Revision, Value,
    request::{PutRequest, RangeRequest},
    response::{Header, PutResponse, RangeResponse},
};
use whitewater_record::{EpochRow, History, Operation, SimTime};

/// The cluster is stopped here; what is asked later is asked of the new one.
const STOP: u64 = 1_000;

fn id(number: u32) -> RequestId {
    RequestId { process: Process(number), sequence: 0 }
}

fn operation(at: u64, request: Request, answer: Option<(u64, Body)>) -> Operation {
    let answer = answer.map(|(revision, body)| {
        let header = Header { revision: Revision(revision), ..Header::default() };
        Completion::Ok(Response { header, body })
    });
    Operation {
        id: id(u32::try_from(at).unwrap()),
        node: NodeId(1),
        invoked: SimTime(at),
        completed: SimTime(at + 5),
        request,
        completion: answer.unwrap_or(Completion::Info(Error::TimedOut)),
        witness: None,
    }
}

fn put(at: u64, key: &str, value: &str, revision: u64) -> Operation {
    let request = Request::Put(PutRequest::new(key, value));
    operation(at, request, Some((revision, Body::Put(PutResponse::default()))))
}

/// A linearizable read of a key that was put once.
fn get(at: u64, key: &str, seen: Option<(&str, u64)>, revision: u64) -> Operation {
    let kv = seen.map(|(value, made)| KeyValue {
        key: Key::from(key),
        value: Value::from(value),
        create_revision: Revision(made),
        mod_revision: Revision(made),
        version: 1,
        ..KeyValue::default()
    });
    let count = u64::from(kv.is_some());
    let found = RangeResponse { kvs: kv.into_iter().collect(), count, more: false };
    let request = Request::Range(RangeRequest::new(KeyRange::single(key)));
    operation(at, request, Some((revision, Body::Range(found))))
}

/// The hash over revisions of a store in which `a` was put at revision 2.
const HASH: u32 = 0x9a39_6dd7;

/// A backup of revision 2, when `a` was there and `b` was not.
fn epoch(revision_bump: u64, mark_compacted: bool, kept: Vec<RequestId>) -> EpochRow {
    let backup = KvHash { hash: HASH, revision: Revision(2), compacted: Revision(0) };
    let from_elsewhere = false;
    EpochRow { at: SimTime(STOP), backup, revision_bump, mark_compacted, from_elsewhere, kept }
}

/// What the judges object to, after `a` was put at revision 2, `b` at 3, the cluster was started over, and then this.
fn codes(epoch: EpochRow, after: Vec<Operation>) -> Vec<String> {
    let mut operations = vec![put(10, "a", "1", 2), put(20, "b", "2", 3)];
    operations.extend(after);
    judged(epoch, operations)
}

fn judged(epoch: EpochRow, operations: Vec<Operation>) -> Vec<String> {
    let history = History { operations, epochs: vec![epoch], ..History::default() };
    let judgements = judge(&history, &Budget::default());
    let anomalies = judgements.iter().filter_map(|judgement| judgement.ruling.anomaly());
    anomalies.map(|anomaly| anomaly.code.clone()).collect()
}

#[test]
fn an_epoch_begins_with_what_the_backup_holds_and_nothing_else() {
    let plain = || epoch(0, false, vec![id(10), id(20)]);
    let kept = || get(2_000, "a", Some(("1", 2)), 2);
    let right = vec![kept(), get(2_010, "b", None, 2), put(2_020, "c", "3", 3)];
    assert_eq!(codes(plain(), right), Vec::<String>::new());
    let lost = codes(plain(), vec![get(2_000, "a", None, 2)]);
    assert!(lost.contains(&"missing-key".to_owned()), "{lost:?}");
    let more = codes(plain(), vec![kept(), get(2_010, "b", Some(("2", 3)), 3)]);
    assert!(more.contains(&"phantom-value".to_owned()), "{more:?}");
    let again = codes(plain(), vec![put(2_000, "c", "3", 2)]);
    assert!(again.contains(&"revision-reused".to_owned()), "{again:?}");
}

#[test]
fn revisions_that_are_left_out_are_nobodys() {
    let bumped = || epoch(100, false, Vec::new());
    let right = vec![get(2_000, "a", Some(("1", 2)), 102), put(2_010, "c", "3", 103)];
    assert_eq!(codes(bumped(), right), Vec::<String>::new());
    assert_eq!(codes(bumped(), vec![put(2_000, "c", "3", 3)])[0], "revision-left-out");
    let behind = codes(bumped(), vec![get(2_000, "a", Some(("1", 2)), 2)]);
    assert!(behind.contains(&"stale-read".to_owned()), "{behind:?}");
}

#[test]
fn what_counts_as_compacted_is_not_read() {
    let past = |revision: u64| {
        let mut past = get(2_000, "a", Some(("1", 2)), 102);
        if let Request::Range(range) = &mut past.request {
            range.revision = Revision(revision);
        }
        vec![past]
    };
    assert_eq!(codes(epoch(100, false, Vec::new()), past(50)), Vec::<String>::new());
    assert_eq!(codes(epoch(100, true, Vec::new()), past(102)), Vec::<String>::new());
    assert_eq!(codes(epoch(100, true, Vec::new()), past(50)), ["read-below-compaction"]);
}

#[test]
fn a_request_whose_answer_was_lost_comes_true_only_if_the_log_of_the_backup_has_it() {
    let asked = || operation(10, Request::Put(PutRequest::new("a", "1")), None);
    let seen = || get(2_000, "a", Some(("1", 2)), 2);
    let with = |kept| judged(epoch(0, false, kept), vec![asked(), seen()]);
    assert_eq!(with(vec![id(10)]), Vec::<String>::new());
    assert!(!with(Vec::new()).is_empty());
}

#[test]
fn positions_are_those_of_the_whole() {
    let operations = vec![put(10, "a", "1", 2), put(20, "b", "2", 3), get(2_000, "a", None, 2)];
    let epochs = vec![epoch(0, false, Vec::new())];
    let history = History { operations, epochs, ..History::default() };
    let judgements = judge(&history, &Budget::default());
    let white = judgements.iter().find(|judgement| judgement.judge == "revision-order");
    assert_eq!(white.unwrap().ruling.anomaly().unwrap().operations, [2]);
}

#[test]
fn the_epoch_that_fails_is_explained() {
    let right = [put(10, "a", "1", 2), put(20, "b", "2", 3), get(30, "b", Some(("2", 3)), 3)];
    let explained = |bump: u64, after: Vec<Operation>| {
        let operations = right.iter().cloned().chain(after).collect();
        let epochs = vec![epoch(bump, false, Vec::new())];
        let history = History { operations, epochs, ..History::default() };
        let found = counterexample::find(&history, &Budget::default()).unwrap();
        let core: Vec<usize> = found.core.iter().map(|it| it.position).collect();
        (core, found)
    };
    // The backup has `a`, and the new cluster has lost it.
    let (core, lost) = explained(100, vec![get(2_000, "a", None, 102), get(2_010, "b", None, 102)]);
    assert_eq!((core.as_slice(), lost.unplaced, lost.is_minimal), (&[0, 3][..], Some(3), true));
    assert_eq!(lost.anomaly.code, "missing-key");
    assert_eq!((lost.legal_completions, lost.legal_until), (3, SimTime(2_005)));
    assert_eq!(lost.placements.len(), 2, "{lost}");
    // A revision that was left out can only be seen in the whole.
    let (core, left_out) = explained(100, vec![put(2_000, "c", "3", 3)]);
    assert_eq!((core.as_slice(), left_out.is_minimal), (&[3][..], false));
    assert_eq!(left_out.anomaly.code, "revision-left-out");
    // In the first epoch as before.
    let (core, stale) = explained(0, vec![get(40, "b", None, 3)]);
    assert_eq!((core.as_slice(), stale.is_minimal), (&[1, 3][..], true));
}

/// What the judges object to in a history that begins with a backup of revision 1,000,000,000, of another cluster.
fn codes_from_elsewhere(operations: Vec<Operation>) -> Vec<String> {
    let backup =
        KvHash { hash: 7, revision: Revision(1_000_000_000), compacted: Revision(999_999_000) };
    let (revision_bump, mark_compacted, from_elsewhere) = (0, false, true);
    let (at, kept) = (SimTime::ZERO, Vec::new());
    judged(EpochRow { at, backup, revision_bump, mark_compacted, from_elsewhere, kept }, operations)
}

#[test]
fn a_history_may_begin_with_the_backup_of_another_cluster() {
    let first = 1_000_000_001;
    let put = |at, key, value, revision| put(at, key, value, revision);
    let fine = vec![
        get(5, "a", None, first - 1),
        put(10, "a", "1", first),
        get(20, "a", Some(("1", first)), first),
        put(30, "b", "2", first + 1),
    ];
    assert_eq!(codes_from_elsewhere(fine), Vec::<String>::new());
    // A revision of the other cluster is nobody's here.
    let reused = codes_from_elsewhere(vec![put(10, "a", "1", first - 1)]);
    assert!(reused.contains(&"wrong-revision".to_owned()), "{reused:?}");
    // One that nobody made.
    let skipped = codes_from_elsewhere(vec![put(10, "a", "1", first + 1)]);
    assert!(skipped.contains(&"unexplained-revision".to_owned()), "{skipped:?}");
    // Nor was anything there.
    let phantom = codes_from_elsewhere(vec![get(10, "a", Some(("1", 5)), first - 1)]);
    assert!(phantom.contains(&"phantom-value".to_owned()), "{phantom:?}");
    // It is known what the cluster had come to when it began.
    let stale = codes_from_elsewhere(vec![get(10, "a", None, first - 2)]);
    assert!(!stale.is_empty(), "a read below the backup");
}
