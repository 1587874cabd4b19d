//! Three members, and what clients see when one of them dies.

use crate::common::{Cluster, Server, get, put};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tonic::Code;
use whitewater_server::{loopback, proto::etcdserverpb as pb};

#[tokio::test]
async fn any_member_serves_and_a_killed_leader_is_replaced() {
    let mut cluster = Cluster::start(3);
    for (place, server) in cluster.servers.iter().enumerate() {
        let key = format!("k{place}");
        server.kv().await.put(put(&key, "v")).await.unwrap();
        // Whoever was asked has it: who reads there without a quorum sees it too.
        let stale = pb::RangeRequest { serializable: true, ..get(&key) };
        assert_eq!(server.kv().await.range(stale).await.unwrap().into_inner().count, 1);
    }
    let members = cluster.servers[0].cluster().await;
    let list = pb::MemberListRequest { linearizable: true };
    let members = { members }.member_list(list).await.unwrap().into_inner().members;
    let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["m0", "m1", "m2"]);
    let leader = cluster.leader(&[0, 1, 2]).await;
    cluster.servers[leader].kill();
    let left: Vec<usize> = (0..3).filter(|place| *place != leader).collect();
    // What was on its way to the one that dies has an unknown outcome, and is answered so.
    cluster.leader(&left).await;
    for &place in &left {
        cluster.servers[place].kv().await.put(put("after", "v")).await.unwrap();
    }
    cluster.restart(leader);
    let read = cluster.servers[leader].kv().await.range(get("after")).await.unwrap();
    assert_eq!(read.into_inner().kvs[0].version, 2);
}

/// The leader waited seven seconds for each of the others to take over, though they had ended.
#[tokio::test]
async fn members_that_are_told_to_end_together_end_at_once() {
    let mut cluster = Cluster::start(3);
    cluster.servers[0].kv().await.put(put("k", "v")).await.unwrap();
    let leader = cluster.leader(&[0, 1, 2]).await;
    let began = Instant::now();
    for place in (0..3).filter(|place| *place != leader).chain([leader]) {
        cluster.servers[place].tell_to_end();
    }
    let ended = move || cluster.servers.iter_mut().map(Server::ended).collect::<Vec<_>>();
    assert_eq!(tokio::task::spawn_blocking(ended).await.unwrap(), [Some(0); 3]);
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_member_is_added_catches_up_and_is_removed() {
    // Else a voter may go only after it was connected for five seconds.
    let cluster = Cluster::start_with(1, &["--strict-reconfig-check=false"]);
    let first = &cluster.servers[0];
    for number in 0..100 {
        first.kv().await.put(put(&format!("k{number}"), "v")).await.unwrap();
    }
    let url = format!("http://{}", loopback::next());
    let add = pb::MemberAddRequest { peer_ur_ls: vec![url.clone()], is_learner: true };
    let added = first.cluster().await.member_add(add).await.unwrap().into_inner();
    let id = added.member.unwrap().id;
    let directory = TempDir::new().unwrap();
    let others = cluster.flags[0].last().unwrap();
    let flags = [
        "--name=m1".to_owned(),
        format!("--listen-peer-urls={url}"),
        format!("--initial-advertise-peer-urls={url}"),
        format!("{others},m1={url}"),
        "--initial-cluster-state=existing".to_owned(),
    ];
    let second = Server::start(directory.path(), &flags);
    let stale = pb::RangeRequest { serializable: true, ..get("k99") };
    assert_eq!(second.kv().await.range(stale).await.unwrap().into_inner().count, 1);
    let refused = second.kv().await.put(put("k", "v")).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: rpc not supported for learner");
    // It ended its process.
    let hash = second.maintenance().await.hash_kv(pb::HashKvRequest { revision: 0 }).await;
    assert_eq!(hash.unwrap_err().message(), "etcdserver: rpc not supported for learner");
    assert!(second.status().await.is_learner, "it is still there");
    let promote = pb::MemberPromoteRequest { id };
    // It has everything; that it has may still be on its way to the leader.
    while let Err(refused) = first.cluster().await.member_promote(promote).await {
        let early = "etcdserver: can only promote a learner member which is in sync with leader";
        assert_eq!(refused.message(), early);
    }
    while second.status().await.is_learner {}
    let metrics = first.http("GET", "/metrics", "").1;
    assert!(metrics.contains("\netcd_server_learner_promote_successes 1\n"), "{metrics}");
    second.kv().await.put(put("k", "v")).await.unwrap();
    let remove = pb::MemberRemoveRequest { id };
    let left = first.cluster().await.member_remove(remove).await.unwrap().into_inner().members;
    assert_eq!(left.len(), 1);
    let unknown = pb::MemberRemoveRequest { id: 7 };
    let refused = first.cluster().await.member_remove(unknown).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::NotFound, "etcdserver: member not found")
    );
}

