//! Runs side by side, and for other people's viewers, as a person calls for them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn whitewater(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whitewater"));
    command.args(arguments);
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mutant() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mutants");
    path.join("reply-before-persist.toml").display().to_string()
}

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("views");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder.join(name)
}

#[test]
fn a_failing_run_is_compared_with_its_nearest_neighbour_that_passes() {
    let output = whitewater(&["diff", &mutant()]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("the nearest run that passes: without reply-before-persist"), "{err}");
    assert!(out.starts_with("first difference: event "), "{out}");
    assert!(
        out.contains("\noperations: ") && out.contains("without reply-before-persist"),
        "{out}"
    );

    let same = whitewater(&["diff", &mutant(), &mutant()]);
    assert!(text(&same.stdout).starts_with("the same: "), "{same:?}");
    let json = whitewater(&["--json", "diff", &mutant(), &mutant()]);
    assert!(text(&json.stdout).contains("\"same\":true"), "{json:?}");
}

#[test]
fn a_trace_without_its_plan_is_refused_with_what_is_missing() {
    let plan = file("plan.toml");
    if plan.exists() {
        fs::remove_file(&plan).unwrap_or_else(|error| panic!("{}: {error}", plan.display()));
    }
    let trace = file("alone.wwt").display().to_string();
    let written = whitewater(&["replay", &mutant(), "--trace", &trace]);
    assert_eq!(written.status.code(), Some(1), "{written:?}");
    let refused = whitewater(&["diff", &trace, &mutant()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("plan.toml"), "{refused:?}");
    fs::copy(mutant(), &plan).unwrap_or_else(|error| panic!("plan.toml: {error}"));
    let same = whitewater(&["diff", &trace, &mutant()]);
    assert!(text(&same.stdout).starts_with("the same: "), "{same:?}");
}

#[test]
fn a_window_is_exported_and_an_empty_one_refused() {
    let exported = whitewater(&["export", &mutant(), "--as", "shiviz", "--to", "300ms"]);
    let lines = text(&exported.stdout);
    assert!(lines.lines().nth(1).is_some_and(|line| line.contains(" {\"n")), "{exported:?}");
    let path = file("window.json");
    let name = path.display().to_string();
    let written = whitewater(&["export", &mutant(), "--as", "perfetto", "-o", &name]);
    assert_eq!(written.status.code(), Some(0), "{written:?}");
    let json = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(json.starts_with("{\"displayTimeUnit\":\"ms\",\"traceEvents\":["), "{json}");
    let empty = whitewater(&["export", &mutant(), "--as", "perfetto", "--from", "900s"]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(text(&empty.stderr).contains("nothing happens there"), "{empty:?}");
}
