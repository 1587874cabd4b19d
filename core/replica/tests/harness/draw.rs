//! What happens, as lines that a person can read.

use raft::eraftpb::MessageType;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use whitewater_api::{
    AlarmMember, AuthResponse, Body, DiskOp, Error, FileName, KeyValue, KvHash, LeaseId,
    LeaseResponse, MaintenanceResponse, Member, MemberStatus, NodeId, Request, RequestId, Response,
    response::{Members, TxnOpResponse, TxnResponse},
};
use whitewater_replica::{Envelope, Event, MessageKind, PeerMessage, Role, StopReason};

/// Short names for numbers that mean nothing to a reader.
#[derive(Default)]
pub(crate) struct Aliases(BTreeMap<u64, usize>);

impl Aliases {
    fn of(&mut self, context: u64) -> String {
        let next = self.0.len() + 1;
        format!("c{}", self.0.entry(context).or_insert(next))
    }
}

/// A message: `n1@2 -> n2 append 5@2 +1 commit 4`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds carry no index")]
pub(crate) fn envelope(envelope: &Envelope, arrow: &str, aliases: &mut Aliases) -> String {
    let (from, to) = (envelope.from, envelope.to);
    let (kind, [first, second, third]) = envelope.summary();
    let kind = kind.name();
    match &envelope.body {
        PeerMessage::Raft(m) => {
            let mut text = format!("{from}@{} {arrow} {to} {kind}", m.term);
            match m.get_msg_type() {
                MessageType::MsgAppend => {
                    let count = m.entries.len();
                    write!(text, " {}@{} +{count} commit {}", m.index, m.log_term, m.commit)
                }
                MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
                    write!(text, " {}@{}", m.index, m.log_term)
                }
                MessageType::MsgAppendResponse if m.reject => {
                    write!(text, " {} hint {}@{}", m.index, m.reject_hint, m.log_term)
                }
                MessageType::MsgAppendResponse => write!(text, " {}", m.index),
                MessageType::MsgHeartbeat => write!(text, " commit {}", m.commit),
                _ => Ok(()),
            }
            .unwrap();
            if let Ok(context) = <[u8; 8]>::try_from(m.context.as_ref()) {
                write!(text, " {}", aliases.of(u64::from_le_bytes(context))).unwrap();
            } else if m.context.as_ref() == b"CampaignTransfer" {
                text.push_str(" transfer");
            }
            text
        }
        PeerMessage::Hello(i)
        | PeerMessage::Welcome { incarnation: i, .. }
        | PeerMessage::Ghost(i)
        | PeerMessage::Vouched(i) => {
            format!("{from} {arrow} {to} {kind} {i}")
        }
        PeerMessage::AskElders(elders) => format!("{from} {arrow} {to} {kind} {}", nodes(elders)),
        PeerMessage::Damaged { .. } | PeerMessage::Renewed => format!("{from} {arrow} {to} {kind}"),
        PeerMessage::StartOver { term, barrier, .. } => {
            format!("{from}@{term} {arrow} {to} {kind} behind {barrier}")
        }
        PeerMessage::ReadIndex { term, context } => {
            format!("{from}@{term} {arrow} {to} {kind} {}", aliases.of(*context))
        }
        PeerMessage::ReadIndexAnswer { context, index } => {
            format!("{from} {arrow} {to} {kind} {} index {index}", aliases.of(*context))
        }
        PeerMessage::SnapshotPart(part) => {
            let last = if part.last { ", the last" } else { "" };
            format!(
                "{from}@{first} {arrow} {to} {kind} {third} of {second}@{}{last}",
                part.meta.term
            )
        }
        PeerMessage::HashAsk { revision, .. } => {
            format!("{from} {arrow} {to} {kind} at {revision}")
        }
        PeerMessage::HashAnswer { hash, .. } => {
            let KvHash { hash, revision, compacted } = hash;
            format!("{from} {arrow} {to} {kind} {hash:08x} at {revision}, compacted {compacted}")
        }
        PeerMessage::SnapshotAck { .. } => {
            format!("{from} {arrow} {to} {kind} wants {third}")
        }
    }
}

/// Whether a message is one of those that go to and fro all the time.
pub(crate) fn is_plain_heartbeat(envelope: &Envelope) -> bool {
    let PeerMessage::Raft(message) = &envelope.body else { return false };
    matches!(envelope.summary().0, MessageKind::Heartbeat | MessageKind::HeartbeatOk)
        && message.context.is_empty()
}

