//! What `/metrics` counts of requests that take their time; and its names, which are those of a real etcd but for a few.

use crate::{
    common::{Server, channel, get, http, put},
    etcdctl::{Etcd, binary},
};
use std::collections::BTreeMap;
use tempfile::TempDir;
use tonic::Request;
use whitewater_server::proto::etcdserverpb::{
    DefragmentRequest, HashKvRequest, HashRequest, MemberPromoteRequest, SnapshotRequest,
    cluster_client::ClusterClient, kv_client::KvClient, maintenance_client::MaintenanceClient,
};

/// What a real etcd tells and this server does not: of Go, of its second store, of bbolt and of its proxy, which are not here;
/// of an entry's way from the log into the store and of a snapshot's into place, which are steps of the replica, that has no
/// clock; and what is of no use to anybody but etcd's authors.
const LEFT_OUT: [&str; 24] = [
    "etcd_debugging_auth_revision",
    "etcd_debugging_disk_backend_commit_rebalance_duration_seconds",
    "etcd_debugging_disk_backend_commit_spill_duration_seconds",
    "etcd_debugging_disk_backend_commit_write_duration_seconds",
    "etcd_debugging_lease_ttl_total",
    "etcd_debugging_mvcc_db_compaction_keys_total",
    "etcd_debugging_mvcc_db_compaction_last",
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
    "etcd_debugging_snap_save_marshalling_duration_seconds",
    "etcd_debugging_snap_save_total_duration_seconds",
    "etcd_debugging_store_expires_total",
    "etcd_debugging_store_reads_total",
    "etcd_debugging_store_watch_requests_total",
    "etcd_debugging_store_watchers",
    "etcd_debugging_store_writes_total",
    "etcd_mvcc_db_open_read_transactions",
    "etcd_server_apply_duration_seconds",
    "etcd_server_go_version",
    "etcd_server_snapshot_apply_in_progress_total",
    "etcd_snap_db_fsync_duration_seconds",
    "etcd_snap_db_save_total_duration_seconds",
    "etcd_snap_fsync_duration_seconds",
];

/// The kind of each name.
fn kinds(url: &str) -> BTreeMap<String, String> {
    let metrics = http(url, "GET", "/metrics", "").1;
    let lines = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let kinds = lines.filter_map(|line| line.split_once(' '));
    kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The value of a name with its labels.
fn value(url: &str, name: &str) -> f64 {
    let metrics = http(url, "GET", "/metrics", "").1;
    let mut lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let line = lines.find(|(found, _)| *found == name);
    line.unwrap_or_else(|| panic!("{name} in {metrics}")).1.parse().unwrap()
}

/// One of each.
async fn are_counted(url: &str) {
    let written = value(url, "etcd_disk_wal_write_bytes_total");
    let mut kv = KvClient::new(channel(url).await);
    let mut maintenance = MaintenanceClient::new(channel(url).await);
    kv.put(put("a", "v")).await.unwrap();
    let mut read = Request::new(get("a"));
    read.metadata_mut().insert("client-api-version", "3.5".parse().unwrap());
    kv.range(read).await.unwrap();
    maintenance.defragment(DefragmentRequest {}).await.unwrap();
    maintenance.hash(HashRequest {}).await.unwrap();
    maintenance.hash_kv(HashKvRequest { revision: 0 }).await.unwrap();
    let mut backup = maintenance.snapshot(SnapshotRequest {}).await.unwrap().into_inner();
    while backup.message().await.unwrap().is_some() {}
    let nobody = MemberPromoteRequest { id: 7 };
    ClusterClient::new(channel(url).await).member_promote(nobody).await.unwrap_err();

    assert!(value(url, "etcd_disk_wal_write_bytes_total") > written);
    let requests = "etcd_server_client_requests_total";
    for (name, wanted) in [
        (&*format!("{requests}{{client_api_version=\"3.5\",type=\"unary\"}}"), 1.0),
        (&*format!("{requests}{{client_api_version=\"unknown\",type=\"unary\"}}"), 5.0),
        (&*format!("{requests}{{client_api_version=\"unknown\",type=\"stream\"}}"), 1.0),
        ("etcd_disk_backend_defrag_duration_seconds_count", 1.0),
        ("etcd_disk_defrag_inflight", 0.0),
        ("etcd_mvcc_hash_duration_seconds_count", 1.0),
        ("etcd_mvcc_hash_rev_duration_seconds_count", 1.0),
        ("etcd_disk_backend_snapshot_duration_seconds_count", 1.0),
        ("etcd_server_read_indexes_failed_total", 0.0),
        ("etcd_server_heartbeat_send_failures_total", 0.0),
        ("etcd_server_learner_promote_successes", 0.0),
        ("etcd_server_learner_promote_failures{Reason=\"membership: ID not found\"}", 1.0),
    ] {
        let found = value(url, name);
        assert!((found - wanted).abs() < 0.5, "{name} is {found}, not {wanted}");
    }
}

#[tokio::test]
async fn what_takes_its_time_is_counted() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    are_counted(&server.url).await;
}

#[tokio::test]
async fn a_real_etcd_counts_the_same_under_the_same_names() {
    let Some(etcd) = binary("etcd") else {
        eprintln!("skipped: no etcd in ETCD_BIN or on the path");
        return;
    };
    let etcd = Etcd::start(&etcd, &[]);
    are_counted(&etcd.url).await;
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    are_counted(&server.url).await;

    let (real, ours) = (kinds(&etcd.url), kinds(&server.url));
    let is_apart = |name: &str| {
        let apart = ["go_", "promhttp_", "grpc_proxy_", "etcd_grpc_proxy_"];
        apart.iter().any(|prefix| name.starts_with(prefix)) || LEFT_OUT.contains(&name)
    };
    for (name, kind) in real.iter().filter(|(name, _)| !is_apart(name)) {
        assert_eq!(ours.get(name), Some(kind), "{name}");
    }
    for name in LEFT_OUT {
        assert!(real.contains_key(name) && !ours.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn clients_cannot_make_up_versions_without_end() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    for number in 0..100 {
        let mut read = Request::new(get("a"));
        let version = format!("made-up-{number}");
        read.metadata_mut().insert("client-api-version", version.parse().unwrap());
        kv.range(read).await.unwrap();
    }
    let metrics = http(&server.url, "GET", "/metrics", "").1;
    let counted = |line: &&str| line.starts_with("etcd_server_client_requests_total{");
    assert_eq!(metrics.lines().filter(counted).count(), 33, "32, and the rest together");
}
