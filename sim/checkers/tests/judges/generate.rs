//! Histories that are right by construction: clients that write, lease and read, and others that watch.

use crate::store::{SECOND, Store};
use std::collections::BTreeMap;
use whitewater_api::{
    Completion, Effect, Error, Key, KeyRange, LeaseId, LeaseRequest, LeaseResponse, NodeId,
    Process, Request, RequestId, Response, Revision, WatchId, WatchRequest, WatchResponse,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, TxnOp, TxnRequest,
    },
    response::Body,
    watch::{CancelReason, EventKind, WatchBody, WatchCreate, WatchEvent},
};
use whitewater_record::{History, Operation, SimTime, Stream, WatchMessage, WatchRow};

pub(crate) const MILLI: u64 = 1_000_000;

pub(crate) struct Dice(pub(crate) Stream);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() {
            None
        } else {
            Some(items[self.below(items.len() as u64) as usize].clone())
        }
    }
}

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) steps: u64,
    pub(crate) keys: u64,
    pub(crate) watchers: u32,
    /// Of 1000 operations, how many end without an answer.
    pub(crate) unknown: u64,
    /// Of 1000 operations, how many are about leases.
    pub(crate) leases: u64,
    pub(crate) compactions: bool,
}

pub(crate) const SMALL: Shape =
    Shape { steps: 250, keys: 6, watchers: 3, unknown: 20, leases: 250, compactions: true };

/// The clients of one store and what they record.
pub(crate) struct Run {
    pub(crate) store: Store,
    pub(crate) history: History,
    /// By client: its process, its next sequence number, and when it is free.
    clients: Vec<(Process, u32, u64)>,
    next_process: u32,
    values: u64,
}

impl Run {
    pub(crate) fn new(clients: u32) -> Self {
        Self {
            store: Store { now: SECOND, ..Store::default() },
            history: History::default(),
            clients: (0..clients).map(|client| (Process(client), 0, 0)).collect(),
            next_process: 1000,
            values: 0,
        }
    }

    pub(crate) fn value(&mut self) -> String {
        self.values += 1;
        format!("v{}", self.values)
    }

    pub(crate) fn process(&self, client: usize) -> Process {
        self.clients[client].0
    }

    pub(crate) fn is_free(&self, client: usize) -> bool {
        self.clients[client].2 < self.store.now
    }

    /// Moves time on and lets leases end.
    pub(crate) fn advance(&mut self, nanos: u64) {
        self.store.now += nanos;
        self.store.expire();
    }

    /// One operation of a client that is free, executed now.
    pub(crate) fn perform(
        &mut self,
        client: usize,
        request: Request,
        dice: &mut Dice,
        unknown: u64,
    ) -> Option<Result<Response, Error>> {
        let now = self.store.now;
        let (process, sequence, free) = self.clients[client];
        assert!(free < now);
        let invoked = now - dice.below((now - free).min(20 * MILLI));
        let completed = now + 1 + dice.below(15 * MILLI);
        let is_unknown = dice.chance(unknown);
        let outcome = if is_unknown && dice.chance(500) {
            Err(Error::TimedOut)
        } else {
            self.store.execute(&request)
        };
        self.clients[client] = (process, sequence + 1, completed);
        let completion = match &outcome {
            _ if is_unknown => {
                self.clients[client] = (Process(self.next_process), 0, completed);
                self.next_process += 1;
                Completion::Info(Error::TimedOut)
            }
            Ok(response) => Completion::Ok(response.clone()),
            Err(error) => {
                assert_eq!(error.effect(), Effect::None);
                Completion::Fail(error.clone())
            }
        };
        self.history.operations.push(Operation {
            id: RequestId { process, sequence },
            node: NodeId(1),
            invoked: SimTime(invoked),
            completed: SimTime(completed),
            request,
            completion,
            witness: None,
        });
        (!is_unknown).then_some(outcome)
    }

    pub(crate) fn finish(mut self) -> History {
        self.history.operations.sort_by_key(|operation| (operation.invoked, operation.id));
        self.history
    }
}

pub(crate) fn compare(key: &Key, target: CompareTarget) -> Compare {
    Compare { range: KeyRange::single(key.clone()), relation: Relation::Equal, target }
}

