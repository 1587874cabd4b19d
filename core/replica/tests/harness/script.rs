//! The verbs of a script.
//!
//! | verb | what happens |
//! |---|---|
//! | `cluster nodes=3 [mutation=..] [promises=off] [introduced=no] [setting=value]` | starts a new cluster of members that know each other; settings as in `Tuning` |
//! | `join n4 [members="n1 n2"]` | starts a node that is to be added |
//! | `elect n1` | `stabilize`, an election timeout at the others, `timeout n1`, `stabilize` |
//! | `tick [n1 ..] [count=1]` | time passes at these nodes, or at all; nothing is delivered |
//! | `late n1` | a tick of time passes at a node, and whatever comes next is the first to tell it |
//! | `timeout n1` | time passes at one node until it campaigns |
//! | `run 10` | ticks everywhere, with everything delivered after each |
//! | `stabilize`, `answers` | delivers until nothing is on its way; the same, and says only what clients are told |
//! | `deliver`, `drop`, `duplicate`, `hold` | do that to the messages that are on their way now `[from=] [to=] [kind=] [count=]` |
//! | `release` | puts held messages back on their way, with the same filters |
//! | `network` | draws what is on its way |
//! | `partition n1 n2`, `cut n1 n2`, `heal` | cuts these from all others; cuts one direction; undoes all cuts |
//! | `disk n1 works/stalls/full/fails`, `disk n1 done [count=1]` | what the disk does with what it is asked from now on |
//! | `backup n1`, `backup-next n1`, `backup-again n1`, `backup-whole n1`, `restore nodes=3 bump=100` .. | backups; `harness/backup.rs` has them all |
//! | `passwords held/done` | what hosts make of passwords is kept back; it comes, now and from now on |
//! | `crash n1 [power] [torn=BYTES]`, `restart n1`, `wipe n1` | kills the process; starts it; empties the disk |
//! | `corrupt n1 wal-1 at=BYTE` | changes one byte on the platter |
//! | `put`, `get`, `stale-get`, `delete`, `cas`, `compact`, `member-..`, `move-leader` | a client's request to a node, `[p=1]` |
//! | `put-on n1 l7 k v`, `lease-grant n1 l7 10`, `lease-revoke`, `keep-alive`, `time-to-live n1 l7`, `leases n1` | the same for leases; `l0` lets the cluster pick an id |
//! | `cluster-add n1 n4 HOST,..`, `cluster-add-learner`, `cluster-update`, `cluster-remove n1 n4`, `cluster-promote`, `cluster-publish n1 n4 NAME`, `cluster-list n1`, `stale-cluster-list` | the members as operators see them |
//! | `member-status n1`, `alarm-list n1`, `alarm-raise n1 n2 no-space`, `alarm-disarm`, `defragment n1`, `check-corruption n1` | what an operator asks of a member |
//! | `hash n1`, `hash-kv n1 REVISION` | hashes of what a node holds; revision 0 for the newest |
//! | `auth-enable n1`, `user-add n1 alice PASSWORD`, `role-grant n1 reader read k`, `authenticate n1 alice PASSWORD` .. | who may do what; `harness/auth.rs` has them all |
//! | `[as=alice]` | a request, or a stream, shows the last token of a user; `[as=!alice]` a certificate |
//! | `stream n1 s1 [credit=100] [require_leader=yes]`, `credit n1 s1 5`, `close n1 s1` | a stream of watches |
//! | `watch n1 s1 PREFIX [id=] [start=] [with="prev progress fragment no-put no-delete"]` | opens a watch, of the keys from `K` on as `K+`; `cancel n1 s1 ID`, `progress n1 s1` |
//! | `lock c1 n1 NAME l7`, `campaign c1 n1 NAME l7 VALUE`, `observe c1 n1 NAME`, `leader c1 n1 NAME` | a call of a service, by way of that node |
//! | `unlock c2 n1 c1`, `proclaim c2 n1 c1 VALUE`, `resign c2 n1 c1` | the same, with what call `c1` has won |
//! | `give-up c1`, `move c1 n2` | cancels a call; lets it go on at another node, without its watch |
//! | `multi n1 "put k v" "delete k" "get k" "stale-get k"` | a transaction of these |
//! | `fill n1 10 [bytes=100]` | so many puts of so large values to four keys |
//! | `status`, `dump n1`, `files n1` | what is there |
//! | `equal` | whether all running replicas have the same store |

