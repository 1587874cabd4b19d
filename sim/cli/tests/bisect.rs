//! `whitewater bisect` in a small repository, whose commits hold a script in the place of the command.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A new repository, and the plan that is looked at.
fn repository(name: &str) -> (PathBuf, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bisect-{name}"));
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    git(&folder, &["init", "--quiet"]);
    let plan =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mutants/local-read.toml");
    (folder, plan)
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
    let output =
        Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Commits a command that does this, and returns the commit.
fn commit(folder: &Path, subject: &str, script: &str) -> String {
    let file = folder.join("command");
    fs::write(&file, format!("#!/bin/sh\n# {subject}\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "--quiet", "-m", subject]);
    git(folder, &["rev-parse", "HEAD"]).trim().to_owned()
}

/// Exits with 1 and an objection of this code.
fn fails(code: &str) -> String {
    let violation =
        format!(r#"{{"code":"{code}","at":"1s","event":1,"node":null,"sentence":"it is broken"}}"#);
    format!("echo '{{\"violations\":[{violation}]}}'; exit 1")
}

fn bisect(folder: &Path, plan: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_whitewater"))
        .current_dir(folder)
        .arg("bisect")
        .arg(plan)
        .args(["--build", "test ! -e broken", "--binary", "command", "--checkout", "out/bisect"])
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn the_commit_with_which_it_began_is_found() {
    let (folder, plan) = repository("found");
    let good = commit(&folder, "begin", "exit 0");
    for n in 1..=5 {
        commit(&folder, &format!("work {n}"), "exit 0");
    }
    let culprit = commit(&folder, "break it", &fails("promise"));
    for n in 6..=9 {
        commit(&folder, &format!("work {n}"), &fails("promise"));
    }
    let before = git(&folder, &["rev-parse", "HEAD"]);
    let output = bisect(&folder, &plan, &["--good", &good]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains(&format!("began with {culprit}")), "{shown}");
    assert_eq!(git(&folder, &["rev-parse", "HEAD"]), before, "the caller's checkout stays");
    // A second search uses the same checkout again.
    assert_eq!(bisect(&folder, &plan, &["--good", &good]).status.code(), Some(0));
}

#[test]
fn what_cannot_be_tried_is_skipped_and_leaves_it_open() {
    let (folder, plan) = repository("open");
    let good = commit(&folder, "begin", "exit 0");
    fs::write(folder.join("broken"), "").unwrap();
    let unbuilt = commit(&folder, "does not build", "exit 0");
    fs::remove_file(folder.join("broken")).unwrap();
    let other = commit(&folder, "fails in another way", &fails("liveness"));
    let refuses = commit(&folder, "does not know the plan", "exit 2");
    let last = commit(&folder, "fails", &fails("promise"));
    let output = bisect(&folder, &plan, &["--good", &good, "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let first: Vec<&str> =
        verdict["first"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    for suspect in [&unbuilt, &other, &refuses, &last] {
        assert!(first.contains(&suspect.as_str()), "{suspect} is not among {first:?}");
    }
}

#[test]
fn commits_between_which_nothing_began_are_refused() {
    let (folder, plan) = repository("refused");
    let good = commit(&folder, "passes", "exit 0");
    let bad = commit(&folder, "fails", &fails("promise"));
    for (good, bad, complaint) in [
        (good.as_str(), good.as_str(), "the plan passes at"),
        (bad.as_str(), bad.as_str(), "fails at"),
        ("nowhere", "HEAD", "nowhere is no commit of the repository here"),
    ] {
        let output = bisect(&folder, &plan, &["--good", good, "--bad", bad]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(complaint), "{said}");
    }
}