/// A mix of everything but locks.
pub(crate) fn history(shape: Shape, dice: &mut Dice) -> History {
    let mut run = Run::new(4);
    run.store.drift = dice.below(101) as i64 - 50;
    let mut watchers: Vec<Watcher> =
        (0..shape.watchers).map(|n| Watcher::new(4 + n as usize)).collect();
    let mut leases: Vec<LeaseId> = Vec::new();
    for _ in 0..shape.steps {
        let nanos = 1 + dice.below(60 * MILLI);
        run.advance(nanos);
        for watcher in &mut watchers {
            if dice.chance(500) {
                watcher.act(&mut run, shape, dice);
            }
        }
        let client = dice.below(4) as usize;
        if !run.is_free(client) {
            continue;
        }
        let request = request(&mut run, shape, &leases, dice);
        let outcome = run.perform(client, request, dice, shape.unknown);
        if let Some(Ok(Response {
            body: Body::Lease(LeaseResponse::Grant { lease, .. }), ..
        })) = outcome
        {
            leases.push(lease);
        }
    }
    run.finish()
}

fn request(run: &mut Run, shape: Shape, leases: &[LeaseId], dice: &mut Dice) -> Request {
    let key = Key::from(format!("k{}", dice.below(shape.keys)));
    let value = run.value();
    if dice.chance(shape.leases) {
        return Request::Lease(lease(leases, dice));
    }
    let some_lease = |dice: &mut Dice| {
        if dice.chance(2 * shape.leases) {
            dice.pick(leases).unwrap_or_default()
        } else {
            LeaseId::NONE
        }
    };
    match dice.below(100) {
        0..40 => Request::Put(PutRequest {
            lease: some_lease(dice),
            prev_kv: dice.chance(200),
            ..PutRequest::new(key, value.as_str())
        }),
        40..55 => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::single(key),
            prev_kv: dice.chance(300),
        }),
        55..58 => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::prefix("k"),
            prev_kv: dice.chance(300),
        }),
        58..75 => {
            let other = Key::from(format!("k{}", shape.keys + dice.below(2)));
            let put = |key: Key, lease| {
                TxnOp::Put(PutRequest { lease, ..PutRequest::new(key, value.as_str()) })
            };
            let seen = run.store.live.get(&key).map_or(Revision(0), |kv| kv.mod_revision);
            let seen = if dice.chance(200) { Revision(1) } else { seen };
            Request::Txn(TxnRequest {
                compares: vec![compare(&key, CompareTarget::Mod(seen))],
                success: vec![put(key.clone(), some_lease(dice)), put(other, LeaseId::NONE)],
                failure: vec![TxnOp::Range(RangeRequest::new(KeyRange::single(key)))],
            })
        }
        75..78 if shape.compactions && run.store.revision() > 12 => {
            let revision = Revision(run.store.revision() - 3 - dice.below(8));
            Request::Compact(CompactRequest { revision, physical: false })
        }
        78..90 => Request::Range(RangeRequest::new(KeyRange::single(key))),
        _ => Request::Range(RangeRequest {
            serializable: dice.chance(300),
            ..RangeRequest::new(KeyRange::prefix("k"))
        }),
    }
}

fn lease(leases: &[LeaseId], dice: &mut Dice) -> LeaseRequest {
    let known = dice.pick(leases).unwrap_or(LeaseId(77));
    match dice.below(100) {
        0..30 => LeaseRequest::Grant { lease: LeaseId::NONE, ttl: 1 + dice.below(4) as i64 },
        30..35 => LeaseRequest::Grant { lease: known, ttl: 1 + dice.below(4) as i64 },
        35..60 => LeaseRequest::KeepAlive(known),
        60..72 => LeaseRequest::Revoke(known),
        72..95 => LeaseRequest::TimeToLive { lease: known, keys: dice.chance(700) },
        _ => LeaseRequest::List,
    }
}

/// One watch, from the side of the server.
struct Open {
    create: WatchCreate,
    next: u64,
}

/// A client that lists and watches.
struct Watcher {
    client: usize,
    stream: u32,
    is_open: bool,
    watches: BTreeMap<WatchId, Open>,
    next_id: i64,
    /// A range that was listed, and the revision of the list.
    listed: Option<(KeyRange, u64)>,
    has_asked: bool,
    /// Where a broken watch goes on.
    broken: Vec<(WatchCreate, u64)>,
    seen: BTreeMap<WatchId, u64>,
}

