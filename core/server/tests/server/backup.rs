//! Backups as files: taken from a running member, restored into a new cluster, exchanged with a real etcd.

use crate::{
    common::{Server, get, put},
    etcdctl::binary,
};
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;
use tonic::Code;
use whitewater_server::{limits, loopback, proto::etcdserverpb as pb};

fn snapshot(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_whitewater-server");
    Command::new(program).arg("snapshot").args(arguments).output().unwrap()
}

/// What it prints, behind the name of the file.
fn succeeds(arguments: &[&str]) -> String {
    let output = snapshot(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_once(": ").unwrap().1.to_owned()
}

fn refused(arguments: &[&str]) -> String {
    let output = snapshot(arguments);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

/// A member with old versions, a compaction, a delete, a lease and a large value; and the hash over its revisions.
async fn furnish(server: &Server) -> u32 {
    let mut kv = server.kv().await;
    for number in 0..20 {
        kv.put(put(&format!("k{}", number % 7), &format!("v{number}"))).await.unwrap();
    }
    let delete = pb::DeleteRangeRequest { key: "k3".into(), ..Default::default() };
    kv.delete_range(delete).await.unwrap();
    let grant = pb::LeaseGrantRequest { ttl: 1000, id: 77 };
    server.lease().await.lease_grant(grant).await.unwrap();
    let leased = pb::PutRequest { lease: 77, ..put("leased", &"x".repeat(50_000)) };
    kv.put(leased).await.unwrap();
    let compact = pb::CompactionRequest { revision: 10, physical: true };
    kv.compact(compact).await.unwrap();
    let hash = pb::HashKvRequest { revision: 0 };
    server.maintenance().await.hash_kv(hash).await.unwrap().into_inner().hash
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_backup_becomes_a_new_cluster_whose_revisions_go_on_behind_it() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = Server::alone(&path("old"));
    let hash = furnish(&server).await;
    let file = path("backup.db");
    let saved = succeeds(&["save", text(&file), "--endpoint", &server.url]);
    assert!(saved.contains(&format!("revision 23, compacted 10, hash over revisions {hash},")));
    assert_eq!(fs::metadata(&file).unwrap().len() % 512, 32, "a database and its SHA-256");
    assert_eq!(succeeds(&["status", text(&file)]), saved);
    let (plain, bumped) = (path("plain"), path("bumped"));
    let data = |path: &Path| format!("--data-dir={}", path.display());
    succeeds(&["restore", text(&file), &data(&plain)]);
    let more = ["--bump-revision=1000", "--mark-compacted"];
    succeeds(&["restore", text(&file), &data(&bumped), more[0], more[1]]);
    assert!(refused(&["restore", text(&file), &data(&plain)]).contains("a member in it already"));

    let restored = Server::alone(&plain);
    let header = restored.kv().await.put(put("k0", "new")).await.unwrap().into_inner().header;
    assert_eq!(header.unwrap().revision, 24);
    let past = pb::RangeRequest { revision: 12, ..get("k0") };
    let old = server.kv().await.range(past.clone()).await.unwrap().into_inner().kvs;
    assert_eq!(restored.kv().await.range(past.clone()).await.unwrap().into_inner().kvs, old);
    let lease = pb::LeaseTimeToLiveRequest { id: 77, keys: true };
    let lease = restored.lease().await.lease_time_to_live(lease).await.unwrap().into_inner();
    assert_eq!((lease.granted_ttl, &lease.keys[0][..]), (1000, &b"leased"[..]));

    let bumped = Server::alone(&bumped);
    assert_eq!(bumped.status().await.header.unwrap().revision, 1023);
    let refusal = bumped.kv().await.range(past).await.unwrap_err();
    assert_eq!(refusal.code(), Code::OutOfRange, "what was before counts as compacted");
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = Server::alone(&path("old"));
    furnish(&server).await;
    let file = path("backup.db");
    succeeds(&["save", text(&file), "--endpoint", &server.url]);
    let whole = fs::read(&file).unwrap();
    let mut rotten = whole.clone();
    rotten[20_000] ^= 1;
    let data = format!("--data-dir={}", path("new").display());
    for damaged in [&whole[..whole.len() / 2], &rotten, b""] {
        fs::write(&file, damaged).unwrap();
        let complaint = refused(&["restore", text(&file), &data]);
        assert!(complaint.contains("backup.db") && complaint.contains("checksum"), "{complaint}");
        assert!(!path("new").exists());
    }
}

#[tokio::test]
async fn etcd_boots_from_our_backup_and_we_from_its() {
    let (Some(etcd), Some(etcdutl)) = (binary("etcd"), binary("etcdutl")) else {
        eprintln!("no etcd and etcdutl in ETCD_BIN or on the path: not tried");
        return;
    };
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = Server::alone(&path("ours"));
    let hash = furnish(&server).await;
    let (ours, theirs) = (path("ours.db"), path("theirs.db"));
    succeeds(&["save", text(&ours), "--endpoint", &server.url]);
    let data = format!("--data-dir={}", path("etcd").display());
    let restore = ["snapshot", "restore", text(&ours), &data];
    assert!(Command::new(etcdutl).args(restore).output().unwrap().status.success());
    let url = format!("http://{}", loopback::next());
    let mut other = Command::new(etcd)
        .args([&data, &format!("--listen-client-urls={url}")])
        .args([format!("--advertise-client-urls={url}"), "--log-level=error".to_owned()])
        .arg(format!("--listen-peer-urls=http://{}", loopback::next()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It refuses connections until it serves.
    let saved = loop {
        let output = snapshot(&["save", text(&theirs), "--endpoint", &url]);
        if output.status.success() {
            break String::from_utf8(output.stdout).unwrap();
        }
        assert!(other.try_wait().unwrap().is_none(), "etcd has ended");
    };
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(saved.contains(&format!("revision 23, compacted 10, hash over revisions {hash},")));
    let data = format!("--data-dir={}", path("back").display());
    succeeds(&["restore", text(&theirs), &data]);
    let back = Server::alone(&path("back"));
    let again = pb::HashKvRequest { revision: 0 };
    let again = back.maintenance().await.hash_kv(again).await.unwrap().into_inner().hash;
    assert_eq!(again, hash);
}

/// Each backup on its way is in memory, until its client has it or is gone.
#[tokio::test]
async fn clients_that_take_their_time_over_backups_are_few() {
    let folder = TempDir::new().unwrap();
    let server = Server::alone(folder.path());
    let mut kv = server.kv().await;
    for number in 0..8 {
        kv.put(put(&format!("k{number}"), &"x".repeat(1_000_000))).await.unwrap();
    }
    let mut slow = Vec::new();
    for _ in 0..limits::BACKUPS_MAX {
        let mut client = server.maintenance().await;
        let mut blobs = client.snapshot(pb::SnapshotRequest {}).await.unwrap().into_inner();
        assert!(blobs.message().await.unwrap().unwrap().remaining_bytes > 4_000_000);
        slow.push(blobs);
    }
    let mut client = server.maintenance().await;
    let refused = client.snapshot(pb::SnapshotRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.message(), "etcdserver: too many requests");

    let mut blobs = slow.pop().unwrap();
    let mut bytes = 0;
    while let Some(blob) = blobs.message().await.unwrap() {
        bytes += blob.blob.len();
    }
    assert!(bytes > 7_000_000, "{bytes} bytes");
    client.snapshot(pb::SnapshotRequest {}).await.unwrap();
}
