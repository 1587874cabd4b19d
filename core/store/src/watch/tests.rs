use super::*;
use whitewater_api::{
    KeyRange, Request,
    request::{CompactRequest, DeleteRangeRequest, PutRequest, TxnOp, TxnRequest},
};

const STREAM: StreamId = StreamId(1);

/// A store, its watches, and what came out of them.
struct Member {
    store: Store,
    watches: Watches,
    now: Monotonic,
    outputs: Vec<WatchOutput>,
}

impl Member {
    /// With one stream.
    fn new(credit: u64) -> Self {
        let tuning = Tuning {
            watch_streams_max: 2,
            watches_max: 3,
            watch_message_bytes_max: 300,
            watch_progress_ms: 1,
            ..Tuning::default()
        };
        let none = Mutations::none();
        let mut member = Self {
            store: Store::new(none),
            watches: Watches::new(WatchLimits::new(&tuning), Revision::FIRST, none),
            now: Monotonic(0),
            outputs: Vec::new(),
        };
        member.watches.open(STREAM, false, &mut member.outputs);
        member.watches.grant(STREAM, credit, &mut member.outputs);
        member
    }

    fn ask(&mut self, request: WatchRequest) {
        self.watches.request(self.now, STREAM, request, &mut self.outputs);
    }

    fn create(&mut self, start: u64) {
        self.ask(WatchRequest::Create(watch(start)));
    }

    fn apply(&mut self, request: &Request) {
        self.store.apply(request).unwrap();
        self.watches.on_applied(&self.store, self.now, &mut self.outputs);
    }

    fn put(&mut self, key: &str, value: &str) {
        self.apply(&Request::Put(PutRequest::new(key, value)));
    }

    fn compact(&mut self, revision: u64) {
        let revision = Revision(revision);
        self.apply(&Request::Compact(CompactRequest { revision, physical: false }));
    }

    /// What came out, after everything was caught up with.
    fn told(&mut self) -> Vec<String> {
        self.watches.pump(&self.store, self.now, &mut self.outputs);
        self.watches.check_invariants();
        let told = self.outputs.drain(..).map(|output| match output {
            WatchOutput::Message { watch, revision, body, .. } => {
                let header =
                    whitewater_api::Header { revision, ..whitewater_api::Header::default() };
                whitewater_api::WatchResponse { header, watch, body }.to_string()
            }
            WatchOutput::End { stream, end } => format!("{stream} ends: {end}"),
        });
        told.collect()
    }
}

fn watch(start: u64) -> WatchCreate {
    WatchCreate { start: Revision(start), ..WatchCreate::new(KeyRange::from_key("a")) }
}

#[test]
fn a_watch_hears_of_what_comes_after_it() {
    let mut member = Member::new(10);
    member.put("a", "1");
    member.create(0);
    member.put("a", "2");
    member.put("b", "3");
    let told = ["w0 r2 created", "w0 r3: put a=2 r3", "w0 r4: create b=3 r4"];
    assert_eq!(member.told(), told);
}

#[test]
fn a_watch_of_the_past_is_told_it_in_one_message_and_goes_on() {
    let mut member = Member::new(10);
    for value in ["1", "2", "3"] {
        member.put("a", value);
    }
    member.create(3);
    assert_eq!(member.told(), ["w0 r4 created", "w0 r4: put a=2 r3, put a=3 r4"]);
    member.put("a", "4");
    assert_eq!(member.told(), ["w0 r5: put a=4 r5"]);
}

#[test]
fn a_watch_of_the_future_hears_nothing_before_it() {
    let mut member = Member::new(10);
    member.create(4);
    member.ask(WatchRequest::Progress);
    member.put("a", "1");
    assert_eq!(member.told(), ["w0 r1 created"]);
    member.put("a", "2");
    assert_eq!(member.told(), ["w-1 r3 progress"], "all before its start is nothing to it");
    member.put("a", "3");
    assert_eq!(member.told(), ["w0 r4: put a=3 r4"]);
}

