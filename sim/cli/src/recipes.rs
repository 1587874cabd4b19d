//! The command lines of the CI kit and of the docs are ones that this command accepts.

use crate::args::Args;
use clap::Parser;
use std::{fs, path::Path};

/// Files of the kit, and how many command lines each must have at least.
const FILES: [(&str, usize); 7] = [
    (".github/actions/campaign/action.yml", 2),
    (".gitlab/campaign.yml", 1),
    ("docs/ci.md", 2),
    ("docs/fleet.md", 2),
    ("docs/fleet/job.yaml", 1),
    ("docs/fleet/slurm.sh", 1),
    ("README.md", 1),
];
const YAML: [&str; 5] = [
    ".github/actions/campaign/action.yml",
    ".github/workflows/campaign.yml",
    ".github/workflows/ci.yml",
    ".gitlab/campaign.yml",
    "docs/fleet/job.yaml",
];

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The command line in a line, if there is one, with variables replaced by what they stand for.
fn words(line: &str) -> Option<Vec<String>> {
    let line = line.trim().trim_start_matches("- ");
    let line = line.replace("\"$WHITEWATER\"", "whitewater");
    let line = line.replace("cargo run --release -p whitewater --", "whitewater");
    if !line.starts_with("whitewater ") {
        return None;
    }
    let line = line.split(" || ").next().unwrap_or_default();
    let mut text = line.replace("0x$(git rev-parse --short=16 HEAD)", "0x1f");
    for (variable, value) in [
        ("$SCENARIO", "swarm"),
        ("$SEEDS", "500"),
        ("$seed", "7"),
        ("0x${CI_COMMIT_SHA:0:16}", "0x1f"),
        ("$ARGUMENTS", "--fail-fast"),
        ("$OUT", "reports/out"),
        ("$AGAINST", "old.jsonl"),
        ("$SHARD", "2/64"),
        ("$PLACE", "s3://campaigns/monday"),
    ] {
        text = text.replace(variable, value);
    }
    assert!(!text.contains('$'), "a variable that this test does not know: {line}");
    Some(text.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect())
}

#[test]
fn every_command_line_of_the_kit_and_the_docs_is_accepted() {
    for (file, least) in FILES {
        let text = read(file);
        let lines: Vec<Vec<String>> = text.lines().filter_map(words).collect();
        assert!(lines.len() >= least, "{file}: {} command lines", lines.len());
        for line in lines {
            if let Err(error) = Args::try_parse_from(&line) {
                panic!("{file}: {}: {error}", line.join(" "));
            }
        }
    }
}

#[test]
fn the_kit_is_yaml_and_its_inputs_are_those_that_are_used() {
    for file in YAML {
        let text = read(file);
        let documents = yaml_rust2::YamlLoader::load_from_str(&text);
        let documents = documents.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(documents.len(), 1, "{file}");
        let root = &documents[0];
        let of_workflow = root["on"]["workflow_call"]["inputs"].as_hash();
        let Some(inputs) = root["inputs"].as_hash().or(of_workflow) else { continue };
        let names: Vec<&str> = inputs.keys().filter_map(yaml_rust2::Yaml::as_str).collect();
        for name in &names {
            assert!(text.contains(&format!("inputs.{name}")), "{file}: {name} is never used");
        }
        for used in text.split("inputs.").skip(1) {
            let end = used.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(used.len());
            assert!(
                names.contains(&&used[..end]),
                "{file}: inputs.{} is not declared",
                &used[..end]
            );
        }
    }
}