/// Adds a member to whoever is there and removes another one.
async fn replace(
    cluster: &Cluster,
    asked: &Server,
    old: usize,
    cluster_now: &str,
) -> (Server, TempDir) {
    let url = format!("http://{}", loopback::next());
    let add = pb::MemberAddRequest { peer_ur_ls: vec![url.clone()], is_learner: true };
    let added = asked.cluster().await.member_add(add).await.unwrap().into_inner();
    let id = added.member.unwrap().id;
    let directory = TempDir::new().unwrap();
    let flags = [
        format!("--name=n{old}"),
        format!("--listen-peer-urls={url}"),
        format!("--initial-advertise-peer-urls={url}"),
        format!("--initial-cluster={cluster_now},n{old}={url}"),
        "--initial-cluster-state=existing".to_owned(),
        "--strict-reconfig-check=false".to_owned(),
    ];
    let server = Server::start(directory.path(), &flags);
    let promote = pb::MemberPromoteRequest { id };
    while asked.cluster().await.member_promote(promote).await.is_err() {}
    while server.status().await.is_learner {}
    let id = cluster.servers[old].status().await.header.unwrap().member_id;
    let remove = pb::MemberRemoveRequest { id };
    // The leader may be the one that goes.
    while let Err(refusal) = asked.cluster().await.member_remove(remove).await {
        if refusal.message() == "etcdserver: member not found" {
            break;
        }
    }
    (server, directory)
}

/// It knew only those that it has started with, and where they had been.
#[tokio::test]
async fn a_damaged_member_is_found_by_those_who_came_after_it() {
    let mut cluster = Cluster::start_with(3, &["--strict-reconfig-check=false"]);
    let first = &cluster.servers[0];
    first.kv().await.put(put("k", "v")).await.unwrap();
    let mut named = cluster.flags[0].last().unwrap().clone();
    named = named.trim_start_matches("--initial-cluster=").to_owned();
    let mut newcomers = Vec::new();
    for old in [1, 2] {
        newcomers.push(replace(&cluster, first, old, &named).await);
    }
    for (newcomer, _) in &newcomers {
        // To those who do not know yet who is gone, it would take a vote to the grave that they need.
        let list = pb::MemberListRequest { linearizable: true };
        let members = newcomer.cluster().await.member_list(list).await.unwrap().into_inner();
        assert_eq!(members.members.len(), 3);
    }
    for gone in &mut cluster.servers {
        gone.kill();
    }
    let member = cluster.directories[0].path().join("member");
    let files = std::fs::read_dir(&member).unwrap().map(|file| file.unwrap().path());
    let is_log =
        |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("wal-");
    let log = files.filter(is_log).min().unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last / 2] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    cluster.restart(0);
    let again = &cluster.servers[0];
    while again.status().await.is_learner {}
    assert_eq!(again.kv().await.range(get("k")).await.unwrap().into_inner().count, 1);
}

/// It could not answer who led: it had never heard of it.
#[tokio::test]
async fn a_member_that_was_away_follows_a_leader_that_came_in_meanwhile() {
    let mut cluster = Cluster::start_with(3, &["--strict-reconfig-check=false"]);
    let mut named = cluster.flags[0].last().unwrap().clone();
    named = named.trim_start_matches("--initial-cluster=").to_owned();
    cluster.servers[0].kv().await.put(put("k", "v")).await.unwrap();
    cluster.servers[0].kill();
    let (newcomer, _directory) = replace(&cluster, &cluster.servers[2], 1, &named).await;
    let target_id = newcomer.status().await.header.unwrap().member_id;
    while newcomer.status().await.leader != target_id {
        // Refused while another one leads, or nobody.
        let lead = pb::MoveLeaderRequest { target_id };
        drop(cluster.servers[2].maintenance().await.move_leader(lead).await);
    }
    cluster.restart(0);
    let back = &cluster.servers[0];
    assert_eq!(back.kv().await.range(get("k")).await.unwrap().into_inner().count, 1);
    let list = pb::MemberListRequest { linearizable: true };
    let members = back.cluster().await.member_list(list).await.unwrap().into_inner().members;
    assert!(members.iter().any(|member| member.id == target_id), "{members:?}");
}

