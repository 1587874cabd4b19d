//! What answers say beside their content, as clients of etcd expect it: numbers for what is not there, headers that are left out,
//! refusals of what makes no sense, and health while an alarm is raised.

use crate::common::{Cluster, Server, get, put};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};
use whitewater_server::proto::{
    etcdserverpb::{
        self as pb, AlarmType, alarm_request::AlarmAction, auth_client::AuthClient,
        watch_request::RequestUnion,
    },
    v3electionpb::{ProclaimRequest, ResignRequest, election_client::ElectionClient},
};

#[tokio::test]
async fn an_unknown_lease_has_a_time_to_live_all_the_same() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut lease = server.lease().await;
    for (id, ttl) in [(1, 90), (2, 30), (3, 60)] {
        lease.lease_grant(pb::LeaseGrantRequest { ttl, id }).await.unwrap();
    }
    let listed = lease.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().into_inner().leases;
    assert_eq!(
        listed.iter().map(|lease| lease.id).collect::<Vec<_>>(),
        [2, 3, 1],
        "what ends first"
    );
    let unknown = pb::LeaseTimeToLiveRequest { id: 9, keys: true };
    let unknown = lease.lease_time_to_live(unknown).await.unwrap().into_inner();
    assert_eq!((unknown.ttl, unknown.granted_ttl), (-1, 0));
    let refusal = lease.lease_revoke(pb::LeaseRevokeRequest { id: 9 }).await.unwrap_err();
    assert_eq!(refusal.code(), Code::NotFound);
    let again = lease.lease_grant(pb::LeaseGrantRequest { ttl: 5, id: 1 }).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition);
    assert_eq!(again.message(), "etcdserver: lease already exists");
}

#[tokio::test]
async fn a_member_says_how_it_is() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    server.kv().await.put(put("k", "v")).await.unwrap();
    let mut maintenance = server.maintenance().await;
    let status = server.status().await;
    let header = status.header.unwrap();
    assert_eq!((status.leader, status.raft_term), (header.member_id, header.raft_term));
    assert!(!status.is_learner && status.errors.is_empty());
    assert!(status.db_size >= status.db_size_in_use && status.db_size_in_use > 0);
    assert!(status.raft_applied_index > 0 && status.raft_index >= status.raft_applied_index);
    assert_eq!(status.version, "3.5.30", "clients switch features on by it");
    let hash = |revision| pb::HashKvRequest { revision };
    let newest = maintenance.hash_kv(hash(0)).await.unwrap().into_inner();
    assert_eq!(newest.compact_revision, -1, "nothing was compacted");
    server.kv().await.put(put("k", "w")).await.unwrap();
    let past = maintenance.hash_kv(hash(2)).await.unwrap().into_inner();
    assert_eq!(past.hash, newest.hash, "of the revision that was asked about");
    let compact = pb::CompactionRequest { revision: 3, physical: true };
    server.kv().await.compact(compact).await.unwrap();
    let newest = maintenance.hash_kv(hash(0)).await.unwrap().into_inner();
    assert_eq!(newest.compact_revision, 3);
    let defragmented = maintenance.defragment(pb::DefragmentRequest {}).await.unwrap();
    assert_eq!(defragmented.into_inner().header, None, "clients of etcd count on it");
    let stranger = pb::MoveLeaderRequest { target_id: 7 };
    let refusal = maintenance.move_leader(stranger).await.unwrap_err();
    assert_eq!(refusal.message(), "etcdserver: bad leader transferee");
}

