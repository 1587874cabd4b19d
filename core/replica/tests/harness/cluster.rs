//! A cluster of replicas whose network, disks and clocks do what a script says.

use crate::harness::{
    backup::Taken,
    callers::Callers,
    disk::{Disk, Mode},
    draw,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
};
use whitewater_api::{
    AuthRequest, AuthResponse, Body, Caller, ClusterId, DiskError, DiskOp, Error, FileName,
    Incarnation, Index, Monotonic, NodeId, Process, Request, RequestId, Response, StreamId, Tuning,
    WatchRequest, WriteId, auth::Secret, release::Release,
};
use whitewater_mutation::Mutations;
use whitewater_replica::{
    Asked, Boot, Config, Envelope, Event, Input, MessageKind, Output, PasswordDone, Phase, Promise,
    Replica, Role, Security, Status,
    wal::{Settings, Wal},
};

/// Steps after which an exchange that does not come to rest is a bug.
const STEPS_MAX: usize = 20_000;

/// The cluster.
pub(crate) struct Cluster {
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    /// Messages on their way, in the order in which they were sent.
    pub(crate) network: VecDeque<Envelope>,
    /// Messages that are kept back until the script lets them go.
    pub(crate) held: Vec<Envelope>,
    /// Pairs of nodes that cannot talk.
    pub(crate) cuts: BTreeSet<(NodeId, NodeId)>,
    /// As which release a new node starts.
    pub(crate) release: Release,
    requests: BTreeMap<RequestId, Request>,
    /// What a host was asked and has not handed over.
    gathered: Option<(NodeId, Vec<Asked>)>,
    sequences: BTreeMap<Process, u32>,
    /// Who asks: a user shows the last token that it was given, or `!name` a certificate.
    pub(crate) user: Option<String>,
    tokens: BTreeMap<String, Secret>,
    /// What came of passwords, for which request at which node, and whether it is kept back.
    passwords: VecDeque<(NodeId, RequestId, PasswordDone)>,
    pub(crate) holds_passwords: bool,
    /// Whether tokens are signed.
    pub(crate) signs_tokens: bool,
    /// Answers by request.
    pub(crate) replies: BTreeMap<RequestId, Result<Response, Error>>,
    /// Calls of locks and elections.
    pub(crate) callers: Callers,
    pub(crate) aliases: draw::Aliases,
    pub(crate) tuning: Tuning,
    pub(crate) mutations: Mutations,
    /// Which cluster it is.
    pub(crate) id: ClusterId,
    /// The backup that is being taken, or was.
    pub(crate) taken: Taken,
    pub(crate) seed: u64,
    /// Whether a promise that the disk does not hold is an error. Off under mutations that break just that.
    pub(crate) checks_promises: bool,
    /// The newest configuration that anybody applied.
    pub(crate) members: (Index, Vec<NodeId>),
    /// Those of them that vote.
    pub(crate) voters: Vec<NodeId>,
    /// Whether heartbeats that carry nothing are left out of the drawing.
    hides_heartbeats: bool,
    out: String,
}

/// One node.
pub(crate) struct Node {
    pub(crate) replica: Option<Replica>,
    pub(crate) disk: Disk,
    pub(crate) now: Monotonic,
    boot: Boot,
    wiped: u64,
    /// As which release it runs, from its next start on.
    pub(crate) release: Release,
}

/// The first members and where they are.
fn peers(boot: &Boot) -> BTreeMap<NodeId, Vec<String>> {
    let url = |node: &NodeId| (*node, vec![format!("http://{node}:2380")]);
    match boot {
        Boot::Bootstrap { members } | Boot::Restore { members, .. } => {
            members.iter().map(url).collect()
        }
        Boot::Join { .. } => BTreeMap::new(),
    }
}

impl Cluster {
    /// A cluster without nodes.
    pub(crate) fn new(tuning: Tuning, mutations: Mutations, seed: u64) -> Self {
        Self {
            nodes: BTreeMap::new(),
            network: VecDeque::new(),
            held: Vec::new(),
            cuts: BTreeSet::new(),
            release: Release::Compatible,
            requests: BTreeMap::new(),
            gathered: None,
            sequences: BTreeMap::new(),
            user: None,
            tokens: BTreeMap::new(),
            passwords: VecDeque::new(),
            holds_passwords: false,
            signs_tokens: false,
            replies: BTreeMap::new(),
            callers: Callers::default(),
            aliases: draw::Aliases::default(),
            tuning,
            mutations,
            id: ClusterId(1),
            taken: Taken::default(),
            seed,
            checks_promises: true,
            members: (Index(0), Vec::new()),
            voters: Vec::new(),
            hides_heartbeats: false,
            out: String::new(),
        }
    }