/// A batch: `n2 disk w7: write 120 B, sync`.
pub(crate) fn disk_ops(ops: &[DiskOp]) -> String {
    let words = ops.iter().map(|op| match op {
        DiskOp::Create { file } => format!("create {}", short(file)),
        DiskOp::SetLength { length, .. } => format!("length {length}"),
        DiskOp::Write { bytes, .. } => format!("write {} B", bytes.len()),
        DiskOp::Sync { .. } => "sync".to_owned(),
        DiskOp::Rename { to, .. } => format!("rename to {}", short(to)),
        DiskOp::Remove { file } => format!("remove {}", short(file)),
        DiskOp::SyncDirectory => "sync directory".to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A file's name without its leading zeros.
pub(crate) fn short(file: &FileName) -> String {
    file.0.split('-').map(|part| part.trim_start_matches('0')).collect::<Vec<_>>().join("-")
}

/// What an observer is told; nothing for what is only noise in a script.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Appended { first, last, .. } => format!("appends {first} to {last}"),
        Event::Applied { index, term, .. } => format!("applies {index}@{term}"),
        Event::Members { index, voters, outgoing, learners } => {
            let members = Members {
                voters: voters.clone(),
                voters_outgoing: outgoing.clone(),
                learners: learners.clone(),
            };
            format!("members at {index}: {}", self::members(&members))
        }
        Event::Snapshot { index, term, installed: true, .. } => {
            format!("installed snapshot {index}@{term}")
        }
        Event::Snapshot { index, term, .. } => format!("took snapshot {index}@{term}"),
        Event::SnapshotPart { part } => format!("takes part {part}"),
        Event::Read { id, applied, revision, lease } => {
            let by = if *lease { ", by lease" } else { "" };
            format!("reads for {id} at index {applied}, {revision}{by}")
        }
        Event::LeaseExpired { lease, made } => {
            let made = made.map_or_else(String::new, |made| format!(", its keys at {made}"));
            format!("sees {} end{made}", self::lease(*lease))
        }
        Event::Damaged(reason) => format!("is damaged: {reason}"),
        Event::StartedOver { barrier: Some(barrier) } => format!("starts over behind {barrier}"),
        Event::StartedOver { barrier: None } => "starts over".to_owned(),
        Event::AutoCompaction { revision } => format!("compacts to {revision} by itself"),
        Event::Sometimes(what) => format!("notes: {what}"),
    }
}

/// Why a replica stopped.
pub(crate) fn stop(reason: StopReason) -> String {
    match reason {
        StopReason::DiskFailed(error) => format!("stops: {error}"),
        StopReason::WipedDisk => "stops: its disk was wiped".to_owned(),
        StopReason::Corrupt => "stops: most members hold something else".to_owned(),
        StopReason::DamagedDisk => "stops: nobody makes up for its disk".to_owned(),
    }
}

/// A role.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// A reply: `p1#0 put k v => ok r2`.
pub(crate) fn reply(
    id: RequestId,
    request: Option<&Request>,
    result: &Result<Response, Error>,
) -> String {
    let request = request.map_or_else(|| "?".to_owned(), ToString::to_string);
    let result = match result {
        Ok(response) => {
            format!(
                "{} {} by {}",
                body(&response.body),
                response.header.revision,
                response.header.node
            )
        }
        Err(Error::NotLeader { hint: Some(hint) }) => format!("fail: not leader, ask {hint}"),
        Err(error) => {
            let effect = match error.effect() {
                whitewater_api::Effect::None => "fail",
                whitewater_api::Effect::Unknown => "info",
            };
            format!("{effect}: {}", error.to_string().trim_start_matches("etcdserver: "))
        }
    };
    format!("{id} {request} => {result}")
}

fn body(body: &Body) -> String {
    match body {
        Body::Put(_) | Body::Compact | Body::MoveLeader => "ok".to_owned(),
        Body::Range(range) => kvs(&range.kvs),
        Body::DeleteRange(deleted) => format!("deleted {}", deleted.deleted),
        Body::Txn(response) => txn(response),
        Body::Lease(response) => lease_answer(response),
        Body::Member(members) => self::members(members),
        Body::Maintenance(response) => maintenance(response),
        Body::Auth(response) => auth(response),
        Body::Cluster(members) => cluster(members),
    }
}

fn cluster(members: &[Member]) -> String {
    let line = |member: &Member| {
        let Member { id, attributes, is_learner } = member;
        let learner = if *is_learner { " learner" } else { "" };
        let name = if attributes.name.is_empty() { "unstarted" } else { &attributes.name };
        format!("{id}{learner} {name} {}", attributes.peer_urls.join(","))
    };
    members.iter().map(line).collect::<Vec<_>>().join("; ")
}

fn maintenance(response: &MaintenanceResponse) -> String {
    let alarms = |alarms: &[AlarmMember]| -> Vec<String> {
        alarms.iter().map(|about| format!("{} {}", about.member, about.alarm.name())).collect()
    };
    match response {
        MaintenanceResponse::Status(status) => {
            let learner = if status.is_learner { "learner " } else { "" };
            let errors = status.errors();
            let MemberStatus { size, size_in_use, quota, index, applied, .. } = status;
            format!(
                "{learner}holds {size_in_use} B, at most {size} B of {quota} B, committed {index}, applied {applied}, \
                 errors {errors:?}"
            )
        }
        MaintenanceResponse::Alarm(about) => format!("alarms {:?}", alarms(about)),
        MaintenanceResponse::Defragment { before, after } => {
            format!("defragmented from {before} B to {after} B")
        }
        MaintenanceResponse::Backup { bytes, remaining, .. } => {
            format!("{} B, about {remaining} B are left", bytes.len())
        }
        MaintenanceResponse::CheckCorruption { compared, corrupt } => {
            format!(
                "compared {compared}, corrupt {:?}",
                corrupt.iter().map(ToString::to_string).collect::<Vec<_>>()
            )
        }
        MaintenanceResponse::Hash(hash) => format!("hash {hash:08x}"),
        MaintenanceResponse::HashKv(KvHash { hash, revision, compacted }) => {
            format!("hash {hash:08x} at {revision}, compacted {compacted}")
        }
    }
}

fn auth(response: &AuthResponse) -> String {
    match response {
        AuthResponse::Done => "ok".to_owned(),
        AuthResponse::Status { enabled, revision } => {
            format!("{} at {revision}", if *enabled { "enabled" } else { "disabled" })
        }
        AuthResponse::Token(_) => "a token".to_owned(),
        AuthResponse::Users(names) => format!("users: {}", names.join(" ")),
        AuthResponse::Roles(names) => format!("roles: {}", names.join(" ")),
        AuthResponse::Permissions(permissions) => {
            let permissions: Vec<String> = permissions.iter().map(ToString::to_string).collect();
            format!("permissions: {}", permissions.join(", "))
        }
    }
}

fn lease_answer(response: &LeaseResponse) -> String {
    match response {
        LeaseResponse::Grant { lease, ttl } => format!("{} for {ttl} s", self::lease(*lease)),
        LeaseResponse::Revoke => "ok".to_owned(),
        LeaseResponse::KeepAlive { ttl, .. } => format!("{ttl} s"),
        LeaseResponse::TimeToLive { ttl: -1, .. } => "no such lease".to_owned(),
        LeaseResponse::TimeToLive { ttl, granted, keys, .. } => {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            format!("{ttl} of {granted} s, keys: {}", keys.join(" "))
        }
        LeaseResponse::List(leases) => {
            let leases = leases.iter().map(|lease| self::lease(*lease));
            format!("leases: {}", leases.collect::<Vec<_>>().join(" "))
        }
    }
}

/// A lease; one whose id the cluster picked is long.
fn lease(lease: LeaseId) -> String {
    if lease.0 < 1000 { lease.to_string() } else { "a lease with an id of its own".to_owned() }
}

fn txn(response: &TxnResponse) -> String {
    let ops = response.responses.iter().map(|op| match op {
        TxnOpResponse::Put(_) => "ok".to_owned(),
        TxnOpResponse::Range(range) => kvs(&range.kvs),
        TxnOpResponse::DeleteRange(deleted) => format!("deleted {}", deleted.deleted),
        TxnOpResponse::Txn(inner) => txn(inner),
    });
    let ops = ops.collect::<Vec<_>>().join("; ");
    format!("{}: {ops}", if response.succeeded { "then" } else { "else" })
}

fn kvs(kvs: &[KeyValue]) -> String {
    if kvs.is_empty() {
        return "nothing".to_owned();
    }
    let kvs = kvs.iter().map(|kv| format!("{}={}", kv.key, kv.value));
    kvs.collect::<Vec<_>>().join(" ")
}

fn nodes(nodes: &[NodeId]) -> String {
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Members: `voters n1 n2 | outgoing n1 n3 | learners n4`.
pub(crate) fn members(members: &Members) -> String {
    let mut text = format!("voters {}", nodes(&members.voters));
    if !members.voters_outgoing.is_empty() {
        write!(text, " | outgoing {}", nodes(&members.voters_outgoing)).unwrap();
    }
    if !members.learners.is_empty() {
        write!(text, " | learners {}", nodes(&members.learners)).unwrap();
    }
    text
}
