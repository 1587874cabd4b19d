//! One member, through gRPC and HTTP.

use crate::common::{Server, get, put};
use std::collections::BTreeSet;
use tempfile::TempDir;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinSet,
};
use tonic::{Code, transport::Channel};
use whitewater_server::proto::{
    etcdserverpb::{self as pb, kv_client::KvClient, request_op, response_op, watch_request},
    grpc::health::v1::{HealthCheckRequest, health_client::HealthClient},
    mvccpb::event::EventType,
    v3electionpb::{CampaignRequest, LeaderRequest, election_client::ElectionClient},
    v3lockpb::{LockRequest, UnlockRequest, lock_client::LockClient},
};

#[tokio::test]
async fn keys_are_put_read_and_deleted_at_revisions() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    let first = kv.put(put("k", "v1")).await.unwrap().into_inner();
    let header = first.header.unwrap();
    assert_eq!(header.revision, 2);
    assert!(header.cluster_id != 0 && header.member_id != 0 && header.raft_term > 0);
    let again = pb::PutRequest { prev_kv: true, ..put("k", "v2") };
    let again = kv.put(again).await.unwrap().into_inner();
    assert_eq!(again.prev_kv.unwrap().value, "v1");
    let read = kv.range(get("k")).await.unwrap().into_inner();
    let kvs = &read.kvs[0];
    assert_eq!((kvs.create_revision, kvs.mod_revision, kvs.version), (2, 3, 2));
    let past = pb::RangeRequest { revision: 2, ..get("k") };
    assert_eq!(kv.range(past.clone()).await.unwrap().into_inner().kvs[0].value, "v1");
    let delete = pb::DeleteRangeRequest { key: "k".into(), ..Default::default() };
    assert_eq!(kv.delete_range(delete).await.unwrap().into_inner().deleted, 1);
    let compact = pb::CompactionRequest { revision: 4, physical: true };
    kv.compact(compact).await.unwrap();
    let refusal = kv.range(past).await.unwrap_err();
    assert_eq!(refusal.code(), Code::OutOfRange);
    assert_eq!(refusal.message(), "etcdserver: mvcc: required revision has been compacted");
    let refusal = kv.put(put("", "v")).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert_eq!(refusal.message(), "etcdserver: key is not provided");
}

#[tokio::test]
async fn a_transaction_writes_at_one_revision_and_its_answers_tell_it() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    let op = |request| pb::RequestOp { request: Some(request) };
    let txn = pb::TxnRequest {
        compare: vec![pb::Compare { key: "a".into(), ..Default::default() }],
        success: vec![
            op(request_op::Request::RequestPut(put("a", "1"))),
            op(request_op::Request::RequestRange(get("a"))),
        ],
        failure: vec![],
    };
    let done = kv.txn(txn).await.unwrap().into_inner();
    assert!(done.succeeded);
    let Some(response_op::Response::ResponseRange(range)) = &done.responses[1].response else {
        panic!("{done:?}");
    };
    assert_eq!(range.kvs[0].value, "1");
    assert_eq!(range.header.as_ref().unwrap().revision, done.header.unwrap().revision);
}

#[tokio::test]
async fn a_watch_is_told_of_the_past_and_of_what_comes() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    kv.put(put("k1", "a")).await.unwrap();
    let create = pb::WatchCreateRequest {
        key: "k".into(),
        range_end: "l".into(),
        start_revision: 2,
        prev_kv: true,
        ..Default::default()
    };
    let create = pb::WatchRequest {
        request_union: Some(watch_request::RequestUnion::CreateRequest(create)),
    };
    let (requests, stream) = tokio::sync::mpsc::channel(4);
    requests.send(create).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut events = server.watch().await.watch(stream).await.unwrap().into_inner();
    assert!(events.message().await.unwrap().unwrap().created);
    let past = events.message().await.unwrap().unwrap();
    assert_eq!(past.events[0].kv.as_ref().unwrap().value, "a");
    kv.put(put("k1", "b")).await.unwrap();
    let next = events.message().await.unwrap().unwrap();
    assert_eq!(next.events[0].r#type(), EventType::Put);
    assert_eq!(next.events[0].prev_kv.as_ref().unwrap().value, "a");
    let cancel = pb::WatchCancelRequest { watch_id: next.watch_id };
    let cancel = pb::WatchRequest {
        request_union: Some(watch_request::RequestUnion::CancelRequest(cancel)),
    };
    requests.send(cancel).await.unwrap();
    assert!(events.message().await.unwrap().unwrap().canceled);
}