#[tokio::test]
async fn a_watch_that_cannot_be_is_created_and_canceled() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    server.kv().await.put(put("k", "v")).await.unwrap();
    let (requests, stream) = tokio::sync::mpsc::channel(4);
    let say = async |union| {
        requests.send(pb::WatchRequest { request_union: Some(union) }).await.unwrap();
    };
    let create = |watch_id, start_revision| {
        let key = "k".into();
        let create = pb::WatchCreateRequest { key, watch_id, start_revision, ..Default::default() };
        RequestUnion::CreateRequest(create)
    };
    say(create(5, 0)).await;
    let mut told =
        server.watch().await.watch(ReceiverStream::new(stream)).await.unwrap().into_inner();
    let first = told.message().await.unwrap().unwrap();
    assert!(first.created && !first.canceled && first.watch_id == 5);
    let compacted = "etcdserver: mvcc: required revision has been compacted";
    for (impossible, why) in
        [(create(5, 0), "mvcc: duplicate watch ID"), (create(6, -1), compacted)]
    {
        say(impossible).await;
        let refused = told.message().await.unwrap().unwrap();
        assert!(refused.created && refused.canceled, "{refused:?}");
        assert_eq!((refused.watch_id, &refused.cancel_reason[..]), (-1, why));
    }
    say(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})).await;
    let progress = told.message().await.unwrap().unwrap();
    assert_eq!((progress.watch_id, progress.events.len()), (-1, 0));
    assert_eq!(progress.header.unwrap().revision, 2);
}

#[tokio::test]
async fn an_order_that_is_none_is_refused_and_one_without_a_direction_ascends() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    for (key, value) in [("a", "3"), ("b", "1"), ("c", "2")] {
        kv.put(put(key, value)).await.unwrap();
    }
    let by_value = pb::range_request::SortTarget::Value.into();
    let all = pb::RangeRequest { range_end: "z".into(), sort_target: by_value, ..get("a") };
    let sorted = kv.range(all.clone()).await.unwrap().into_inner();
    let keys = sorted.kvs.iter().map(|kv| &kv.key[..]).collect::<Vec<_>>().concat();
    assert_eq!(keys, b"bca");
    let refusal = kv.range(pb::RangeRequest { sort_order: 7, ..all }).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert_eq!(refusal.message(), "etcdserver: invalid sort option");
}

#[tokio::test]
async fn nobody_proclaims_or_resigns_without_saying_as_whom() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut election = ElectionClient::new(server.channel().await);
    let proclaim = ProclaimRequest { leader: None, value: "v".into() };
    for refusal in [
        election.proclaim(proclaim).await.unwrap_err(),
        election.resign(ResignRequest { leader: None }).await.unwrap_err(),
    ] {
        assert_eq!(refusal.message(), r#""leader" field must be provided"#);
    }
}