impl Watcher {
    fn new(client: usize) -> Self {
        Self {
            client,
            stream: 0,
            is_open: true,
            watches: BTreeMap::new(),
            next_id: 1,
            listed: None,
            has_asked: false,
            broken: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    fn row(&self, run: &mut Run, message: WatchMessage) {
        run.history.watches.push(WatchRow {
            process: Process(500 + self.client as u32),
            stream: self.stream,
            node: NodeId(1),
            at: SimTime(run.store.now),
            message,
        });
    }

    fn told(&self, run: &mut Run, watch: WatchId, revision: u64, body: WatchBody) {
        let mut header = run.store.header();
        header.revision = Revision(revision);
        self.row(run, WatchMessage::Received(WatchResponse { header, watch, body }));
    }

    fn act(&mut self, run: &mut Run, shape: Shape, dice: &mut Dice) {
        let ids: Vec<WatchId> = self.watches.keys().copied().collect();
        match dice.below(100) {
            0..12 if ids.len() < 4 => self.open(run, shape, dice),
            12..16 => self.list(run, dice),
            16..19 => self.break_off(run),
            19..22 => {
                if let Some(id) = dice.pick(&ids) {
                    self.row(run, WatchMessage::Sent(WatchRequest::Cancel(id)));
                    let revision = run.store.revision();
                    self.told(run, id, revision, WatchBody::Canceled(CancelReason::Asked));
                    self.watches.remove(&id);
                }
            }
            22..24 => {
                if let Some(id) = dice.pick(&ids).filter(|id| id.0 > 100) {
                    let create = WatchCreate { watch: id, ..WatchCreate::new(KeyRange::all()) };
                    self.row(run, WatchMessage::Sent(WatchRequest::Create(create)));
                    let revision = run.store.revision();
                    self.told(run, id, revision, WatchBody::Canceled(CancelReason::Duplicate));
                }
            }
            24..32 => self.progress_of_all(run, &ids),
            _ => {
                if let Some(id) = dice.pick(&ids) {
                    self.deliver(run, id, dice);
                }
            }
        }
    }

    fn list(&mut self, run: &mut Run, dice: &mut Dice) {
        let range = KeyRange::prefix("k");
        let request = Request::Range(RangeRequest::new(range.clone()));
        let now = run.store.now;
        let response = run.store.execute(&request).unwrap();
        let sequence = run.history.operations.len() as u32;
        self.listed = Some((range, response.header.revision.0));
        // A watcher's lists are of the process that watches. Nothing else of it goes on.
        run.history.operations.push(Operation {
            id: RequestId { process: Process(500 + self.client as u32), sequence },
            node: NodeId(1),
            invoked: SimTime(now),
            completed: SimTime(now),
            request,
            completion: Completion::Ok(response),
            witness: None,
        });
        if dice.chance(700) {
            let (range, revision) = self.listed.take().unwrap();
            self.begin(
                run,
                WatchCreate {
                    start: Revision(revision + 1),
                    prev_kv: dice.chance(300),
                    progress: dice.chance(500),
                    ..WatchCreate::new(range)
                },
                dice,
            );
        }
    }

    fn open(&mut self, run: &mut Run, shape: Shape, dice: &mut Dice) {
        if let Some((create, next)) = self.broken.pop() {
            let watch =
                if create.watch.0 > 100 { WatchId(create.watch.0 + 1000) } else { create.watch };
            return self.begin(run, WatchCreate { start: Revision(next), watch, ..create }, dice);
        }
        let range = match dice.below(4) {
            0 => KeyRange::single(format!("k{}", dice.below(shape.keys))),
            1 => KeyRange::span("k1", "k4"),
            2 => KeyRange::all(),
            _ => KeyRange::prefix("k"),
        };
        let revision = run.store.revision();
        let start = match dice.below(4) {
            0 => 0,
            1 => revision + 1 + dice.below(3),
            _ => 1 + revision.saturating_sub(dice.below(20)),
        };
        self.begin(
            run,
            WatchCreate {
                watch: if dice.chance(400) {
                    WatchId(101 + dice.below(40) as i64)
                } else {
                    WatchId::AUTO
                },
                start: Revision(start),
                prev_kv: dice.chance(500),
                progress: dice.chance(500),
                no_put: dice.chance(100),
                no_delete: dice.chance(100),
                fragment: dice.chance(300),
                range,
            },
            dice,
        );
    }

    fn begin(&mut self, run: &mut Run, create: WatchCreate, dice: &mut Dice) {
        if !self.is_open {
            (self.is_open, self.has_asked) = (true, false);
            self.stream += 1;
        }
        let id = if create.watch == WatchId::AUTO { WatchId(self.next_id) } else { create.watch };
        self.next_id += 1;
        self.row(run, WatchMessage::Sent(WatchRequest::Create(create.clone())));
        let revision = run.store.revision();
        if self.watches.contains_key(&id) {
            self.told(run, id, revision, WatchBody::Canceled(CancelReason::Duplicate));
            return;
        }
        if dice.chance(20) {
            let reason = CancelReason::Refused("too many".to_owned());
            self.told(run, id, revision, WatchBody::Canceled(reason));
            return;
        }
        self.told(run, id, revision, WatchBody::Created);
        let next = if create.start == Revision::LATEST { revision + 1 } else { create.start.0 };
        self.seen.insert(id, next);
        self.watches.insert(id, Open { create, next });
    }

    fn break_off(&mut self, run: &mut Run) {
        if self.is_open {
            self.row(run, WatchMessage::Broken);
            self.is_open = false;
            for (id, open) in std::mem::take(&mut self.watches) {
                self.broken.push((open.create, self.seen[&id]));
            }
        }
    }

    fn progress_of_all(&mut self, run: &mut Run, ids: &[WatchId]) {
        if !self.is_open || ids.is_empty() {
            return;
        }
        self.row(run, WatchMessage::Sent(WatchRequest::Progress));
        self.has_asked = true;
        let revision = run.store.revision();
        if self.watches.values().all(|open| open.next > revision) {
            self.told(run, WatchId::ALL, revision, WatchBody::Progress);
        }
    }

    fn deliver(&mut self, run: &mut Run, id: WatchId, dice: &mut Dice) {
        let open = &self.watches[&id];
        let (create, next, newest) = (open.create.clone(), open.next, run.store.revision());
        if next < run.store.compacted {
            let compacted = Revision(run.store.compacted);
            self.told(run, id, newest, WatchBody::Canceled(CancelReason::Compacted(compacted)));
            self.watches.remove(&id);
            return;
        }
        if next > newest {
            if create.progress && dice.chance(300) {
                self.told(run, id, newest, WatchBody::Progress);
            }
            return;
        }
        let upto = next + dice.below((newest - next + 1).min(12));
        let events = events(&run.store, &create, next, upto);
        self.watches.get_mut(&id).unwrap().next = upto + 1;
        self.seen.insert(id, upto + 1);
        let Some(last) = events.last().map(|event| event.kv.mod_revision.0) else {
            if create.progress {
                self.told(run, id, upto, WatchBody::Progress);
            }
            return;
        };
        let header = last + dice.below(upto - last + 1);
        self.watches.get_mut(&id).unwrap().next = header + 1;
        self.seen.insert(id, header + 1);
        let cuts: Vec<usize> = (1..events.len())
            .filter(|i| events[*i].kv.mod_revision == events[i - 1].kv.mod_revision)
            .collect();
        match dice.pick(&cuts) {
            Some(cut) if create.fragment => {
                let (head, tail) = events.split_at(cut);
                let part = |events: &[WatchEvent], fragment| WatchBody::Events {
                    events: events.to_vec(),
                    fragment,
                };
                self.told(run, id, header, part(head, true));
                self.told(run, id, header, part(tail, false));
            }
            _ => self.told(run, id, header, WatchBody::Events { events, fragment: false }),
        }
    }
}

fn events(store: &Store, create: &WatchCreate, low: u64, high: u64) -> Vec<WatchEvent> {
    let is_wanted = |event: &&WatchEvent| {
        let revision = event.kv.mod_revision.0;
        (low..=high).contains(&revision)
            && create.range.contains(&event.kv.key)
            && match event.kind {
                EventKind::Put => !create.no_put,
                EventKind::Delete => !create.no_delete,
            }
    };
    let shown = |event: &WatchEvent| {
        let mut event = event.clone();
        if !create.prev_kv || store.compacted >= event.kv.mod_revision.0 {
            event.prev_kv = None;
        }
        event
    };
    store.log.iter().filter(is_wanted).map(shown).collect()
}