    /// Starts a node with an empty disk.
    pub(crate) fn add(&mut self, node: NodeId, boot: Boot) {
        let new = Node {
            replica: None,
            disk: Disk::default(),
            now: Monotonic(self.nodes.values().map(|node| node.now.0).max().unwrap_or(0)),
            boot,
            wiped: 0,
            release: self.release,
        };
        self.nodes.insert(node, new);
        self.start(node);
    }

    /// Starts a node with an empty disk whose power goes after so many operations of its first write, and then once more.
    pub(crate) fn add_dying(&mut self, node: NodeId, boot: Boot, operations: usize) {
        let mut disk = Disk::default();
        disk.mode = Mode::Stalls;
        let release = self.release;
        let new = Node { replica: None, disk, now: Monotonic(0), boot, wiped: 0, release };
        self.nodes.insert(node, new);
        self.start(node);
        let disk = &mut self.nodes.get_mut(&node).expect("it was just added").disk;
        let (_, asked) = disk.queue.pop_front().expect("a first start writes");
        let done = operations.min(asked.len());
        for operation in &asked[..done] {
            disk.perform(operation);
        }
        self.say(&format!("{node} dies after {done} of {} operations", asked.len()));
        self.crash(node, true);
        self.start(node);
    }

    /// Starts a process on what the node's disk holds.
    pub(crate) fn start(&mut self, id: NodeId) {
        let security = self.security(id);
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        assert!(node.replica.is_none(), "{id} runs already");
        let config = Config {
            node: id,
            cluster: self.id,
            peers: peers(&node.boot),
            boot: node.boot.clone(),
            seed: self.seed,
            tuning: self.tuning.clone(),
            release: node.release,
            security,
            mutations: self.mutations,
        };
        let mut outputs = Vec::new();
        let incarnation = Incarnation(id.0 * 10 + node.wiped);
        match Replica::open(config, incarnation, node.now, node.disk.image(), &mut outputs) {
            Ok(replica) => {
                node.replica = Some(replica);
                self.perform(id, outputs);
            }
            Err(error) => self.say(&format!("{id} refuses to start: {error}")),
        }
    }

    /// The process is gone.
    pub(crate) fn crash(&mut self, id: NodeId, power: bool) {
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        node.replica = None;
        node.disk.crash(power);
        node.disk.mode = Mode::Works;
    }

    /// The disk is replaced by an empty one.
    pub(crate) fn wipe(&mut self, id: NodeId) {
        self.crash(id, true);
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        node.disk.wipe();
        node.wiped += 1;
    }

    /// The id that the next request of a process has.
    pub(crate) fn next_id(&self, process: u32) -> RequestId {
        let process = Process(process);
        let sequence = self.sequences.get(&process).copied().unwrap_or(0);
        RequestId { process, sequence }
    }

    /// A client asks a node.
    pub(crate) fn ask(&mut self, node: NodeId, process: u32, request: Request) -> RequestId {
        let process = Process(process);
        let sequence = self.sequences.entry(process).or_default();
        let id = RequestId { process, sequence: *sequence };
        *sequence += 1;
        self.requests.insert(id, request.clone());
        let by = self.user.as_ref().map_or_else(String::new, |user| format!(" as {user}"));
        self.say(&format!("{id} {request}{by} -> {node}"));
        let asked = Asked { id, caller: self.shown(), request: Box::new(request) };
        match &mut self.gathered {
            Some((host, gathered)) => {
                assert_eq!(*host, node, "one host gathers");
                gathered.push(asked);
            }
            None => self.step(node, Input::Requests(vec![asked])),
        }
        id
    }

    /// The host of a node keeps what it is asked from now on.
    pub(crate) fn gather(&mut self, node: NodeId) {
        self.gathered = Some((node, Vec::new()));
    }