#[tokio::test]
async fn health_tells_of_alarms_unless_they_are_excluded() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let look = |path: &str| {
        let (status, body) = server.http("GET", path, "");
        (status.split(' ').nth(1).unwrap().to_owned(), body)
    };
    let says = |code: &str, body: &str| (code.to_owned(), body.to_owned());
    let well = says("200", r#"{"health":"true","reason":""}"#);
    let member_id = server.status().await.header.unwrap().member_id;
    let mut maintenance = server.maintenance().await;
    let mut alarm = async |action: AlarmAction, alarm: AlarmType| {
        let (action, alarm) = (action.into(), alarm.into());
        maintenance.alarm(pb::AlarmRequest { action, member_id, alarm }).await.unwrap();
    };
    alarm(AlarmAction::Activate, AlarmType::Nospace).await;
    let unwell = says("503", r#"{"health":"false","reason":"ALARM NOSPACE"}"#);
    assert_eq!(look("/health"), unwell);
    assert_eq!(look("/health?exclude=CORRUPT"), unwell);
    assert_eq!(look("/health?exclude=NOSPACE"), well);
    assert_eq!(look("/health?exclude=NOSPACE&serializable=true"), well);
    assert_eq!(look("/readyz").0, "200", "it serves what needs no space");
    let (status, body) = server.http("POST", "/v3/kv/put", r#"{"key":"Zm9v"}"#);
    assert_eq!(status, "HTTP/1.1 429 Too Many Requests");
    let refusal: Value = serde_json::from_str(&body).unwrap();
    let text = "etcdserver: mvcc: database space exceeded";
    assert_eq!(refusal, json!({ "error": text, "code": 8, "message": text }));
    alarm(AlarmAction::Deactivate, AlarmType::Nospace).await;
    assert_eq!(look("/health"), well);
    let passed = "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\nreadyz check passed\n";
    assert_eq!(look("/readyz?verbose"), says("200", passed));
    assert_eq!(look("/livez/serializable_read"), says("200", "ok\n"));
    assert_eq!(look("/livez/nothing").0, "404");
    alarm(AlarmAction::Activate, AlarmType::Corrupt).await;
    let (code, body) = look("/readyz/data_corruption");
    assert_eq!(code, "503");
    assert!(body.starts_with("[-]data_corruption failed: alarm activated: CORRUPT\n"), "{body}");
}

#[tokio::test]
async fn the_gateway_takes_names_and_numbers_in_either_spelling() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut kv = server.kv().await;
    for key in ["a", "b", "c"] {
        kv.put(put(key, "v")).await.unwrap();
    }
    let ask = |body: Value| {
        let (status, body) = server.http("POST", "/v3/kv/range", &body.to_string());
        assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    // From a to the end, newest first, one of them.
    for asked in [
        json!({ "key": "YQ==", "range_end": "AA==", "sort_target": "MOD", "sort_order": "DESCEND", "limit": "1" }),
        json!({ "key": "YQ==", "rangeEnd": "AA==", "sortTarget": 3, "sortOrder": 2, "limit": 1 }),
    ] {
        let answer = ask(asked);
        assert_eq!(answer["kvs"][0]["key"], "Yw==", "{answer}");
        assert_eq!((&answer["count"], &answer["more"]), (&json!("3"), &json!(true)), "{answer}");
        assert_eq!(answer["kvs"][0]["mod_revision"], "4", "{answer}");
    }
    let (status, body) = server.http("POST", "/v3/kv/range", r#"{"key":"YQ==","nothing":1}"#);
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], 3);
}

#[tokio::test]
async fn a_token_is_shown_under_either_name() {
    let directory = TempDir::new().unwrap();
    let server = Server::alone(directory.path());
    let mut auth = AuthClient::new(server.channel().await);
    let (name, password) = ("root".to_owned(), "secret".to_owned());
    let root = pb::AuthUserAddRequest { name, password, ..Default::default() };
    auth.user_add(root).await.unwrap();
    let (user, role) = ("root".to_owned(), "root".to_owned());
    auth.user_grant_role(pb::AuthUserGrantRoleRequest { user, role }).await.unwrap();
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    let log_in = |password: &str| {
        let (name, password) = ("root".to_owned(), password.to_owned());
        pb::AuthenticateRequest { name, password }
    };
    let refusal = auth.authenticate(log_in("sesame")).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let token = auth.authenticate(log_in("secret")).await.unwrap().into_inner().token;
    let mut kv = server.kv().await;
    let mut write = async |key: &'static str, token: &str| {
        let mut call = Request::new(put("k", "v"));
        call.metadata_mut().insert(key, token.parse().unwrap());
        kv.put(call).await.map(|_| ())
    };
    write("token", &token).await.unwrap();
    write("authorization", &token).await.unwrap();
    let refusal = write("token", "guess").await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unauthenticated);
    assert_eq!(refusal.message(), "etcdserver: invalid auth token");
    let refusal = write("nothing", &token).await.unwrap_err();
    assert_eq!(refusal.message(), "etcdserver: user name is empty");
}

#[tokio::test]
async fn a_watch_that_wants_a_leader_ends_without_one_and_another_stays() {
    let mut cluster = Cluster::start(3);
    let mut streams = Vec::new();
    for wants in ["true", "false"] {
        let (requests, stream) = tokio::sync::mpsc::channel(1);
        let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
        let union = Some(RequestUnion::CreateRequest(create));
        requests.send(pb::WatchRequest { request_union: union }).await.unwrap();
        let mut call = Request::new(ReceiverStream::new(stream));
        call.metadata_mut().insert("hasleader", wants.parse().unwrap());
        let mut told = cluster.servers[0].watch().await.watch(call).await.unwrap().into_inner();
        assert!(told.message().await.unwrap().unwrap().created);
        streams.push((requests, told));
    }
    cluster.servers[1].kill();
    cluster.servers[2].kill();
    let (_, told) = &mut streams[0];
    let refusal = told.message().await.unwrap_err();
    assert_eq!((refusal.code(), refusal.message()), (Code::Unavailable, "etcdserver: no leader"));
    let (requests, told) = &mut streams[1];
    let cancel = RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 0 });
    requests.send(pb::WatchRequest { request_union: Some(cancel) }).await.unwrap();
    assert!(told.message().await.unwrap().unwrap().canceled, "it was still there");
}