#[test]
fn a_watch_of_what_is_compacted_is_created_and_canceled() {
    let mut member = Member::new(10);
    for value in ["1", "2", "3"] {
        member.put("a", value);
    }
    member.compact(3);
    member.create(2);
    member.create(3);
    let told = [
        "w0 r4 created",
        "w1 r4 created",
        "w0 r4 canceled: compacted at r3",
        "w1 r4: put a=2 r3, put a=3 r4",
    ];
    assert_eq!(member.told(), told, "the compaction revision itself can be read");
}

#[test]
fn a_slow_client_catches_up_without_losing_anything() {
    let mut member = Member::new(2);
    member.create(0);
    for value in ["1", "2", "3"] {
        member.put("a", value);
    }
    assert_eq!(member.told(), ["w0 r1 created", "w0 r2: create a=1 r2"]);
    member.watches.grant(STREAM, 2, &mut member.outputs);
    assert_eq!(member.told(), ["w0 r4: put a=2 r3, put a=3 r4"]);
    member.put("a", "4");
    assert_eq!(member.told(), ["w0 r5: put a=4 r5"], "it is synced again");
}

#[test]
fn a_slow_client_that_compaction_overtakes_is_told_so() {
    let mut member = Member::new(1);
    member.create(0);
    for value in ["1", "2", "3"] {
        member.put("a", value);
    }
    member.compact(4);
    assert_eq!(member.told(), ["w0 r1 created"]);
    member.watches.grant(STREAM, 2, &mut member.outputs);
    assert_eq!(member.told(), ["w0 r4 canceled: compacted at r4"]);
    member.create(4);
    assert_eq!(member.told(), ["w1 r4 created"]);
}

#[test]
fn events_of_one_revision_come_together_unless_fragments_are_wanted() {
    let put = |key: &str| TxnOp::Put(PutRequest::new(key, "v".repeat(100)));
    let success = ["a", "b", "c", "d"].into_iter().map(put).collect();
    let txn = TxnRequest { compares: Vec::new(), success, failure: Vec::new() };
    let mut member = Member::new(10);
    member.create(0);
    member.ask(WatchRequest::Create(WatchCreate { fragment: true, ..watch(0) }));
    member.apply(&Request::Txn(txn));
    let told = member.told();
    let counts: Vec<usize> = told.iter().map(|line| line.matches("create ").count()).collect();
    assert_eq!(counts, [0, 0, 4, 2, 2], "{told:#?}");
    assert!(told[3].ends_with("..") && !told[4].ends_with(".."), "{told:#?}");
    assert!(told[3].starts_with("w1 r2") && told[4].starts_with("w1 r2"), "{told:#?}");
}

#[test]
fn a_put_that_its_own_transaction_deletes_is_told_until_compaction_takes_it() {
    let nested = |op: TxnOp| {
        TxnOp::Txn(TxnRequest { compares: Vec::new(), success: vec![op], failure: Vec::new() })
    };
    let put = nested(TxnOp::Put(PutRequest::new("a", "1")));
    let range = KeyRange::from_key("a");
    let delete = nested(TxnOp::DeleteRange(DeleteRangeRequest { range, prev_kv: false }));
    let success = vec![put, delete];
    let mut member = Member::new(10);
    member.create(0);
    member.apply(&Request::Txn(TxnRequest { compares: Vec::new(), success, failure: Vec::new() }));
    assert_eq!(member.told(), ["w0 r1 created", "w0 r2: create a=1 r2, delete a r2"]);
    member.compact(2);
    member.create(2);
    assert_eq!(member.told(), ["w1 r2 created", "w1 r2: delete a r2"]);
    while member.store.scrub(4) {}
    member.create(2);
    assert_eq!(member.told(), ["w2 r2 created", "w2 r2: delete a r2"]);
}