    /// It hands over what it has kept.
    pub(crate) fn hand_over(&mut self) {
        let (node, gathered) = self.gathered.take().expect("nobody gathers");
        self.step(node, Input::Requests(gathered));
    }

    /// What who asks shows.
    pub(crate) fn shown(&self) -> Caller {
        let Some(user) = &self.user else { return Caller::Nobody };
        if let Some(name) = user.strip_prefix('!') {
            return Caller::Certificate(name.to_owned());
        }
        let unknown = Secret::from("no token at all");
        Caller::Token(self.tokens.get(user).cloned().unwrap_or(unknown))
    }

    fn security(&self, node: NodeId) -> Security {
        let mut entropy = [7; 32];
        entropy[0] = u8::try_from(node.0).expect("few nodes");
        let token_key = self.signs_tokens.then(|| b"a key that all members know".to_vec());
        Security { entropy, unix_seconds: 1_000_000, token_key }
    }

    /// A client says something on a stream of watches.
    pub(crate) fn watch(&mut self, node: NodeId, stream: StreamId, request: WatchRequest) {
        self.say(&format!("{stream} {request} -> {node}"));
        self.step(node, Input::Watch { stream, request: Box::new(request) });
    }

    /// Time passes at a node: one tick.
    pub(crate) fn tick(&mut self, id: NodeId) {
        self.be_late(id);
        if self.nodes[&id].replica.is_some() {
            self.step(id, Input::Tick);
        }
    }

    /// The same, but the timer that should say so is late.
    pub(crate) fn be_late(&mut self, id: NodeId) {
        let tick = self.tuning.tick_ms * 1_000_000;
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        node.now = node.now.after(tick);
    }

    /// Hands one input to a node and performs what comes out.
    pub(crate) fn step(&mut self, id: NodeId, input: Input) {
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        let now = node.now;
        let Some(replica) = &mut node.replica else {
            return self.say(&format!("{id} is down"));
        };
        let before = replica.status();
        let mut outputs = Vec::new();
        replica.step(now, input, &mut outputs);
        let after = replica.status();
        self.draw_change(id, &before, &after);
        self.perform(id, outputs);
    }

    fn draw_change(&mut self, id: NodeId, before: &Status, after: &Status) {
        if after.phase == Phase::Active && before.phase != Phase::Active {
            self.say(&format!("{id} takes part"));
        }
        if (before.role, before.term) != (after.role, after.term) {
            let silent = before.role == Role::Follower && after.role == Role::Follower;
            if !silent {
                self.say(&format!("{id}@{} is {}", after.term, draw::role(after.role)));
            }
        }
    }

