//! `whitewater shrink` on a pinned bug: small, the same failure, and the same bytes with any number of workers.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use whitewater_record::{Plan, Signature, Violation};

fn whitewater(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_whitewater")).args(arguments).output().unwrap()
}

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).unwrap();
    path
}

fn mutant(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mutants");
    root.join(format!("{name}.toml")).display().to_string()
}

/// The exit code of a replay, and the signature of its first violation.
fn replay(plan: &str) -> (Option<i32>, Option<Signature>) {
    let output = whitewater(&["replay", plan, "--json"]);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let violations: Vec<Violation> = serde_json::from_value(result["violations"].clone()).unwrap();
    (output.status.code(), violations.first().map(Signature::of_violation))
}

/// Without the line that says what it cost.
fn body(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let (body, cost) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(cost.starts_with("# Cost: "), "{cost}");
    body.to_owned()
}

#[test]
fn sim_a_mutant_is_shrunk_to_what_it_takes_whatever_the_number_of_workers() {
    let input = mutant("local-read");
    let (before, signature) = replay(&input);
    assert_eq!(before, Some(1));
    let file = folder("shrink").join("local-read.min.toml");
    let path = file.display().to_string();
    let shrink = |jobs| {
        let output =
            whitewater(&["shrink", &input, "-o", &path, "-j", jobs, "--time", "600s", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["is_minimal"], true, "{result}");
        body(&file)
    };
    let (one, two) = (shrink("1"), shrink("2"));
    assert_eq!(one, two);

    let plan = Plan::from_toml("local-read.min.toml", &one).unwrap();
    assert!(plan.faults.len() <= 2, "{one}");
    assert!(plan.clients.iter().map(|client| client.operations.len()).sum::<usize>() <= 4, "{one}");
    assert_eq!(replay(&path), (Some(1), signature));
    let line = one.lines().find_map(|line| line.strip_prefix("# Replay: ")).unwrap();
    let again = Command::new("sh").args(["-c", line]).output().unwrap();
    assert_eq!(again.status.code(), Some(1), "{again:?}");

    let clean = folder("shrink").join("clean.toml");
    fs::write(&clean, Plan { mutations: Vec::new(), ..plan }.to_toml()).unwrap();
    assert_eq!(replay(&clean.display().to_string()), (Some(0), None));
}

#[test]
fn sim_a_failure_is_explained_by_what_it_needs_and_by_when_it_was_decided() {
    let page = folder("explain").join("page.html");
    let explain = |plan: &str| {
        whitewater(&[
            "explain",
            plan,
            "--points",
            "3",
            "--futures",
            "4",
            "--time",
            "600s",
            "--json",
            "--report",
            page.to_str().unwrap(),
        ])
    };
    let output = explain(&mutant("local-read"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let html = fs::read_to_string(&page).unwrap();
    for word in
        ["FAIL read-freshness", "What it hangs on", "passes without", "are needed", "4 of 4"]
    {
        assert!(html.contains(word), "{word}");
    }
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let without = |sort: &str| {
        let items = told["necessity"].as_array().unwrap().iter();
        let items = items.filter(|item| item["item"].as_str().unwrap().starts_with(sort));
        items.map(|item| item["without"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(without("fault"), ["passes"; 2], "the partition, and who leads when it comes");
    assert_eq!(without("member"), ["passes"; 3]);
    assert_eq!(without("c1 +50ms get"), ["fails"; 59], "one read of many is not missed");
    let story = told["story"].as_array().unwrap();
    assert!((2..=7).contains(&story.len()), "{story:?}");
    assert!(
        story.iter().any(|line| line["text"].as_str().unwrap().contains("read-freshness objects"))
    );
    let curve = told["inevitability"].as_array().unwrap();
    let failing: Vec<u64> = curve.iter().map(|it| it["fails"].as_u64().unwrap()).collect();
    assert!(curve.iter().all(|point| point["played"] == 4), "{told}");
    assert_eq!(failing.last(), Some(&4), "what has happened cannot be undone: {told}");

    let quiet = folder("explain").join("quiet.toml");
    let plan = whitewater(&["plan", "quiet", "--seed", "1", "--duration", "1s"]);
    fs::write(&quiet, plan.stdout).unwrap();
    let output = explain(quiet.to_str().unwrap());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not fail"), "{output:?}");
}

#[test]
fn sim_a_plan_that_passes_is_nothing_to_shrink() {
    let file = folder("shrink").join("quiet.toml");
    let output = whitewater(&[
        "shrink",
        "--scenario",
        "quiet",
        "--seed",
        "1",
        "--duration",
        "3s",
        "-o",
        file.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("quiet, seed 1 does not fail: there is nothing to shrink"), "{text}");
    assert!(!file.exists());
}

#[test]
fn sim_a_spent_budget_says_that_it_proved_nothing() {
    let file = folder("shrink").join("spent.toml");
    let output =
        whitewater(&["shrink", &mutant("local-read"), "-o", file.to_str().unwrap(), "--runs", "3"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(body(&file).contains("# Proof: none; the budget was spent"), "{}", body(&file));
    assert_eq!(replay(file.to_str().unwrap()).0, Some(1));
}

#[test]
fn sim_a_run_that_fails_leaves_a_small_plan_too() {
    let out = folder("shrink-run");
    let output = whitewater(&[
        "run",
        "swarm",
        "--seed",
        "1",
        "--seeds",
        "1",
        "--duration",
        "10s",
        "--mutation",
        "reply-before-persist",
        "--shrink-budget",
        "600s",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let line = shown.lines().find_map(|line| line.strip_prefix("  shrunk: ")).unwrap();
    assert!(line.contains(" -> "), "{line}");
    let file = out.join("swarm-1-reply-before-persist/plan.min.toml");
    let plan = Plan::from_toml("plan.min.toml", &fs::read_to_string(&file).unwrap()).unwrap();
    assert!(plan.faults.is_empty(), "{}", plan.to_toml());
    assert_eq!(replay(file.to_str().unwrap()).0, Some(1));
}