#[tokio::test]
async fn a_member_that_is_left_alone_for_good_goes_on_by_force() {
    let mut cluster = Cluster::start(3);
    for number in 0..50 {
        cluster.servers[0].kv().await.put(put(&format!("k{number}"), "v")).await.unwrap();
    }
    cluster.servers.iter_mut().for_each(Server::kill);
    let mut flags = cluster.flags[0].clone();
    flags.push("--force-new-cluster".to_owned());
    // The second time it is alone already, and nothing is done to it.
    for _ in 0..2 {
        let mut alone = Server::start(cluster.directories[0].path(), &flags);
        // It goes on from what it knew to be committed, which the last puts may not be.
        let read = alone.kv().await.range(get("k40")).await.unwrap().into_inner();
        assert_eq!((read.count, read.header.unwrap().revision > 41), (1, true));
        alone.kv().await.put(put("k40", "w")).await.unwrap();
        let list = pb::MemberListRequest { linearizable: true };
        let members = alone.cluster().await.member_list(list).await.unwrap().into_inner().members;
        assert_eq!(members.len(), 1);
        alone.kill();
    }
    let kept = std::fs::read_dir(cluster.directories[0].path()).unwrap().flatten();
    let kept =
        kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("member.before-"));
    assert_eq!(kept.count(), 1);
}

/// The states of the folders that a power failure can leave behind while a member takes the place of its old self.
#[tokio::test]
async fn a_swap_that_is_cut_at_any_step_is_ended_by_the_next_start() {
    let mut cluster = Cluster::start(3);
    for number in 0..20 {
        cluster.servers[0].kv().await.put(put(&format!("k{number}"), "v")).await.unwrap();
    }
    cluster.servers.iter_mut().for_each(Server::kill);
    let (folder, mut flags) = (cluster.directories[0].path().to_owned(), cluster.flags[0].clone());
    flags.push("--force-new-cluster".to_owned());
    Server::start(&folder, &flags).kill();
    let [old, new] = ["old", "new"].map(|name| cluster.directories[1].path().join(name));
    let mut folders = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
    let is_kept = |path: &std::path::PathBuf| path.to_string_lossy().contains("member.before-");
    let kept = folders.find(is_kept).unwrap();
    std::fs::rename(&kept, &old).unwrap();
    std::fs::rename(folder.join("member"), &new).unwrap();
    let half = copy(&new, &cluster.directories[1].path().join("half"));
    std::fs::remove_file(half.join("identity")).unwrap();
    // What lies there, by name: before anything; while the new one is written; when it is; between the two steps; after them.
    let states: [&[(&str, &std::path::Path)]; 5] = [
        &[("member", &old)],
        &[("member", &old), ("member.alone", &half)],
        &[("member", &old), ("member.alone", &new)],
        &[("member.before-1", &old), ("member.alone", &new)],
        &[("member.before-1", &old), ("member", &new)],
    ];
    for (step, state) in states.iter().enumerate() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        for (name, from) in *state {
            copy(from, &folder.join(name));
        }
        let mut alone = Server::start(&folder, &flags);
        let read = alone.kv().await.range(get("k15")).await.unwrap().into_inner();
        assert_eq!(read.count, 1, "step {step}");
        let list = pb::MemberListRequest { linearizable: true };
        let members = alone.cluster().await.member_list(list).await.unwrap().into_inner().members;
        assert_eq!(members.len(), 1, "step {step}");
        alone.kill();
        assert!(!folder.join("member.alone").exists(), "step {step}");
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> std::path::PathBuf {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to.to_owned()
}
