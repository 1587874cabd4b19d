//! What the words behind a verb mean.

use goldenscript::ArgumentConsumer;
use std::{error::Error, str::FromStr};
use whitewater_api::{
    Alarm, AlarmAction, ClusterRequest, KeyRange, LeaseId, LeaseRequest, MaintenanceRequest,
    MemberChange, NodeId, Request, Revision, WatchId,
    release::Release,
    request::{
        CompactRequest, Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest,
        Relation, TxnOp, TxnRequest,
    },
    watch::WatchCreate,
};

pub(super) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What a client or an operator asks for, by its verb.
pub(super) fn request(verb: &str, args: &mut ArgumentConsumer) -> Outcome<Request> {
    let mut next = || args.next_pos().ok_or_else(|| format!("{verb} wants more"));
    Ok(match verb {
        "put" => Request::Put(PutRequest::new(next()?, next()?)),
        "get" => Request::Range(RangeRequest::new(KeyRange::single(next()?))),
        "stale-get" => {
            let mut range = RangeRequest::new(KeyRange::single(next()?));
            range.serializable = true;
            Request::Range(range)
        }
        "delete" => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::single(next()?),
            prev_kv: false,
        }),
        "cas" => {
            let (name, old, new) = (next()?, next()?, next()?);
            Request::Txn(TxnRequest {
                compares: vec![Compare {
                    range: KeyRange::single(name),
                    relation: Relation::Equal,
                    target: CompareTarget::Value(old.into()),
                }],
                success: vec![TxnOp::Put(PutRequest::new(name, new))],
                failure: vec![TxnOp::Range(RangeRequest::new(KeyRange::single(name)))],
            })
        }
        "put-on" => {
            Request::Put(PutRequest { lease: lease(next()?)?, ..PutRequest::new(next()?, next()?) })
        }
        "lease-grant" => {
            Request::Lease(LeaseRequest::Grant { lease: lease(next()?)?, ttl: next()?.parse()? })
        }
        "lease-revoke" => Request::Lease(LeaseRequest::Revoke(lease(next()?)?)),
        "keep-alive" => Request::Lease(LeaseRequest::KeepAlive(lease(next()?)?)),
        "time-to-live" => {
            Request::Lease(LeaseRequest::TimeToLive { lease: lease(next()?)?, keys: true })
        }
        "leases" => Request::Lease(LeaseRequest::List),
        "multi" => {
            let mut success = Vec::new();
            while let Some(text) = args.next_pos() {
                success.push(match text.split(' ').collect::<Vec<_>>()[..] {
                    ["put", key, value] => TxnOp::Put(PutRequest::new(key, value)),
                    ["get" | "stale-get", key] => TxnOp::Range(RangeRequest {
                        serializable: text.starts_with("stale"),
                        ..RangeRequest::new(KeyRange::single(key))
                    }),
                    ["delete", key] => TxnOp::DeleteRange(DeleteRangeRequest {
                        range: KeyRange::single(key),
                        prev_kv: false,
                    }),
                    _ => return Err(format!("no operation {text}").into()),
                });
            }
            Request::Txn(TxnRequest { compares: Vec::new(), success, failure: Vec::new() })
        }
        "compact" | "compact-physical" => Request::Compact(CompactRequest {
            revision: Revision(next()?.parse()?),
            physical: verb == "compact-physical",
        }),
        _ => operator_request(verb, args)?,
    })
}

fn cluster(request: ClusterRequest) -> Request {
    Request::Cluster(request)
}

/// Hosts, by commas, as peer URLs.
fn urls(hosts: &str) -> Vec<String> {
    hosts.split(',').map(|host| format!("http://{host}:2380")).collect()
}

fn alarm(action: AlarmAction, member: NodeId, name: Option<&str>) -> Request {
    let alarm = name.map(|name| if name == "corrupt" { Alarm::Corrupt } else { Alarm::NoSpace });
    Request::Maintenance(MaintenanceRequest::Alarm { action, member, alarm })
}

