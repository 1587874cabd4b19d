//! What `/metrics` counts at each member of a cluster: the same at a real etcd's after the same requests.

use crate::{
    common::{Cluster, http, put},
    etcdctl::binary,
};
use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use whitewater_server::{
    loopback,
    proto::etcdserverpb::{
        DeleteRangeRequest, LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest,
        RequestOp, StatusRequest, TxnRequest, kv_client::KvClient, lease_client::LeaseClient,
        maintenance_client::MaintenanceClient, request_op,
    },
};

/// Long enough for a busy machine, and for a lease to run out.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is counted at every member, whoever answers.
const EVERYWHERE: [(&str, u64); 6] = [
    ("etcd_mvcc_put_total", 9),
    ("etcd_mvcc_delete_total", 5),
    ("etcd_mvcc_txn_total", 1),
    ("etcd_debugging_mvcc_total_put_size_in_bytes", 18),
    ("etcd_debugging_lease_granted_total", 2),
    ("etcd_debugging_lease_revoked_total", 2),
];

/// All values of a name, whatever the labels.
fn values(url: &str, name: &str) -> Vec<u64> {
    let metrics = http(url, "GET", "/metrics", "").1;
    let of = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let value = rest.rsplit(' ').next()?;
        (rest.starts_with([' ', '{'])).then(|| value.parse().unwrap())
    };
    metrics.lines().filter_map(of).collect()
}

async fn become_values(url: &str, name: &str, wanted: &[u64]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = values(url, name);
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{name} at {url} is {found:?}, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn channel(url: &str) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(url.to_owned()).unwrap().connect().await
}

async fn leader(urls: &[String]) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for url in urls {
            let Ok(channel) = channel(url).await else { continue };
            let mut client = MaintenanceClient::new(channel);
            let Ok(status) = client.status(StatusRequest {}).await else { continue };
            let status = status.into_inner();
            if status.leader != 0 && status.header.unwrap().member_id == status.leader {
                return url.clone();
            }
        }
        assert!(Instant::now() < deadline, "nobody leads");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Puts, deletes, a transaction of several things and one of a single one, a lease that is revoked and one that runs out.
async fn are_counted(urls: &[String]) {
    let at = leader(urls).await;
    let mut kv = KvClient::new(channel(&at).await.unwrap());
    let mut lease = LeaseClient::new(channel(&at).await.unwrap());
    for key in ["a", "b", "c", "d"] {
        kv.put(put(key, "v")).await.unwrap();
    }
    let delete =
        |key: &str| DeleteRangeRequest { key: key.to_owned().into(), ..Default::default() };
    kv.delete_range(delete("a")).await.unwrap();
    kv.delete_range(DeleteRangeRequest { range_end: "d".into(), ..delete("b") }).await.unwrap();
    let op = |request| RequestOp { request: Some(request) };
    let get = RangeRequest { key: "d".into(), ..Default::default() };
    let several = vec![
        op(request_op::Request::RequestPut(put("e", "v"))),
        op(request_op::Request::RequestPut(put("f", "v"))),
        op(request_op::Request::RequestRange(get)),
    ];
    kv.txn(TxnRequest { success: several, ..Default::default() }).await.unwrap();
    let one = vec![op(request_op::Request::RequestPut(put("g", "v")))];
    kv.txn(TxnRequest { success: one, ..Default::default() }).await.unwrap();
    for (id, ttl, keys) in [(7, 60, &["h"][..]), (8, 1, &["i"])] {
        lease.lease_grant(LeaseGrantRequest { id, ttl }).await.unwrap();
        for key in keys {
            kv.put(PutRequest { lease: id, ..put(key, "v") }).await.unwrap();
        }
    }
    let taken = lease.lease_grant(LeaseGrantRequest { id: 7, ttl: 60 }).await;
    assert_eq!(taken.unwrap_err().message(), "etcdserver: lease already exists");
    lease.lease_revoke(LeaseRevokeRequest { id: 7 }).await.unwrap();
    kv.delete_range(DeleteRangeRequest { range_end: "f".into(), ..delete("d") }).await.unwrap();
    for url in urls {
        for (name, wanted) in EVERYWHERE {
            become_values(url, name, &[wanted]).await;
        }
        let expired = u64::from(*url == at);
        become_values(url, "etcd_debugging_server_lease_expired_total", &[expired]).await;
        become_values(url, "etcd_network_active_peers", &[1, 1]).await;
        assert_eq!(values(url, "etcd_server_id"), [1]);
    }
    // As long as two members talk it is known how long that takes, not only once they began.
    let round_trips = "etcd_network_peer_round_trip_time_seconds_count";
    let before = values(&at, round_trips);
    let deadline = Instant::now() + PATIENCE;
    while values(&at, round_trips).iter().zip(&before).any(|(now, before)| now <= before) {
        assert!(Instant::now() < deadline, "nobody is asked how long it takes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_is_counted_in_a_cluster() {
    let cluster = Cluster::start(3);
    let urls: Vec<String> = cluster.servers.iter().map(|server| server.url.clone()).collect();
    are_counted(&urls).await;
}

/// Processes that end with the test. If that fails, what they said last is shown.
struct Processes(Vec<(Child, PathBuf)>);

impl Drop for Processes {
    fn drop(&mut self) {
        for (child, log) in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
            if std::thread::panicking() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                eprintln!("{}: {last:#?}", log.display());
            }
        }
    }
}

#[tokio::test]
async fn what_is_counted_in_a_cluster_is_what_a_real_etcd_counts() {
    let Some(etcd) = binary("etcd") else {
        eprintln!("skipped: no etcd in ETCD_BIN or on the path");
        return;
    };
    let urls = || [(); 3].map(|()| format!("http://{}", loopback::next()));
    let (peers, clients) = (urls(), urls());
    let named: Vec<String> = (0..3).map(|i| format!("m{i}={}", peers[i])).collect();
    let directory = TempDir::new().unwrap();
    let start = |i: usize| {
        let (peer, client) = (&peers[i], &clients[i]);
        let log = directory.path().join(format!("m{i}.log"));
        let child = Command::new(&etcd)
            .arg(format!("--name=m{i}"))
            .arg(format!("--data-dir={}", directory.path().join(format!("m{i}")).display()))
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster={}", named.join(",")))
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        (child, log)
    };
    let _processes = Processes((0..3).map(start).collect());
    are_counted(&clients).await;
}
