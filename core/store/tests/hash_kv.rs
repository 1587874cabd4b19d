//! The hash over revisions against what a real etcd gave for the same operations.
//!
//! `make etcd-vectors` records `vectors/hash_kv.jsonl` anew, from an etcd of this machine, and plays this test on it.

use serde::Deserialize;
use whitewater_api::{Error, KvHash, Request, Revision};
use whitewater_mutation::{Mutation, Mutations};
use whitewater_store::Store;

const VECTORS: &str = include_str!("vectors/hash_kv.jsonl");

/// One line: a new store, a request with the revision after it, or a hash; or the refusal of either.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    start: bool,
    request: Option<Request>,
    revision: Option<Revision>,
    hash_kv: Option<Revision>,
    hash: Option<u32>,
    /// -1 before the first compaction.
    compacted: Option<i64>,
    error: Option<String>,
}

/// How many hashes were equal, or the first line that was not, from 1.
fn play(mutations: Mutations, scrub_steps: usize) -> Result<usize, usize> {
    let (mut store, mut equal) = (Store::new(mutations), 0);
    for (line, row) in VECTORS.lines().enumerate() {
        let row: Row = serde_json::from_str(row).expect("a line is a row");
        if row.start {
            store = Store::new(mutations);
        }
        if let Some(request) = row.request {
            let outcome = Store::check(&request, 128).and_then(|()| store.apply(&request));
            let refusal = outcome.err().map(|error| error.to_string());
            assert_eq!(refusal, row.error, "line {}: {request}", line + 1);
            if let Some(revision) = row.revision {
                assert_eq!(store.revision(), revision, "line {}: {request}", line + 1);
            }
            store.scrub(scrub_steps);
        } else if let Some(revision) = row.hash_kv {
            let found = store.hash_kv(revision);
            if revision == store.compacted() && row.error.is_some() {
                // Releases before 3.5.16 do not give the hash at the compaction revision.
                assert!(found.is_ok());
            } else if !is_equal(found, &row) {
                return Err(line + 1);
            }
            equal += 1;
        }
    }
    Ok(equal)
}

fn is_equal(found: Result<KvHash, Error>, row: &Row) -> bool {
    match found {
        Ok(found) => {
            let compacted = row.compacted.map(|revision| u64::try_from(revision).unwrap_or(0));
            row.hash == Some(found.hash) && compacted == Some(found.compacted.0)
        }
        // Members tell each other without the prefix of the server.
        Err(error) => row.error.as_ref().is_some_and(|text| error.to_string().ends_with(text)),
    }
}

#[test]
fn the_hash_over_revisions_is_that_of_a_real_etcd() {
    let equal = play(Mutations::none(), usize::MAX).unwrap_or_else(|line| panic!("line {line}"));
    assert!(equal > 500, "only {equal} hashes were compared");
}

#[test]
fn the_hash_does_not_depend_on_how_far_physical_compaction_has_come() {
    for steps in [0, 1, 3] {
        play(Mutations::none(), steps).unwrap_or_else(|line| panic!("{steps} steps: line {line}"));
    }
}

#[test]
fn the_vectors_tell_mutants_apart() {
    let doomed = Mutations::none().with(Mutation::HashKvCountsDoomed);
    assert!(play(doomed, 0).is_err());
    let buried = Mutations::none().with(Mutation::HashKvCountsBuried);
    assert!(play(buried, usize::MAX).is_err());
}
