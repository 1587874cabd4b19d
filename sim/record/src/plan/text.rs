//! The text form of a plan: TOML that a person reads at a glance. What is as usual is left out; a fault is a line, an
//! operation is a line.

use super::{ClientPlan, ClusterPlan, Plan, is_compatible};
use crate::{DiskProfile, NetworkProfile, WatcherPlan, profile::CALM};
use serde::Serialize;
use std::fmt::Write;
use toml::{Table, Value};
use whitewater_api::Tuning;

/// The plan as TOML. Read back, it is equal.
pub(super) fn write(plan: &Plan) -> String {
    let Plan {
        version,
        scenario,
        seed,
        duration,
        mutations,
        cluster,
        network,
        disk,
        timeout,
        fork,
        faults,
        clients,
        watchers,
    } = plan;
    let mut text = String::new();
    entry(&mut text, "version", &inline(version));
    entry(&mut text, "scenario", &inline(scenario));
    entry(&mut text, "seed", &inline(seed));
    entry(&mut text, "duration", &inline(duration));
    entry(&mut text, "timeout", &inline(timeout));
    if !mutations.is_empty() {
        entry(&mut text, "mutations", &inline(mutations));
    }
    if *network == NetworkProfile::calm() {
        entry(&mut text, "network", &inline(CALM));
    } else {
        unusual(&mut text, "network", network);
    }
    if *disk == DiskProfile::calm() {
        entry(&mut text, "disk", &inline(CALM));
    } else {
        unusual(&mut text, "disk", disk);
    }
    if let Some(fork) = fork {
        entry(&mut text, "fork", &inline(fork));
    }
    if !faults.is_empty() {
        list(&mut text, "fault", faults);
    }
    write_cluster(&mut text, cluster);
    for ClientPlan { home, follows_hints, operations } in clients {
        text.push_str("\n[[client]]\n");
        entry(&mut text, "home", &inline(home));
        if !follows_hints {
            entry(&mut text, "follows_hints", &inline(follows_hints));
        }
        list(&mut text, "operations", operations);
    }
    for watcher in watchers {
        text.push_str("\n[[watcher]]\n");
        let usual = table(&WatcherPlan::default());
        let is_needed = |field: &str| ["home", "watches"].contains(&field);
        for (field, value) in table(watcher) {
            if is_needed(&field) || usual.get(&field) != Some(&value) {
                entry(&mut text, &field, &inline(&value));
            }
        }
    }
    text
}

fn write_cluster(text: &mut String, cluster: &ClusterPlan) {
    text.push_str("\n[cluster]\n");
    entry(text, "nodes", &inline(&cluster.nodes));
    if !cluster.clocks.is_empty() {
        list(text, "clocks", &cluster.clocks);
    }
    if !is_compatible(&cluster.release) {
        entry(text, "release", &inline(&cluster.release));
    }
    if cluster.gather.0 > 0 {
        entry(text, "gather", &inline(&cluster.gather));
    }
    if let Some(backup) = &cluster.backup {
        entry(text, "backup", &inline(backup));
    }
    unusual::<Tuning>(text, "tuning", &cluster.tuning);
}

/// `name = value`
fn entry(text: &mut String, name: &str, value: &str) {
    writeln!(text, "{name} = {value}").expect("a string takes everything");
}

/// A list with one item a line.
fn list<T: Serialize>(text: &mut String, name: &str, items: &[T]) {
    if items.is_empty() {
        return entry(text, name, "[]");
    }
    writeln!(text, "{name} = [").expect("a string takes everything");
    for item in items {
        writeln!(text, "    {},", inline(item)).expect("a string takes everything");
    }
    text.push_str("]\n");
}

/// What differs from the default, in one line; nothing if nothing does.
fn unusual<T: Serialize + Default>(text: &mut String, name: &str, value: &T) {
    let (mut table, usual) = (table(value), table(&T::default()));
    table.retain(|field, value| usual.get(field) != Some(value));
    if !table.is_empty() {
        entry(text, name, &inline(&table));
    }
}

fn table<T: Serialize>(value: &T) -> Table {
    match Value::try_from(value) {
        Ok(Value::Table(table)) => table,
        Ok(_) | Err(_) => {
            unreachable!("a struct of plain fields has a TOML form, which is a table")
        }
    }
}

/// A value in one line.
fn inline<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = String::new();
    value
        .serialize(toml::ser::ValueSerializer::new(&mut text))
        .expect("all that a plan holds has a TOML form: keys are strings, and nothing is missing");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"version = 1
scenario = "hand"
seed = "1"
duration = "4s"
timeout = "500ms"
mutations = ["local-read"]
network = "calm"
disk = { keep_ppm = 0 }
fork = { at = "1s", salt = 3 }
fault = [
    { at = "500ms", lasts = "1s", kind = "move_leader", victim = { node = 1 } },
    { at = "2s", lasts = "2s", kind = "partition", shape = { isolate = "leader" } },
    { at = "2s", lasts = "2s", kind = "crash", victim = { follower = 2 }, power = true },
]

[cluster]
nodes = 3
clocks = [
    {},
    { drift_ppm = -5 },
]
backup = { file = "prod.db", sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
tuning = { check_quorum = false }

[[client]]
home = 1
operations = [
    "@3s get k0",
    "+1.5ms put k0 'v'",
]

[[client]]
home = 2
follows_hints = false
operations = []

[[watcher]]
home = 2
watches = ["k prev", "* from=5"]
window = 1
"#;

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let plan = Plan::from_toml("plan.toml", TEXT).unwrap();
        assert_eq!(plan.network, NetworkProfile::calm());
        assert_eq!(plan.disk, DiskProfile { keep_ppm: 0, ..DiskProfile::default() });
        assert_eq!(write(&plan), TEXT);
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn what_cannot_be_played_is_refused_by_name() {
        for (from, to, complaint) in [
            ("network = \"calm\"", "network = \"wild\"", "plan.toml:7:11: "),
            ("{ node = 1 }", "{ node = 4 }", "fault[0]: n4 is no member"),
            (
                "lasts = \"2s\", kind = \"part",
                "lasts = \"3s\", kind = \"part",
                "fault[1]: ends at 5s",
            ),
            ("at = \"1s\"", "at = \"5s\"", "fork.at: 5s is after the run's 4s"),
            ("sha256 = \"9", "sha256 = \"", "cluster.backup.sha256: `f86d"),
        ] {
            assert!(TEXT.contains(from));
            let error = Plan::from_toml("plan.toml", &TEXT.replace(from, to)).unwrap_err();
            assert!(error.to_string().starts_with(complaint), "{error}");
        }
    }
}
