//! What machines read is held against those who read it: promtool (Debian's package `prometheus`), xmllint
//! (`libxml2-utils`) with the schema of `JUnit` files, and Python's `jsonschema` (`python3-jsonschema`) with ours.
//! `make formats` runs it, because these are not on every machine.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Prints what is wrong with which line, if something is.
const VALIDATE: &str = "
import json, sys, jsonschema
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
for number, line in enumerate(open(sys.argv[2]), 1):
    for error in validator.iter_errors(json.loads(line)):
        causes = '; '.join(f'{list(it.absolute_path)}: {it.message[:200]}' for it in error.context)
        print(f'{number}: {error.message[:200]} {causes}')
";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// A campaign with one of everything: passes and failures.
fn campaign(name: &str, arguments: &[&str], code: i32) -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats").join(name);
    if out.exists() {
        fs::remove_dir_all(&out).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
    }
    let mut run = Command::new(env!("CARGO_BIN_EXE_whitewater"));
    run.args(["run", "--no-shrink", "--out"]).arg(&out).args(arguments);
    let output = run.output().unwrap_or_else(|error| panic!("{run:?}: {error}"));
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    out
}

/// Runs a tool that must be content, and returns what it says.
fn tool(command: &mut Command, package: &str) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; install {package}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

#[test]
#[ignore = "needs promtool, xmllint and Python's jsonschema: make formats"]
fn those_who_read_the_results_of_campaigns_are_content() {
    let broken = ["swarm", "--seeds", "3", "--mutation", "reply-before-persist"];
    for out in [
        campaign("broken", &broken, 1),
        campaign("quiet", &["quiet", "--seeds", "3"], 0),
        campaign("short", &["swarm", "--seeds", "2", "--nodes", "3"], 0),
    ] {
        let metrics = File::open(out.join("metrics.prom"));
        let metrics = metrics.unwrap_or_else(|error| panic!("{}: {error}", out.display()));
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "metrics"]).stdin(Stdio::from(metrics));
        assert_eq!(tool(&mut promtool, "prometheus"), "", "promtool has something to say");

        let mut xmllint = Command::new("xmllint");
        xmllint.args(["--noout", "--schema"]).arg(docs("junit.xsd")).arg(out.join("junit.xml"));
        assert!(tool(&mut xmllint, "libxml2-utils").contains("validates"));

        let mut python = Command::new("python3");
        python.args(["-c", VALIDATE]).arg(docs("campaign.schema.json"));
        python.arg(out.join("campaign.jsonl"));
        assert_eq!(tool(&mut python, "python3-jsonschema"), "", "a line is not of the schema");
    }
}
