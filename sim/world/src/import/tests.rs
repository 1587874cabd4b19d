use super::Import;
use crate::{Options, Run, play_on};
use whitewater_api::{
    AuthRequest, KeyRange, LeaseId, LeaseRequest, Request, Revision,
    auth::Credential,
    request::{CompactRequest, DeleteRangeRequest, PutRequest},
};
use whitewater_mutation::Mutations;
use whitewater_record::{History, Plan, Verdict};
use whitewater_replica::write_backup;
use whitewater_store::Store;

/// Two hundred keys at some six hundred revisions, half of which are compacted; one on a lease; one as clients of plans have
/// them; a user.
fn backup() -> Vec<u8> {
    let mut store = Store::new(Mutations::none());
    let mut apply = |request: Request| store.apply(&request).unwrap();
    for n in 0..600 {
        apply(Request::Put(PutRequest::new(format!("/registry/{}", n * 7 % 200), format!("v{n}"))));
    }
    let range = KeyRange::prefix("/registry/19");
    apply(Request::DeleteRange(DeleteRangeRequest { range, prev_kv: false }));
    let lease = LeaseId(7);
    apply(Request::Lease(LeaseRequest::Grant { lease, ttl: 1 }));
    apply(Request::Put(PutRequest { lease, ..PutRequest::new("zone/leader", "n1") }));
    apply(Request::Put(PutRequest::new("k0", "of the other cluster")));
    apply(Request::Put(PutRequest::new("whitewater/", "taken")));
    let credential = Credential::Hash("$2b$04$abcdefghijklmnopqrstuu".into());
    apply(Request::Auth(AuthRequest::UserAdd { user: "alice".into(), credential }));
    apply(Request::Compact(CompactRequest { revision: Revision(300), physical: false }));
    write_backup(&mut store)
}

const PLAN: &str = r#"
version = 1
scenario = "test"
seed = "3"
duration = "6s"
timeout = "1s"
fault = [
    { at = "1s", lasts = "1s", kind = "crash", victim = "leader", power = true },
    { at = "3s", lasts = "1s", kind = "partition", shape = { isolate = "leader" } },
    { at = "4.5s", lasts = "500ms", kind = "wipe_disk", victim = { follower = 0 } },
]

[cluster]
nodes = 3
backup = { file = "prod.db", sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
tuning = { snapshot_log_bytes = 2000, catch_up_entries = 5, snapshot_part_bytes = 500 }

[[client]]
home = 1
operations = [
    "@500ms get k0",
    "+5ms put k0 a",
    "+5ms list k 0",
    "+1s put k1 b",
    "+1s delete k0",
    "+1s compact 1",
    "+1s put k0 c",
    "+5ms get k0",
]

[[watcher]]
home = 2
watches = ["*"]
"#;

fn play(import: &Import) -> Run {
    let plan = Plan::from_toml("plan.toml", PLAN).unwrap();
    play_on(Some(import), &plan, &Options::default())
}

#[test]
fn sim_keys_from_elsewhere_come_through_as_they_were_and_no_client_sees_them() {
    let import = Import::read(&backup()).unwrap();
    assert_eq!(import.0.keys.len(), 192);
    let run = play(&import);
    assert_eq!(run.outcome.violations, [], "{:#?}", run.outcome);
    assert_eq!(run.outcome.verdict, Verdict::Passed);
    assert_eq!(run.outcome.checks["bystanders"].discriminating, 2);
    let History { operations, watches, .. } = &run.history;
    assert!(!operations.is_empty() && !watches.is_empty());
    let shown = format!("{operations:?} {watches:?}");
    assert!(!shown.contains("registry") && !shown.contains("other cluster"), "{shown}");
}

#[test]
fn sim_a_key_from_elsewhere_that_changed_is_told() {
    let mut import = Import::read(&backup()).unwrap();
    let content = std::sync::Arc::get_mut(&mut import.0).unwrap();
    content.keys[5].version += 1;
    let outcome = play(&import).outcome;
    let [violation] = &outcome.violations[..] else { panic!("{outcome:#?}") };
    assert_eq!(violation.code, "bystanders");
    assert!(violation.sentence.contains("/registry/"), "{}", violation.sentence);
}

#[test]
fn what_is_no_backup_is_refused() {
    let mut damaged = backup();
    damaged[100] ^= 1;
    let error = Import::read(&damaged).unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
    assert!(Import::read(b"no backup").is_err());
}