    fn perform(&mut self, id: NodeId, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(envelope) => {
                    self.check_promise(id, &envelope);
                    self.network.push_back(envelope);
                }
                Output::Disk { write, ops } => self.ask_disk(id, write, ops),
                Output::Password { id: request, work } => {
                    let done = work.run();
                    self.passwords.push_back((id, request, done));
                }
                Output::Reply { id: request, result } => {
                    let result = result.map(|response| *response);
                    let asked = self.requests.get(&request);
                    let line = draw::reply(request, asked, &result);
                    self.keep_token(request, &result);
                    self.callers.on_reply(request, &result);
                    let doubled = self.replies.insert(request, result).is_some();
                    assert!(!doubled, "answered twice: {line}");
                    self.say(&line);
                }
                Output::Watch { stream, response } => {
                    self.callers.on_watch(stream, &response);
                    self.say(&format!("{id} {stream} {response}"));
                }
                Output::StreamEnded { stream, end } => {
                    self.say(&format!("{id} {stream} is ended: {end}"));
                }
                Output::Event(event) => {
                    if let Event::Members { index, voters, learners, .. } = &event
                        && *index > self.members.0
                    {
                        self.members = (*index, [&voters[..], &learners[..]].concat());
                        self.voters.clone_from(voters);
                    }
                    if !matches!(event, Event::Read { lease: false, .. } | Event::Appended { .. }) {
                        self.say(&format!("{id} {}", draw::event(&event)));
                    }
                }
                Output::Stop(reason) => {
                    self.say(&format!("{id} {}", draw::stop(reason)));
                    let node = self.nodes.get_mut(&id).expect("a node of the script");
                    node.replica = None;
                    node.disk.queue.clear();
                }
            }
        }
        self.work_disk(id);
        self.return_passwords();
        self.advance_callers();
    }

    /// Answers what was asked about passwords.
    pub(crate) fn return_passwords(&mut self) {
        while !self.holds_passwords
            && let Some((node, id, done)) = self.passwords.pop_front()
        {
            if self.nodes[&node].replica.is_some() {
                self.step(node, Input::PasswordDone { id, done });
            }
        }
    }

    fn keep_token(&mut self, id: RequestId, result: &Result<Response, Error>) {
        if let (Some(Request::Auth(AuthRequest::Authenticate { user, .. })), Ok(response)) =
            (self.requests.get(&id), result)
            && let Body::Auth(AuthResponse::Token(token)) = &response.body
        {
            self.tokens.insert(user.clone(), token.clone());
        }
    }

    // Disks.

    fn ask_disk(&mut self, id: NodeId, write: WriteId, ops: Vec<DiskOp>) {
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        let stalls = node.disk.mode == Mode::Stalls;
        let line = format!("{id} disk w{} waits: {}", write.0, draw::disk_ops(&ops));
        node.disk.queue.push_back((write, ops));
        if stalls {
            self.say(&line);
        }
    }

    /// Lets the disk do what it is asked, if it works.
    fn work_disk(&mut self, id: NodeId) {
        while self.nodes[&id].disk.mode != Mode::Stalls && !self.nodes[&id].disk.queue.is_empty() {
            self.work_disk_once(id);
        }
    }

    /// Lets the disk do, or refuse, the oldest batch.
    pub(crate) fn work_disk_once(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        let Some((write, ops)) = node.disk.queue.pop_front() else {
            return self.say(&format!("{id} disk has nothing to do"));
        };
        let grows = ops.iter().any(|op| matches!(op, DiskOp::Write { .. }));
        let result = match node.disk.mode {
            Mode::Full if grows => Err(DiskError::NoSpace),
            Mode::Fails => Err(DiskError::Io),
            Mode::Works | Mode::Stalls | Mode::Full => Ok(()),
        };
        if result.is_ok() {
            for op in &ops {
                node.disk.perform(op);
            }
        }
        let mut line = format!("{id} disk w{}: {}", write.0, draw::disk_ops(&ops));
        if let Err(error) = result {
            write!(line, " => {error}").unwrap();
        }
        self.say(&line);
        self.step(id, Input::DiskDone { write, result });
    }

    /// Damages a file of a node that is down, where recovery notices. A torn tail looks just like damage to the very last
    /// promise, and what is not needed is not read: such a byte is put back. Whether the disk is damaged now.
    pub(crate) fn damage(&mut self, id: NodeId, file: &FileName, at: usize) -> bool {
        let node = self.nodes.get_mut(&id).expect("a node of the script");
        node.disk.corrupt(file, at);
        let config = Config {
            node: id,
            cluster: self.id,
            boot: Boot::Bootstrap { members: vec![id] },
            peers: BTreeMap::new(),
            seed: self.seed,
            tuning: self.tuning.clone(),
            release: node.release,
            security: Security::default(),
            mutations: self.mutations,
        };
        let owner = Incarnation(id.0 * 10 + node.wiped);
        let opened = Replica::open(config, owner, node.now, node.disk.image(), &mut Vec::new());
        let is_damaged = opened.map_or(true, |replica| replica.status().phase == Phase::Damaged);
        if !is_damaged {
            node.disk.corrupt(file, at);
        }
        is_damaged
    }

    /// What a message promises must be on the disk when it leaves.
    fn check_promise(&mut self, id: NodeId, envelope: &Envelope) {
        let Some(promise) = envelope.promise().filter(|_| self.checks_promises) else { return };
        let disk = &self.nodes[&id].disk;
        let owner = Incarnation(id.0 * 10 + self.nodes[&id].wiped);
        let settings = wal_settings(owner, &self.tuning, self.mutations);
        let (_, durable) = Wal::recover(settings, &disk.durable_image(), &mut Vec::new())
            .expect("a durable log can be read");
        let last = durable.entries.last().map(|entry| entry.index);
        let last = last.or(durable.snapshot.as_ref().map(|mark| mark.index.0)).unwrap_or(0);
        let holds = match promise {
            Promise::Vote { term, to } => {
                durable.term > term || durable.term == term && durable.vote == Some(to)
            }
            Promise::Candidacy { term } => {
                durable.term > term || durable.term == term && durable.vote == Some(id)
            }
            Promise::Appended { term, index } => durable.term >= term && last >= index.0,
        };
        assert!(
            holds,
            "{id} promises {promise:?}, its disk holds term {} vote {:?} last {last}",
            durable.term, durable.vote
        );
    }

    // The network.

    /// Delivers a message, or loses it at a cut or a node that is down.
    pub(crate) fn deliver(&mut self, envelope: Envelope) {
        let (from, to) = (envelope.from, envelope.to);
        let is_cut = self.cuts.contains(&(from, to));
        let is_up = self.nodes.get(&to).is_some_and(|node| node.replica.is_some());
        let arrow = if is_cut || !is_up { "-x" } else { "->" };
        let line = draw::envelope(&envelope, arrow, &mut self.aliases);
        if !(self.hides_heartbeats && draw::is_plain_heartbeat(&envelope)) {
            self.say(&line);
        }
        if !is_cut && is_up {
            self.step(to, Input::Message(envelope));
        }
    }

    /// Delivers until nothing is on its way.
    pub(crate) fn stabilize(&mut self) {
        for _ in 0..STEPS_MAX {
            match self.network.pop_front() {
                Some(envelope) => self.deliver(envelope),
                None => return,
            }
        }
        panic!("no rest after {STEPS_MAX} messages:\n{}", self.out);
    }

    /// Time passes everywhere, and everything is delivered after each tick. Plain heartbeats are not drawn.
    pub(crate) fn run(&mut self, ticks: u64) {
        self.hides_heartbeats = true;
        for _ in 0..ticks {
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                self.tick(id);
            }
            self.stabilize();
        }
        self.hides_heartbeats = false;
    }

    /// The others lose their patience, but not long enough to campaign themselves; then `id` stands for election.
    pub(crate) fn elect(&mut self, id: NodeId) {
        self.stabilize();
        for other in self.nodes.keys().copied().filter(|other| *other != id).collect::<Vec<_>>() {
            if self.status(other).is_some_and(|status| status.role == Role::Follower) {
                (0..self.tuning.election_ticks).for_each(|_| self.tick(other));
            }
        }
        self.time_out(id);
        self.stabilize();
    }

    /// Time passes at one node until it campaigns, or leads at once.
    pub(crate) fn time_out(&mut self, id: NodeId) {
        for _ in 0..3 * self.tuning.election_ticks {
            let known = self.network.len();
            self.tick(id);
            let campaigns = self.network.iter().skip(known).any(|envelope| {
                envelope.from == id
                    && matches!(envelope.summary().0, MessageKind::Vote | MessageKind::PreVote)
            });
            if campaigns || self.status(id).is_none_or(|status| status.role == Role::Leader) {
                return;
            }
        }
        self.say(&format!("{id} does not campaign"));
    }

    /// What a running node looks like.
    pub(crate) fn status(&self, id: NodeId) -> Option<Status> {
        self.nodes[&id].replica.as_ref().map(Replica::status)
    }

    /// Adds a line to what happened.
    pub(crate) fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Drops what was said since the last command but for questions and answers of clients.
    pub(crate) fn keep_answers(&mut self) {
        let is_kept = |line: &&str| line.starts_with('p') && line.contains(" => ");
        self.out = self.out.split_inclusive('\n').filter(is_kept).collect();
    }

    /// Keeps only the last lines, for who never asks.
    pub(crate) fn forget_lines(&mut self) {
        const KEPT: usize = 20_000;
        if self.out.len() > 2 * KEPT {
            let from = self.out.len() - KEPT;
            let from = from + self.out[from..].find('\n').unwrap_or(0);
            self.out.drain(..from);
        }
    }

    /// What happened since this was last asked.
    pub(crate) fn take_lines(&mut self) -> String {
        std::mem::take(&mut self.out)
    }
}

/// A panic in a replica ends the script before its output is kept.
impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.out);
        }
    }
}

/// What the log of a node of a script is opened with.
pub(crate) const fn wal_settings(
    owner: Incarnation,
    tuning: &Tuning,
    mutations: Mutations,
) -> Settings {
    Settings { owner, segment_bytes: tuning.segment_bytes, release: Release::Newest, mutations }
}