use crate::harness::{
    auth,
    cluster::{Cluster, wal_settings},
    disk::Mode,
    draw,
    words::{
        Outcome, caller, key, lease, node, nodes, parse_caller, parse_node, positional, release,
        request, watch_create,
    },
};
use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use std::{collections::BTreeSet, fmt::Write as _};
use whitewater_api::{
    ClusterId, FileName, Incarnation, NodeId, Request, RequestId, StreamId, Tuning, WatchId,
    WatchRequest, concurrency::ServiceRequest, release::Release, request::PutRequest,
};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_replica::{Boot, Envelope, Input, Restoration, wal::Wal};

/// Under this seed no node campaigns within one election timeout and a tick in any of the first terms.
const PATIENT_SEED: u64 = 290;

/// Runs scripts.
pub(crate) struct Script {
    pub(crate) cluster: Cluster,
    /// Mutations that every cluster of the script has.
    pub(crate) mutations: Mutations,
}

impl Script {
    /// A script under these mutations.
    pub(crate) fn new(mutations: Mutations) -> Self {
        Self { cluster: Cluster::new(Tuning::default(), mutations, 1), mutations }
    }

    /// Plays lines that are not kept in a file, and returns what they said.
    pub(crate) fn play(&mut self, lines: &str) -> String {
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        let script = format!("{}\n---\n", lines.collect::<Vec<_>>().join("\n"));
        goldenscript::generate(self, &script).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Outcome<String> {
        let mut args = command.consume_args();
        match command.name.as_str() {
            "cluster" => self.start_cluster(&mut args)?,
            "join" => self.join(&mut args)?,
            "tick" | "late" | "timeout" | "elect" | "run" | "stabilize" | "answers" => {
                self.pass_time(&command.name, &mut args)?;
            }
            "deliver" | "drop" | "duplicate" | "hold" | "release" | "network" => {
                self.handle_messages(&command.name, &mut args)?;
            }
            "partition" | "cut" | "heal" => self.cut(&command.name, &mut args)?,
            "disk" => self.set_disk(&mut args)?,
            "backup" | "backup-next" | "backup-again" | "backup-whole" => {
                let node = node(&mut args)?;
                self.cluster.back_up(&command.name, node);
            }
            "backup-damage" => {
                let at: usize = positional(&mut args)?;
                *self.cluster.taken.bytes.get_mut(at).ok_or("no such byte")? ^= 1;
            }
            "restore" => self.restore(&mut args)?,
            "passwords" => {
                self.cluster.holds_passwords = args.next_pos() == Some("held");
                self.cluster.return_passwords();
            }
            "crash" | "restart" | "wipe" | "corrupt" => self.harm(&command.name, &mut args)?,
            "status" | "dump" | "files" | "equal" => self.look(&command.name, &mut args)?,
            "stream" | "credit" | "close" | "watch" | "cancel" | "progress" => {
                self.watch(&command.name, &mut args)?;
            }
            "lock" | "unlock" | "campaign" | "proclaim" | "leader" | "observe" | "resign" => {
                self.call(&command.name, &mut args)?;
            }
            "give-up" => {
                let caller = caller(&mut args)?;
                self.cluster.give_up(caller);
            }
            "move" => {
                let (caller, to) = (caller(&mut args)?, node(&mut args)?);
                self.cluster.move_caller(caller, to);
            }
            "gather" => {
                let node = node(&mut args)?;
                self.cluster.gather(node);
            }
            "hand-over" => self.cluster.hand_over(),
            "fill" => self.fill(&mut args)?,
            _ => self.ask(&command.name, &mut args)?,
        }
        args.reject_next()?;
        Ok(self.cluster.take_lines())
    }
}

impl Script {
    fn start_cluster(&mut self, args: &mut ArgumentConsumer) -> Outcome {
        let count = key(args, "nodes")?.unwrap_or(3);
        let seed = key(args, "seed")?.unwrap_or(PATIENT_SEED);
        let checks_promises = args.take_key("promises") != Some("off");
        let introduces = args.take_key("introduced") != Some("no");
        let signs_tokens = args.take_key("tokens") == Some("signed");
        let release = release(args)?;
        let mut mutations = self.mutations;
        if let Some(name) = args.take_key("mutation") {
            mutations = mutations.with(Mutation::from_name(name).ok_or("no such mutation")?);
        }
        // Small segments: a script reads the whole log after every promise.
        let mut tuning = serde_json::to_value(Tuning {
            segment_bytes: 4096,
            bcrypt_cost: 4,
            ..Tuning::default()
        })?;
        while let Some((name, value)) = args.next_key() {
            let old = tuning.get_mut(name).ok_or_else(|| format!("no setting {name}"))?;
            *old = serde_json::from_str(value)?;
        }
        self.cluster = Cluster::new(serde_json::from_value(tuning)?, mutations, seed);
        self.cluster.checks_promises = checks_promises;
        self.cluster.signs_tokens = signs_tokens;
        self.cluster.release = release.unwrap_or(Release::Compatible);
        let members: Vec<NodeId> = (1..=count).map(NodeId).collect();
        for node in &members {
            self.cluster.add(*node, Boot::Bootstrap { members: members.clone() });
        }
        if introduces {
            self.cluster.stabilize();
        }
        Ok(())
    }

