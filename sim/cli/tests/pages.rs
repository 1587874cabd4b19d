//! Every failure leaves a page, whatever its class and whichever verb found it. What a browser makes of them is tried in
//! `reports/web/test`.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const WHITEWATER: &str = env!("CARGO_BIN_EXE_whitewater");

fn whitewater(arguments: &[&str]) -> Output {
    Command::new(WHITEWATER).args(arguments).output().unwrap()
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages").join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}

fn mutants() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mutants");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What stands on a page, without scripts.
struct Page {
    heading: String,
    text: String,
    lines: usize,
}

fn page(file: &Path) -> Page {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let heading = text.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>")).unwrap().0;
    let mut is_text = true;
    let heading: String = heading
        .chars()
        .filter(|c| {
            let was_text = is_text;
            is_text = if is_text { *c != '<' } else { *c == '>' };
            was_text && is_text
        })
        .collect();
    let lines = text
        .split_once("<section class=\"story\"")
        .map_or(0, |(_, rest)| rest.split_once("</section>").unwrap().0.matches("<li ").count());
    Page { heading, text, lines }
}

#[test]
fn sim_every_class_of_failure_has_its_page() {
    let out = folder("classes");
    let mut by_code: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in mutants() {
        let text = fs::read_to_string(&file).unwrap();
        let codes = text.lines().next().unwrap().strip_prefix("# Kills: ").unwrap().to_owned();
        by_code.entry(codes.split(", ").next().unwrap().to_owned()).or_insert(file);
    }
    assert!(by_code.len() >= 15, "{by_code:?}");
    for (code, plan) in by_code {
        let html = out.join(format!("{code}.html"));
        let plan = plan.to_str().unwrap();
        let output = whitewater(&["replay", plan, "--json", "--report", html.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{plan}: {output:?}");
        let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let first = outcome["violations"][0]["code"].as_str().unwrap();
        let Page { heading, text, lines } = page(&html);
        assert!(heading.starts_with(&format!("FAIL {first}")), "{plan}: {heading}");
        assert!(text.contains("<span class=\"label\">The promise</span>"), "{plan}: no promise");
        assert!((1..=7).contains(&lines), "{plan}: {lines} lines of story");
        assert!(text.contains("first false at"), "{plan}: no first bad moment");
        assert!(text.contains(" replay "), "{plan}: no line that plays it again");
    }
}

#[test]
#[cfg(unix)]
fn sim_a_worker_that_is_killed_leaves_a_page() {
    let out = folder("died");
    // The worker's CPU time runs out; its parent does nothing but wait.
    let line = format!(
        "ulimit -t 1; exec '{WHITEWATER}' run swarm --seeds 1 --duration 5000s --no-regressions --out '{}'",
        out.display()
    );
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let page = page(&out.join("swarm-1").join("report.html"));
    assert!(page.heading.starts_with("FAIL worker-died"), "{}", page.heading);
    assert!(page.text.contains("the process that ran it died by signal"), "{}", page.text);
    assert!(page.text.contains("plan.toml"), "the line that plays it again");
}

#[test]
fn sim_a_worker_that_is_stuck_leaves_a_page_and_so_does_shrinking_it() {
    let out = folder("stuck");
    let run = ["run", "swarm", "--seeds", "1", "--no-regressions", "--patience", "1ms", "--out"];
    let output = whitewater(&[&run[..], &[out.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let plan = out.join("swarm-1").join("plan.toml");
    let stuck = page(&plan.with_file_name("report.html"));
    assert!(stuck.heading.starts_with("FAIL worker-stuck"), "{}", stuck.heading);

    let shrink = ["shrink", plan.to_str().unwrap(), "--patience", "1ms", "--runs", "4"];
    let output = whitewater(&shrink);
    assert_eq!(output.status.code(), Some(3), "the budget is spent: {output:?}");
    let small = page(&plan.with_file_name("plan.min.html"));
    assert!(small.heading.starts_with("FAIL worker-stuck"), "{}", small.heading);
    assert!(small.text.contains("<span class=\"label\">shrunk</span>"), "{}", small.text);
}

#[test]
fn sim_shrinking_leaves_a_page_with_a_run_that_passes_beside_it() {
    let out = folder("shrunk");
    let plan = out.join("small.toml");
    let mutant = mutants().into_iter().find(|file| file.ends_with("reply-before-persist.toml"));
    let mutant = mutant.unwrap();
    let (mutant, plan_name) = (mutant.to_str().unwrap(), plan.to_str().unwrap());
    let output = whitewater(&["shrink", mutant, "--output", plan_name, "--runs", "40", "-j", "1"]);
    assert!([Some(0), Some(3)].contains(&output.status.code()), "{output:?}");
    let small = page(&plan.with_extension("html"));
    assert!(small.heading.starts_with("FAIL promise"), "{}", small.heading);

    let html = out.join("diff.html");
    let output = whitewater(&["diff", mutant, "--report", html.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert!(page(&html).heading.starts_with("FAIL promise"));
}

#[test]
fn a_wrong_history_from_elsewhere_has_its_page() {
    let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let out = folder("check");
    for name in ["etcd-bad.jsonl", "porcupine-bad.txt", "jepsen-bad.edn"] {
        let html = out.join(name).with_extension("html");
        let history = histories.join(name);
        let output =
            whitewater(&["check", history.to_str().unwrap(), "--report", html.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let Page { heading, text, .. } = page(&html);
        assert!(heading.starts_with("FAIL "), "{name}: {heading}");
        assert!(text.contains(" check "), "{name}: no line that judges it again");
    }
}