#[test]
fn numbers_rise_and_skip_those_that_are_taken() {
    let mut member = Member::new(10);
    for number in [1, 0, 0, 1] {
        member.ask(WatchRequest::Create(WatchCreate { watch: WatchId(number), ..watch(0) }));
    }
    let told = [
        "w1 r1 created",
        "w0 r1 created",
        "w2 r1 created",
        "w-1 r1 canceled: etcdserver: too many watches on the stream",
    ];
    assert_eq!(member.told(), told);
    member.ask(WatchRequest::Cancel(WatchId(2)));
    member.ask(WatchRequest::Create(WatchCreate { watch: WatchId(1), ..watch(0) }));
    member.ask(WatchRequest::Cancel(WatchId(2)));
    member.create(0);
    let told = [
        "w2 r1 canceled: watch canceled",
        "w-1 r1 canceled: mvcc: duplicate watch ID",
        "w3 r1 created",
    ];
    assert_eq!(member.told(), told, "a watch that is not is canceled without a word");
}

#[test]
fn progress_is_told_when_nothing_happens_and_never_ahead() {
    let mut member = Member::new(3);
    member.ask(WatchRequest::Create(WatchCreate { progress: true, ..watch(0) }));
    member.now = member.now.after(900_000);
    member.put("a", "1");
    member.now = member.now.after(900_000);
    assert_eq!(member.told(), ["w0 r1 created", "w0 r2: create a=1 r2"], "events put it off");
    assert_eq!(member.watches.next_wake(member.now), Some(Monotonic(1_900_000)));
    member.now = Monotonic(1_900_000);
    assert_eq!(member.told(), ["w0 r2 progress"]);
    member.put("a", "2");
    member.now = member.now.after(1_000_000);
    member.ask(WatchRequest::Progress);
    assert!(member.told().is_empty(), "the client takes nothing");
    member.watches.grant(STREAM, 2, &mut member.outputs);
    assert_eq!(member.told(), ["w0 r3: put a=2 r3", "w-1 r3 progress"]);
}

#[test]
fn a_client_that_asks_without_listening_loses_its_stream() {
    let mut member = Member::new(0);
    (0..=WATCH_ANSWERS_MAX).for_each(|_| member.create(0));
    let told = member.told();
    assert_eq!(told.len(), 1, "nothing comes without credit");
    assert!(told[0].starts_with("s1 ends: "), "{told:?}");
    assert!(member.watches.is_empty());
    member.create(0);
    assert!(member.told().is_empty(), "the stream is gone");
}

#[test]
fn streams_are_limited_and_some_end_with_the_leader() {
    let mut member = Member::new(10);
    member.watches.open(StreamId(2), true, &mut member.outputs);
    member.watches.open(StreamId(3), true, &mut member.outputs);
    assert_eq!(member.told(), ["s3 ends: etcdserver: too many requests"]);
    member.watches.end_leaderless(&mut member.outputs);
    assert_eq!(member.told(), ["s2 ends: etcdserver: no leader"]);
    assert_eq!(member.watches.len(), (1, 0));
}

/// A delete of so many keys that the events are not handed out at once.
#[test]
fn a_flood_of_events_goes_through_the_queue() {
    let mut member = Member::new(u64::MAX);
    (0..3).for_each(|_| member.create(0));
    let keys = WATCH_EVENTS_MAX / 2;
    for key in 0..keys {
        let put = Request::Put(PutRequest::new(format!("k{key:06}"), ""));
        member.store.apply(&put).unwrap();
    }
    member.watches.told = member.store.revision();
    member.outputs.clear();
    let range = KeyRange::from_key("k");
    member.apply(&Request::DeleteRange(DeleteRangeRequest { range, prev_kv: false }));
    assert!(member.outputs.is_empty(), "all at once");
    let mut sizes = Vec::new();
    while member.watches.next_wake(member.now) == Some(member.now) {
        member.watches.pump(&member.store, member.now, &mut member.outputs);
        let outputs = member.outputs.drain(..);
        sizes.push(
            outputs
                .map(|output| match output {
                    WatchOutput::Message { body: WatchBody::Events { events, .. }, .. } => {
                        events.len()
                    }
                    WatchOutput::Message { .. } | WatchOutput::End { .. } => 0,
                })
                .sum::<usize>(),
        );
    }
    assert_eq!(sizes, [keys; 3], "one watch at a time");
}