    fn restore(&mut self, args: &mut ArgumentConsumer) -> Outcome {
        let count = key(args, "nodes")?.unwrap_or(3);
        let from = Restoration {
            backup: self.cluster.taken.bytes.clone().into(),
            revision_bump: key(args, "bump")?.unwrap_or(0),
            mark_compacted: args.take_key("compacted") == Some("yes"),
        };
        let dies: Option<usize> = key(args, "dies")?;
        let members: Vec<NodeId> = (1..=count).map(NodeId).collect();
        let mut new =
            Cluster::new(self.cluster.tuning.clone(), self.cluster.mutations, PATIENT_SEED);
        new.id = ClusterId(key(args, "cluster")?.unwrap_or(2));
        new.taken = self.cluster.taken.clone();
        self.cluster = new;
        for node in &members {
            let boot = Boot::Restore { members: members.clone(), from: from.clone() };
            match dies {
                Some(operations) => self.cluster.add_dying(*node, boot, operations),
                None => self.cluster.add(*node, boot),
            }
        }
        self.cluster.stabilize();
        Ok(())
    }

    fn join(&mut self, args: &mut ArgumentConsumer) -> Outcome {
        let new = node(args)?;
        let members = match args.take_key("members") {
            Some(members) => members.split(' ').map(parse_node).collect::<Outcome<_>>()?,
            None => self.cluster.nodes.keys().copied().collect(),
        };
        self.cluster.add(new, Boot::Join { members });
        Ok(())
    }

    fn pass_time(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        match verb {
            "tick" => {
                let count = key(args, "count")?.unwrap_or(1);
                let mut nodes = nodes(args)?;
                if nodes.is_empty() {
                    nodes = self.cluster.nodes.keys().copied().collect();
                }
                for node in nodes.repeat(count) {
                    self.cluster.tick(node);
                }
            }
            "late" => self.cluster.be_late(node(args)?),
            "timeout" => self.cluster.time_out(node(args)?),
            "elect" => self.cluster.elect(node(args)?),
            "run" => self.cluster.run(positional(args)?),
            "answers" => {
                self.cluster.stabilize();
                self.cluster.keep_answers();
            }
            _ => self.cluster.stabilize(),
        }
        Ok(())
    }