/// What an operator asks for.
fn operator_request(verb: &str, args: &mut ArgumentConsumer) -> Outcome<Request> {
    let mut next = || args.next_pos().ok_or_else(|| format!("{verb} wants more"));
    Ok(match verb {
        "member-add" => Request::Member(MemberChange::Add(parse_node(next()?)?)),
        "member-add-learner" => Request::Member(MemberChange::AddLearner(parse_node(next()?)?)),
        "member-promote" => Request::Member(MemberChange::Promote(parse_node(next()?)?)),
        "member-remove" => Request::Member(MemberChange::Remove(parse_node(next()?)?)),
        "member-replace" => Request::Member(MemberChange::Replace {
            old: parse_node(next()?)?,
            new: parse_node(next()?)?,
        }),
        "move-leader" => Request::MoveLeader(parse_node(next()?)?),
        "cluster-list" => cluster(ClusterRequest::List { linearizable: true }),
        "stale-cluster-list" => cluster(ClusterRequest::List { linearizable: false }),
        "cluster-add" | "cluster-add-learner" => cluster(ClusterRequest::Add {
            member: parse_node(next()?)?,
            peer_urls: urls(next()?),
            is_learner: verb == "cluster-add-learner",
        }),
        "cluster-update" => cluster(ClusterRequest::Update {
            member: parse_node(next()?)?,
            peer_urls: urls(next()?),
        }),
        "cluster-remove" => cluster(ClusterRequest::Remove(parse_node(next()?)?)),
        "cluster-promote" => cluster(ClusterRequest::Promote(parse_node(next()?)?)),
        "cluster-publish" => cluster(ClusterRequest::Publish {
            member: parse_node(next()?)?,
            name: next()?.to_owned(),
            client_urls: Vec::new(),
        }),
        "member-status" => Request::Maintenance(MaintenanceRequest::Status),
        "defragment" => Request::Maintenance(MaintenanceRequest::Defragment),
        "check-corruption" => Request::Maintenance(MaintenanceRequest::CheckCorruption),
        "alarm-list" => alarm(AlarmAction::Get, NodeId(0), None),
        "alarm-raise" => alarm(AlarmAction::Activate, parse_node(next()?)?, Some(next()?)),
        "alarm-disarm" => alarm(AlarmAction::Deactivate, parse_node(next()?)?, Some(next()?)),
        "hash" => Request::Maintenance(MaintenanceRequest::Hash),
        "hash-kv" => {
            let revision = Revision(next()?.parse()?);
            Request::Maintenance(MaintenanceRequest::HashKv { revision })
        }
        _ => return Err(format!("no verb {verb}").into()),
    })
}

pub(super) fn release(args: &mut ArgumentConsumer) -> Outcome<Option<Release>> {
    let name = args.take_key("release");
    Ok(name.map(|name| serde_json::from_value(name.into())).transpose()?)
}

pub(super) fn watch_create(args: &mut ArgumentConsumer) -> Outcome<WatchCreate> {
    let prefix = args.next_pos().ok_or("of which keys?")?;
    let range = match prefix.strip_suffix('+') {
        Some(start) => KeyRange::from_key(start),
        None => KeyRange::prefix(prefix),
    };
    let mut create = WatchCreate::new(range);
    create.watch = WatchId(key(args, "id")?.unwrap_or(0));
    create.start = Revision(key(args, "start")?.unwrap_or(0));
    for word in args.take_key("with").unwrap_or_default().split_whitespace() {
        match word {
            "prev" => create.prev_kv = true,
            "progress" => create.progress = true,
            "fragment" => create.fragment = true,
            "no-put" => create.no_put = true,
            "no-delete" => create.no_delete = true,
            _ => return Err(format!("no watch with {word}").into()),
        }
    }
    Ok(create)
}

pub(super) fn parse_node(text: &str) -> Outcome<NodeId> {
    let number = text.strip_prefix('n').ok_or_else(|| format!("{text} is no node"))?;
    Ok(NodeId(number.parse()?))
}

pub(super) fn node(args: &mut ArgumentConsumer) -> Outcome<NodeId> {
    parse_node(args.next_pos().ok_or("which node?")?)
}

pub(super) fn lease(text: &str) -> Outcome<LeaseId> {
    let number = text.strip_prefix('l').ok_or_else(|| format!("{text} is no lease"))?;
    Ok(LeaseId(number.parse()?))
}

pub(super) fn parse_caller(text: &str) -> Outcome<u32> {
    let number = text.strip_prefix('c').ok_or_else(|| format!("{text} is no call"))?;
    Ok(number.parse()?)
}

pub(super) fn caller(args: &mut ArgumentConsumer) -> Outcome<u32> {
    parse_caller(args.next_pos().ok_or("which call?")?)
}

/// All positional arguments.
pub(super) fn nodes(args: &mut ArgumentConsumer) -> Outcome<Vec<NodeId>> {
    let mut nodes = Vec::new();
    while let Some(text) = args.next_pos() {
        nodes.push(parse_node(text)?);
    }
    Ok(nodes)
}

pub(super) fn positional<T: FromStr<Err: Error + 'static>>(
    args: &mut ArgumentConsumer,
) -> Outcome<T> {
    Ok(args.next_pos().ok_or("how many?")?.parse()?)
}

pub(super) fn key<T: FromStr<Err: Error + 'static>>(
    args: &mut ArgumentConsumer,
    name: &str,
) -> Outcome<Option<T>> {
    Ok(args.take_key(name).map(str::parse).transpose()?)
}
