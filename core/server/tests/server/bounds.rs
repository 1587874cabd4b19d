//! What one client may take: bytes of a request, streams of a connection, connections.

use crate::{
    common::{Server, get, http, put, watch},
    etcdctl::{Etcd, binary},
};
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tonic::{Code, transport::Endpoint};
use whitewater_server::proto::etcdserverpb::kv_client::KvClient;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What gRPC carries besides (etcd, `grpcOverheadBytes`).
const OVERHEAD: usize = 512 << 10;

async fn is_bounded(url: &str, most: usize) {
    let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let mut kv = KvClient::new(channel);
    let of = |bytes: usize| put("k", &"v".repeat(bytes));
    kv.put(of(most - 1000)).await.unwrap();
    let refused = kv.put(of(most + 1000)).await.unwrap_err();
    let told = (refused.code(), refused.message());
    assert_eq!(told, (Code::InvalidArgument, "etcdserver: request is too large"));
    let refused = kv.put(of(most + OVERHEAD + 1000)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let words = "grpc: received message larger than max (";
    assert!(refused.message().starts_with(words), "{refused}");
    kv.put(of(1)).await.unwrap();
}

#[tokio::test]
async fn a_request_has_so_many_bytes_and_no_more() {
    let directory = TempDir::new().unwrap();
    let flags = ["--max-request-bytes=10000".to_owned()];
    let server = Server::alone_by("http", directory.path(), &flags);
    is_bounded(&server.url, 10_000).await;
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    is_bounded(&server.url, 1_572_864).await;
}

#[tokio::test]
async fn a_real_etcd_refuses_the_same() {
    let Some(etcd) = binary("etcd") else {
        eprintln!("skipped: no etcd in ETCD_BIN or on the path");
        return;
    };
    let etcd = Etcd::start(&etcd, &["--max-request-bytes=10000"]);
    is_bounded(&etcd.url, 10_000).await;
}

#[tokio::test]
async fn a_connection_has_so_many_streams_and_others_wait() {
    let directory = TempDir::new().unwrap();
    let flags = ["--max-concurrent-streams=2".to_owned()];
    let server = Server::alone_by("http", directory.path(), &flags);
    let channel = server.channel().await;
    let first = watch(channel.clone()).await;
    let second = watch(channel.clone()).await;
    let mut third = KvClient::new(channel);
    let mut third = Box::pin(third.put(put("third", "v")));
    // Others are served all the time, and it is not.
    for number in 0..50 {
        let mut other = server.kv().await;
        tokio::select! {
            biased;
            answer = &mut third => panic!("a third stream is served: {answer:?}"),
            answer = other.put(put("k", &number.to_string())) => drop(answer.unwrap()),
        }
    }
    drop(first);
    third.await.unwrap();
    drop(second);
}

/// Asks for the health on a connection that stays open. Nothing where it was not let in.
fn stay(url: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")?;
    stream.read_exact(&mut [0; 15])?;
    Ok(stream)
}

#[tokio::test]
async fn clients_leave_a_member_the_files_that_it_needs() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone_within(300, directory.path());
    let mut kv = server.kv().await;
    let guests: Vec<TcpStream> = (0..200).filter_map(|_| stay(&server.url).ok()).collect();
    // 300 without the 256 that are kept, and without the one above.
    assert_eq!(guests.len(), 43);
    kv.put(put("k", "v")).await.unwrap();
    drop(guests);
    let deadline = Instant::now() + PATIENCE;
    while stay(&server.url).is_err() {
        assert!(Instant::now() < deadline, "there is room again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(kv.range(get("k")).await.unwrap().into_inner().count, 1);
    assert!(http(&server.url, "GET", "/metrics", "").1.contains("process_max_fds 300"));
}