    fn handle_messages(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        let filter = Filter::take(args)?;
        let source = if verb == "release" {
            std::mem::take(&mut self.cluster.held)
        } else {
            std::mem::take(&mut self.cluster.network).into()
        };
        let (mut chosen, mut others) = (Vec::new(), Vec::new());
        for envelope in source {
            let fits = filter.fits(&envelope) && chosen.len() < filter.count;
            if fits { &mut chosen } else { &mut others }.push(envelope);
        }
        if verb == "release" {
            self.cluster.held = others;
        } else {
            self.cluster.network = others.into();
        }
        if chosen.is_empty() {
            self.cluster.say("no such message");
        }
        for envelope in chosen {
            self.handle_message(verb, envelope);
        }
        Ok(())
    }

    fn handle_message(&mut self, verb: &str, envelope: Envelope) {
        let cluster = &mut self.cluster;
        let (arrow, note) = match verb {
            "deliver" => return cluster.deliver(envelope),
            "release" => return cluster.network.push_back(envelope),
            "drop" => ("-x", ""),
            "duplicate" => ("=>", " is doubled"),
            "hold" => ("-|", " is held"),
            _ => ("..", " is on its way"),
        };
        let line = draw::envelope(&envelope, arrow, &mut cluster.aliases);
        cluster.say(&format!("{line}{note}"));
        match verb {
            "drop" => {}
            "duplicate" => {
                cluster.network.push_back(envelope.clone());
                cluster.network.push_back(envelope);
            }
            "hold" => cluster.held.push(envelope),
            _ => cluster.network.push_back(envelope),
        }
    }

