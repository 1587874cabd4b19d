//! Pages that are written from the code say what the code says, and the README shows what its commands print.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use whitewater_record::trace::schema;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_page_on_traces_lists_every_event_as_the_code_has_it() {
    let page = page("trace.md");
    let (text, table) = page.split_once("## Events\n\n").unwrap();
    let wanted = schema::markdown();
    let anew = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trace.md");
    fs::write(&anew, format!("{text}## Events\n\n{wanted}")).unwrap();
    assert_eq!(table, wanted, "the events have changed: cp {} docs/trace.md", anew.display());
}

/// What follows a marker of the README, up to the end of the block of code that it is in or that comes next.
fn block<'a>(readme: &'a str, marker: &str) -> &'a str {
    let (_, rest) = readme.split_once(marker).unwrap_or_else(|| panic!("no {marker}"));
    let (_, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```").unwrap().0
}

/// `...` stands for lines that the README leaves out.
fn assert_shows(block: &str, printed: &str) {
    let mut printed = printed.lines();
    for shown in block.lines().filter(|line| !line.is_empty() && line.trim() != "...") {
        assert!(printed.any(|line| line == shown), "it does not print, or not there: {shown}");
    }
}

#[test]
fn what_the_readme_shows_of_a_bug_is_what_its_commands_print() {
    let readme = page("../README.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let (binary, out) = (env!("CARGO_BIN_EXE_whitewater"), out.display().to_string());
    let print = |words: &str, code: i32| {
        let arguments = words.replace("reports/out", &out);
        let output =
            Command::new(binary).args(arguments.split(' ')).current_dir(&root).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.replace(binary, "target/release/whitewater").replace(&out, "reports/out")
    };
    let run = "run swarm --seeds 8 --mutation wiped-member-votes";
    assert!(readme.contains(&format!("cargo run --release -p whitewater -- {run}\n")));
    let found = print(&format!("{run} --shrink-budget 5m --out reports/out"), 1);
    assert_shows(block(&readme, "**Found.**"), &found);
    let plan = Path::new(&out).join("swarm-8-wiped-member-votes/plan.min.toml");
    assert_shows(block(&readme, "**Shrunk.**"), &fs::read_to_string(plan).unwrap());
    let explain = "explain reports/out/swarm-8-wiped-member-votes/plan.min.toml";
    assert!(readme.contains(&format!("target/release/whitewater {explain}\n")));
    let (_, explained) = readme.split_once("target/release/whitewater explain").unwrap();
    assert_shows(block(explained, "```\n"), &print(explain, 0));
}
