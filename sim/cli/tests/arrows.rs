//! Dependencies point one way (ARCHITECTURE.md). Checked over `cargo metadata`, and the check itself on forged ones.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Who may name whom. What can be reached over several arrows may also be named directly.
const ARROWS: [(&str, &[&str]); 14] = [
    ("api", &[]),
    ("mutation", &[]),
    ("bolt", &[]),
    ("store", &["api", "mutation", "bolt"]),
    ("concurrency", &["api", "mutation"]),
    ("replica", &["store", "concurrency"]),
    ("server", &["replica"]),
    ("record", &["api", "mutation"]),
    ("physics", &["record"]),
    ("world", &["replica", "concurrency", "physics", "record"]),
    ("scenarios", &["record", "api"]),
    ("checkers", &["record", "api"]),
    ("reports", &["record", "api"]),
    ("shrink", &["record", "api"]),
];

/// The command and the benches may name everything that they drive.
const DRIVERS: [&str; 3] = ["cli", "benches", "load"];

const CORE: [&str; 7] = ["api", "mutation", "bolt", "store", "concurrency", "replica", "server"];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The name of a crate in the design: its package without the prefix.
fn short(package: &str) -> &str {
    match package {
        "whitewater" => "cli",
        other => other.strip_prefix("whitewater-").unwrap_or(other),
    }
}

/// Direct dependencies of each crate of the workspace, of all kinds: a test may not take a short cut either.
fn graph(metadata: &Value) -> Graph {
    let packages = metadata["packages"].as_array().unwrap();
    let edges = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        dependencies.iter().map(|d| short(d["name"].as_str().unwrap()).to_owned()).collect()
    };
    packages.iter().map(|p| (short(p["name"].as_str().unwrap()).to_owned(), edges(p))).collect()
}

fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(next) = open.pop() {
        for to in graph.get(&next).into_iter().flatten() {
            if seen.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    seen
}

fn objections(metadata: &Value) -> Vec<String> {
    let graph = graph(metadata);
    let allowed: Graph = ARROWS
        .iter()
        .map(|(from, to)| ((*from).to_owned(), to.iter().map(|to| (*to).to_owned()).collect()))
        .collect();
    let mut objections = Vec::new();
    for (from, direct) in &graph {
        let known = allowed.contains_key(from) || DRIVERS.contains(&from.as_str());
        if !known {
            objections.push(format!("{from} is not in the design"));
        }
        let may = reachable(&allowed, from);
        for to in direct {
            let inside = graph.contains_key(to);
            if inside && !DRIVERS.contains(&from.as_str()) && !may.contains(to) {
                objections.push(format!("{from} -> {to} is no arrow"));
            }
            let is_tokio = to.contains("tokio");
            if to.starts_with("madsim") && from != "world" {
                objections.push(format!("{from} names {to}: only world may"));
            } else if is_tokio && from != "server" {
                objections.push(format!("{from} names {to}: only server may"));
            }
        }
        let reached = reachable(&graph, from);
        let outside =
            reached.iter().filter(|to| graph.contains_key(*to) && !CORE.contains(&to.as_str()));
        for to in outside.filter(|_| CORE.contains(&from.as_str())) {
            objections.push(format!("{from}, of the core, reaches {to}"));
        }
        if from == "checkers" && reached.contains("store") {
            objections.push("checkers reaches store: a bug could sit in both".to_owned());
        }
    }
    objections
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The real metadata with one more dependency.
fn forged(package: &str, dependency: &str) -> Value {
    let mut metadata = metadata();
    let packages = metadata["packages"].as_array_mut().unwrap();
    let package = packages.iter_mut().find(|p| p["name"] == package).unwrap();
    package["dependencies"].as_array_mut().unwrap().push(json!({ "name": dependency }));
    metadata
}

#[test]
fn dependencies_follow_the_arrows() {
    assert_eq!(objections(&metadata()), Vec::<String>::new());
}

#[test]
fn a_forged_arrow_is_seen() {
    for (package, dependency, expected) in [
        ("whitewater-store", "whitewater-record", "store, of the core, reaches record"),
        ("whitewater-checkers", "whitewater-store", "checkers reaches store"),
        ("whitewater-record", "whitewater-store", "checkers reaches store"),
        ("whitewater-reports", "whitewater-world", "reports -> world is no arrow"),
        ("whitewater-shrink", "whitewater-world", "shrink -> world is no arrow"),
        ("whitewater-physics", "madsim", "physics names madsim"),
        ("whitewater", "madsim-tokio", "cli names madsim-tokio"),
        ("whitewater-world", "tokio", "world names tokio"),
    ] {
        let objections = objections(&forged(package, dependency));
        let seen = objections.iter().any(|objection| objection.contains(expected));
        assert!(seen, "{package} -> {dependency}: {objections:?}");
    }
}

#[test]
fn an_arrow_that_can_be_reached_may_be_named() {
    assert_eq!(objections(&forged("whitewater-world", "whitewater-store")), Vec::<String>::new());
}

/// What the server is built of, as cargo would build it alone. `-e features` tells the features, too.
fn server_tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "whitewater-server", "--locked", "--prefix", "none"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_server_ships_neither_the_simulator_nor_a_deliberate_bug() {
    let crates = server_tree(&["-e", "normal,build"]);
    assert!(crates.contains("tokio v"), "{crates}");
    assert!(!crates.contains("madsim"), "{crates}");
    let features = server_tree(&["-e", "features,normal,build", "-i", "whitewater-mutation"]);
    assert!(features.contains("whitewater-mutation feature \"default\""), "{features}");
    assert!(!features.contains("feature \"enabled\""), "{features}");
}