    fn cut(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        let cuts = &mut self.cluster.cuts;
        match verb {
            "heal" => cuts.clear(),
            "cut" => {
                cuts.insert((node(args)?, node(args)?));
            }
            _ => {
                let inside: BTreeSet<NodeId> = nodes(args)?.into_iter().collect();
                let all: BTreeSet<NodeId> = self.cluster.nodes.keys().copied().collect();
                for (one, other) in all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))) {
                    if inside.contains(&one) != inside.contains(&other) {
                        cuts.insert((one, other));
                    }
                }
            }
        }
        Ok(())
    }

    fn set_disk(&mut self, args: &mut ArgumentConsumer) -> Outcome {
        let id = node(args)?;
        let count = key(args, "count")?.unwrap_or(1);
        let disk = &mut self.cluster.nodes.get_mut(&id).ok_or("no such node")?.disk;
        disk.mode = match args.next_pos().ok_or("what of the disk?")? {
            "works" => Mode::Works,
            "stalls" => Mode::Stalls,
            "full" => Mode::Full,
            "fails" => Mode::Fails,
            "done" => {
                (0..count).for_each(|_| self.cluster.work_disk_once(id));
                return Ok(());
            }
            other => return Err(format!("no disk does {other}").into()),
        };
        if disk.mode != Mode::Stalls {
            while !self.cluster.nodes[&id].disk.queue.is_empty() {
                self.cluster.work_disk_once(id);
            }
        }
        Ok(())
    }

    fn watch(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        let node = node(args)?;
        let name = args.next_pos().ok_or("which stream?")?;
        let stream = StreamId(name.strip_prefix('s').ok_or("streams are s1, s2 ..")?.parse()?);
        let request = match verb {
            "stream" => {
                let credit = key(args, "credit")?.unwrap_or(100);
                let require_leader = args.take_key("require_leader") == Some("yes");
                self.cluster.user = args.take_key("as").map(str::to_owned);
                let caller = self.cluster.shown();
                self.cluster.user = None;
                let opened = Input::StreamOpened { stream, require_leader, caller };
                self.cluster.step(node, opened);
                self.cluster.step(node, Input::StreamReady { stream, credit });
                return Ok(());
            }
            "credit" => {
                let credit = positional(args)?;
                self.cluster.step(node, Input::StreamReady { stream, credit });
                return Ok(());
            }
            "close" => {
                self.cluster.step(node, Input::StreamClosed { stream });
                return Ok(());
            }
            "cancel" => WatchRequest::Cancel(WatchId(positional(args)?)),
            "progress" => WatchRequest::Progress,
            _ => WatchRequest::Create(watch_create(args)?),
        };
        self.cluster.watch(node, stream, request);
        Ok(())
    }

    fn harm(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        let id = node(args)?;
        match verb {
            "crash" => {
                let torn: Option<usize> = key(args, "torn")?;
                let power = args.next_pos() == Some("power") || torn.is_some();
                if let Some(kept) = torn {
                    self.cluster.nodes.get_mut(&id).ok_or("no such node")?.disk.tear(kept);
                }
                self.cluster.crash(id, power);
            }
            "restart" => {
                if let Some(release) = release(args)? {
                    self.cluster.nodes.get_mut(&id).ok_or("no such node")?.release = release;
                }
                self.cluster.start(id);
            }
            "wipe" => self.cluster.wipe(id),
            _ => {
                let name = long(args.next_pos().ok_or("which file?")?);
                let at = key(args, "at")?.ok_or("at which byte?")?;
                let disk = &mut self.cluster.nodes.get_mut(&id).ok_or("no such node")?.disk;
                disk.corrupt(&name, at);
            }
        }
        Ok(())
    }

    // What clients ask.

    fn ask(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        let process = key(args, "p")?.unwrap_or(1);
        self.cluster.user = args.take_key("as").map(str::to_owned);
        let id = node(args)?;
        let request = match auth::request(verb, args)? {
            Some(request) => request,
            None => request(verb, args)?,
        };
        self.cluster.ask(id, process, request);
        self.cluster.user = None;
        Ok(())
    }

    fn call(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        let (number, node) = (caller(args)?, node(args)?);
        let mut next = || args.next_pos().ok_or_else(|| format!("{verb} wants more"));
        let request = match verb {
            "lock" => ServiceRequest::Lock { name: next()?.into(), lease: lease(next()?)? },
            "campaign" => ServiceRequest::Campaign {
                name: next()?.into(),
                lease: lease(next()?)?,
                value: next()?.into(),
            },
            "leader" => ServiceRequest::Leader { name: next()?.into() },
            "observe" => ServiceRequest::Observe { name: next()?.into() },
            _ => {
                let leader = self.cluster.callers.won(parse_caller(next()?)?);
                match verb {
                    "unlock" => ServiceRequest::Unlock {
                        key: leader.ok_or("that call has won nothing")?.key,
                    },
                    "proclaim" => ServiceRequest::Proclaim { leader, value: next()?.into() },
                    _ => ServiceRequest::Resign { leader },
                }
            }
        };
        self.cluster.call(number, node, request);
        Ok(())
    }

    fn fill(&mut self, args: &mut ArgumentConsumer) -> Outcome {
        let bytes = key(args, "bytes")?.unwrap_or(100);
        let (id, count) = (node(args)?, positional::<usize>(args)?);
        for number in 1..=count {
            let put = PutRequest::new(format!("f{}", number % 4), "x".repeat(bytes));
            self.cluster.ask(id, 9, Request::Put(put));
            self.cluster.stabilize();
        }
        self.cluster.take_lines();
        let last = self.cluster.status(id).map_or(0, |status| status.last.0);
        self.cluster.say(&format!("{count} puts of {bytes} B, last index {last}"));
        Ok(())
    }

    // What is there.

    fn look(&mut self, verb: &str, args: &mut ArgumentConsumer) -> Outcome {
        match verb {
            "status" => {
                let mut which = nodes(args)?;
                if which.is_empty() {
                    which = self.cluster.nodes.keys().copied().collect();
                }
                for id in which {
                    let line = self.status(id);
                    self.cluster.say(&line);
                }
            }
            "equal" => self.equal(),
            "dump" => self.dump(node(args)?)?,
            _ => {
                let id = node(args)?;
                for (name, bytes) in self.cluster.nodes[&id].disk.image() {
                    self.cluster.say(&format!("{} {} B", draw::short(&name), bytes.len()));
                }
            }
        }
        Ok(())
    }

    fn status(&self, id: NodeId) -> String {
        let Some(status) = self.cluster.status(id) else { return format!("{id} is down") };
        let mut line = format!(
            "{id}@{} {} commit {} applied {} log {}..{} {}",
            status.term,
            draw::role(status.role),
            status.commit,
            status.applied,
            status.first,
            status.last,
            status.revision,
        );
        if let Some(leader) = status.leader {
            write!(line, " leader {leader}").unwrap();
        }
        let flags = [
            (status.receives_snapshot, "receives a snapshot".to_owned()),
            (status.transfers, "hands over".to_owned()),
            (status.is_joint, "joint".to_owned()),
            (status.pending > 0, format!("{} pending", status.pending)),
        ];
        for (_, flag) in flags.iter().filter(|(is_set, _)| *is_set) {
            line.push_str(", ");
            line.push_str(flag);
        }
        line
    }

    fn equal(&mut self) {
        let running = self.cluster.nodes.values().filter_map(|node| node.replica.as_ref());
        let states: BTreeSet<_> = running
            .map(|replica| (replica.status().applied, replica.status().chain, replica.digest()))
            .collect();
        let verdict = if states.len() == 1 { "equal" } else { "NOT EQUAL" };
        self.cluster.say(verdict);
    }

    fn dump(&mut self, id: NodeId) -> Outcome {
        let node = &self.cluster.nodes[&id];
        let image = node.disk.image();
        let owner = whitewater_replica::identity::Identity::read(&image)?
            .map_or(Incarnation(0), |identity| identity.incarnation);
        let settings = wal_settings(owner, &self.cluster.tuning, self.cluster.mutations);
        let (_, log) = Wal::recover(settings, &image, &mut Vec::new())?;
        let vote = log.vote.map_or_else(|| "nobody".to_owned(), |node| node.to_string());
        self.cluster.say(&format!("term {} vote {vote} commit {}", log.term, log.commit));
        if let Some(mark) = &log.snapshot {
            self.cluster.say(&format!("snapshot {}@{}", mark.index, mark.term));
        }
        for entry in &log.entries {
            let what = match postcard::from_bytes::<(RequestId, Request)>(&entry.data) {
                _ if entry.data.is_empty() => "nothing".to_owned(),
                Ok((id, request))
                    if entry.get_entry_type() == raft::eraftpb::EntryType::EntryNormal =>
                {
                    format!("{id} {request}")
                }
                _ if entry.get_entry_type() == raft::eraftpb::EntryType::EntryNormal => {
                    "the leader's own".to_owned()
                }
                _ => "members".to_owned(),
            };
            self.cluster.say(&format!("{}@{} {what}", entry.index, entry.term));
        }
        Ok(())
    }
}

/// Which messages a verb is about.
struct Filter {
    from: Option<NodeId>,
    to: Option<NodeId>,
    kind: Option<String>,
    count: usize,
}

impl Filter {
    fn take(args: &mut ArgumentConsumer) -> Outcome<Self> {
        Ok(Self {
            from: args.take_key("from").map(parse_node).transpose()?,
            to: args.take_key("to").map(parse_node).transpose()?,
            kind: args.take_key("kind").map(str::to_owned),
            count: key(args, "count")?.unwrap_or(usize::MAX),
        })
    }

    fn fits(&self, envelope: &Envelope) -> bool {
        self.from.is_none_or(|from| envelope.from == from)
            && self.to.is_none_or(|to| envelope.to == to)
            && self.kind.as_ref().is_none_or(|kind| envelope.summary().0.name() == kind)
    }
}

/// The inverse of [`draw::short`].
fn long(name: &str) -> FileName {
    let number = name.strip_prefix("wal-").and_then(|rest| rest.strip_suffix(".log"));
    number.map_or_else(|| name.into(), |number| FileName(format!("wal-{number:0>16}.log")))
}