#[tokio::test]
async fn a_lease_takes_its_keys_with_it() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let (mut kv, mut lease) = (server.kv().await, server.lease().await);
    let grant = pb::LeaseGrantRequest { ttl: 100, id: 7 };
    assert_eq!(lease.lease_grant(grant).await.unwrap().into_inner().ttl, 100);
    kv.put(pb::PutRequest { lease: 7, ..put("k", "v") }).await.unwrap();
    let refused = kv.put(pb::PutRequest { lease: 8, ..put("k", "v") }).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: requested lease not found");
    let keep = |id| tokio_stream::once(pb::LeaseKeepAliveRequest { id });
    let mut kept = lease.lease_keep_alive(keep(7)).await.unwrap().into_inner();
    assert_eq!(kept.message().await.unwrap().unwrap().ttl, 100);
    let mut kept = lease.lease_keep_alive(keep(9)).await.unwrap().into_inner();
    assert_eq!(kept.message().await.unwrap().unwrap().ttl, 0);
    let ask = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
    let left = lease.lease_time_to_live(ask).await.unwrap().into_inner();
    assert_eq!((left.granted_ttl, &left.keys[0][..]), (100, &b"k"[..]));
    lease.lease_revoke(pb::LeaseRevokeRequest { id: 7 }).await.unwrap();
    assert_eq!(kv.range(get("k")).await.unwrap().into_inner().count, 0);
}

#[tokio::test]
async fn locks_and_elections_are_held_one_at_a_time() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut lock = LockClient::new(server.channel().await);
    let first = lock.lock(LockRequest { name: "l".into(), lease: 0 }).await.unwrap().into_inner();
    let mut other = LockClient::new(server.channel().await);
    let waiting = tokio::spawn(async move {
        other.lock(LockRequest { name: "l".into(), lease: 0 }).await.unwrap().into_inner()
    });
    let release = UnlockRequest { key: first.key.clone() };
    lock.unlock(release).await.unwrap();
    assert_ne!(waiting.await.unwrap().key, first.key);
    let mut election = ElectionClient::new(server.channel().await);
    let refusal = election.leader(LeaderRequest { name: "e".into() }).await.unwrap_err();
    assert_eq!(refusal.message(), "election: no leader");
    let campaign = CampaignRequest { name: "e".into(), lease: 0, value: "me".into() };
    election.campaign(campaign).await.unwrap();
    let leader = election.leader(LeaderRequest { name: "e".into() }).await.unwrap().into_inner();
    assert_eq!(leader.kv.unwrap().value, "me");
}

