//! What `/metrics` measures of the store and its watches: the true values, which a real etcd tells too after the same requests.

use crate::{
    common::{Server, channel, http, watch},
    etcdctl::{Etcd, binary},
};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use whitewater_server::proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, kv_client::KvClient,
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// So much that a client which does not read lets few of them come.
const LARGE: usize = 64 << 10;

/// Puts of that size that no server keeps for a client which does not read: a real etcd keeps 128 of them.
const PUTS_MAX: usize = 1000;

/// The value of a gauge of the store.
fn gauge(url: &str, name: &str) -> i64 {
    let metrics = http(url, "GET", "/metrics", "").1;
    let name = format!("etcd_debugging_mvcc_{name} ");
    let kind = format!("# TYPE {name}gauge\n");
    assert!(metrics.contains(&kind), "{kind} in {metrics}");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().unwrap()
}

/// Waits until a gauge is as it should be: a real etcd compacts, and looks at its watches, from time to time.
async fn becomes(url: &str, name: &str, wanted: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = gauge(url, name);
        if value == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is {value}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn put(key: &str, value: Vec<u8>) -> PutRequest {
    PutRequest { key: key.to_owned().into(), value: value.into(), ..PutRequest::default() }
}

/// Keys that come and go, compactions, and a client that watches and does not read.
async fn is_measured(url: &str) {
    let mut kv = KvClient::new(channel(url).await);
    assert_eq!(gauge(url, "keys_total"), 0);
    assert_eq!(gauge(url, "compact_revision"), -1);
    for key in ["a", "a", "b", "c"] {
        kv.put(put(key, b"v".to_vec())).await.unwrap();
    }
    becomes(url, "keys_total", 3).await;
    let delete = DeleteRangeRequest { key: "a".into(), ..DeleteRangeRequest::default() };
    kv.delete_range(delete).await.unwrap();
    becomes(url, "keys_total", 2).await;
    let compact = CompactionRequest { revision: 4, ..CompactionRequest::default() };
    kv.compact(compact).await.unwrap();
    becomes(url, "compact_revision", 4).await;
    becomes(url, "keys_total", 2).await;

    let (requests, mut messages) = watch(channel(url).await).await;
    becomes(url, "watcher_total", 1).await;
    assert_eq!(gauge(url, "slow_watcher_total"), 0);
    assert_eq!(gauge(url, "pending_events_total"), 0);
    let mut puts = 0;
    while gauge(url, "slow_watcher_total") == 0 {
        assert!(puts < PUTS_MAX, "a watch is not slow that has not been read from");
        kv.put(put("k", vec![b'v'; LARGE])).await.unwrap();
        puts += 1;
    }
    assert!(gauge(url, "pending_events_total") > 0, "they wait for its stream");
    let mut heard = 0;
    while heard < puts {
        heard += messages.message().await.unwrap().unwrap().events.len();
    }
    becomes(url, "slow_watcher_total", 0).await;
    becomes(url, "pending_events_total", 0).await;
    drop((requests, messages));
    becomes(url, "watcher_total", 0).await;
}

#[tokio::test]
async fn keys_compactions_and_slow_watches_are_measured() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    is_measured(&server.url).await;
}

#[tokio::test]
async fn a_real_etcd_measures_the_same() {
    let Some(etcd) = binary("etcd") else {
        eprintln!("skipped: no etcd in ETCD_BIN or on the path");
        return;
    };
    let etcd = Etcd::start(&etcd, &[]);
    is_measured(&etcd.url).await;
}

#[tokio::test]
async fn what_waits_for_a_stream_that_ends_waits_no_longer() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    let watched = watch(channel(&server.url).await).await;
    while gauge(&server.url, "slow_watcher_total") == 0 {
        kv.put(put("k", vec![b'v'; LARGE])).await.unwrap();
    }
    assert!(gauge(&server.url, "pending_events_total") > 0);
    drop(watched);
    becomes(&server.url, "pending_events_total", 0).await;
    becomes(&server.url, "slow_watcher_total", 0).await;
}