#[tokio::test]
async fn one_port_serves_json_health_version_and_metrics() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let (status, body) = server.http("POST", "/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#);
    assert_eq!(status, "HTTP/1.1 200 OK");
    let put: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(put["header"]["revision"], "2", "{body}");
    let (_, body) = server.http("POST", "/v3/kv/range", r#"{"key":"Zm9v","serializable":true}"#);
    let range: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(range["kvs"][0]["value"], "YmFy", "{body}");
    assert_eq!(range["kvs"][0]["create_revision"], "2", "{body}");
    let (status, body) = server.http("POST", "/v3/kv/range", r#"{"key":"Zm9v","revision":"9"}"#);
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    let refusal: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(refusal["code"], 11);
    let (status, body) = server.http("GET", "/health", "");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, r#"{"health":"true","reason":""}"#);
    assert_eq!(server.http("GET", "/readyz", "").1, "ok\n");
    assert!(server.http("GET", "/version", "").1.contains(r#""etcdserver":"3.5.30""#));
    let metrics = server.http("GET", "/metrics", "").1;
    for line in [
        "etcd_server_has_leader 1",
        "etcd_server_is_leader 1",
        "etcd_debugging_mvcc_current_revision 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    // What etcd's dashboard and alerts ask for (`contrib/mixin`), but for what is by peer.
    for name in [
        "etcd_server_leader_changes_seen_total",
        "etcd_server_proposals_failed_total",
        "etcd_server_proposals_pending",
        "etcd_server_proposals_committed_total",
        "etcd_server_proposals_applied_total",
        "etcd_server_quota_backend_bytes",
        "etcd_mvcc_db_total_size_in_bytes",
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "etcd_disk_wal_fsync_duration_seconds_bucket",
        "etcd_disk_backend_commit_duration_seconds_bucket",
        "etcd_network_client_grpc_received_bytes_total",
        "etcd_network_client_grpc_sent_bytes_total",
        "grpc_server_handling_seconds_bucket",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    assert_eq!(server.http("GET", "/nothing", "").0, "HTTP/1.1 404 Not Found");
    let mut health = HealthClient::new(server.channel().await);
    health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
}

/// Puts one key after the other until the server is gone, and tells of each that was acknowledged.
async fn write(mut kv: KvClient<Channel>, prefix: String, acknowledged: UnboundedSender<String>) {
    for number in 0.. {
        let key = format!("{prefix}/{number}");
        match kv.put(put(&key, &key)).await {
            Ok(_) => acknowledged.send(key).unwrap(),
            // A busy machine may cost a leader its disk, and so its leadership, for a while.
            Err(refusal) if refusal.message().starts_with("etcdserver:") => {}
            Err(_) => return,
        }
    }
}

#[tokio::test]
async fn acknowledged_puts_survive_kill_9() {
    let directory = TempDir::new().unwrap();
    let mut acknowledged = Vec::new();
    for life in 0..3 {
        let mut server = Server::alone(directory.path());
        let (told, mut done) = unbounded_channel();
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            writers.spawn(write(server.kv().await, format!("{life}/{writer}"), told.clone()));
        }
        for _ in 0..200 {
            acknowledged.push(done.recv().await.unwrap());
        }
        server.kill();
        drop(told);
        while let Some(key) = done.recv().await {
            acknowledged.push(key);
        }
        writers.join_all().await;
    }
    let mut server = Server::alone(directory.path());
    let all = pb::RangeRequest { range_end: vec![0].into(), ..get("\0") };
    let there = server.kv().await.range(all).await.unwrap().into_inner().kvs;
    let there: BTreeSet<Vec<u8>> = there.into_iter().map(|kv| kv.key.to_vec()).collect();
    let lost = acknowledged.iter().filter(|key| !there.contains(key.as_bytes()));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(server.terminate(), Some(0), "SIGTERM ends it in peace");
}

#[tokio::test]
async fn whoever_watches_or_keeps_alive_does_not_hold_up_the_end() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::alone(directory.path());
    let (mut lease, mut watch) = (server.lease().await, server.watch().await);
    let grant = pb::LeaseGrantRequest { ttl: 100, id: 1 };
    lease.lease_grant(grant).await.unwrap();
    let (keep, asked) = unbounded_channel();
    keep.send(pb::LeaseKeepAliveRequest { id: 1 }).unwrap();
    let asked = tokio_stream::wrappers::UnboundedReceiverStream::new(asked);
    let mut kept = lease.lease_keep_alive(asked).await.unwrap().into_inner();
    assert_eq!(kept.message().await.unwrap().unwrap().ttl, 100);
    let (say, said) = unbounded_channel();
    let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
    let union = Some(watch_request::RequestUnion::CreateRequest(create));
    say.send(pb::WatchRequest { request_union: union }).unwrap();
    let said = tokio_stream::wrappers::UnboundedReceiverStream::new(said);
    let mut told = watch.watch(said).await.unwrap().into_inner();
    assert!(told.message().await.unwrap().unwrap().created);
    let ended = tokio::task::spawn_blocking(move || server.terminate());
    let refusals = [kept.message().await.unwrap_err(), told.message().await.unwrap_err()];
    for refusal in refusals {
        assert_eq!(
            (refusal.code(), refusal.message()),
            (Code::Unavailable, "etcdserver: server stopped")
        );
    }
    assert_eq!(ended.await.unwrap(), Some(0));
}

/// The value of a metric, labels included in its name.
fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn calls_and_what_is_carried_out_are_counted() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    kv.put(put("k", "v")).await.unwrap();
    kv.put(put("", "v")).await.unwrap_err();
    let metrics = server.http("GET", "/metrics", "").1;
    let of_put = |family: &str, code: &str| {
        let method = r#"grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary""#;
        value(&metrics, &format!("grpc_server_{family}_total{{{code}{method}}}"))
    };
    assert_eq!(of_put("started", ""), 2);
    assert_eq!(of_put("handled", r#"grpc_code="OK","#), 1);
    assert_eq!(of_put("handled", r#"grpc_code="InvalidArgument","#), 1);
    assert_eq!(of_put("msg_received", ""), 2);
    assert_eq!(of_put("msg_sent", ""), 1);
    assert_eq!(value(&metrics, "etcd_mvcc_put_total"), 1);
    // Two fields of one byte each with their heads, and one.
    assert_eq!(value(&metrics, "etcd_network_client_grpc_received_bytes_total"), 6 + 3);
}
