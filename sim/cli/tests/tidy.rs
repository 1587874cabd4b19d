//! Local rules that no lint knows, over the files that git tracks or would track.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use whitewater_mutation::Mutation;
use whitewater_record::{Plan, Seed, moment};
use whitewater_scenarios::{Overrides, Scenario};

/// Lines of code without tests in a file.
const CODE_LINES_MAX: usize = 600;
/// Lines of CONVENTIONS.md.
const CONVENTIONS_LINES_MAX: usize = 120;
/// Size of any file.
const BYTES_MAX: u64 = 200 * 1024;
/// The only crates that may replace the root's clippy.toml: the program that talks to the machine, and those that
/// measure or serve.
const CLIPPY_EXEMPT: [&str; 3] =
    ["benches/clippy.toml", "core/server/clippy.toml", "sim/cli/clippy.toml"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Paths from the root, with slashes.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let paths: BTreeSet<&str> = text.split_terminator('\0').collect();
    paths.into_iter().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

fn rust_files() -> Vec<(String, String)> {
    let is_rust = |path: &String| path.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs");
    files().into_iter().filter(is_rust).map(|path| (path.clone(), read(&path))).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/benches/")
}

/// Lines before the unit tests, without empty ones and comments.
fn code_lines(text: &str) -> usize {
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    code.lines().filter(is_code).count()
}

#[test]
fn no_file_has_more_code_than_one_reads_in_a_sitting() {
    for (path, text) in rust_files() {
        let lines = code_lines(&text);
        assert!(
            is_test(&path) || lines <= CODE_LINES_MAX,
            "{path}: {lines} lines of code, at most {CODE_LINES_MAX}: split by responsibility"
        );
    }
}

#[test]
fn nothing_is_left_to_be_fixed() {
    // In two parts, so that this file does not accuse itself.
    let word = concat!("FIX", "ME");
    for (path, text) in rust_files() {
        assert!(!text.contains(word), "{path}: {word} may not be merged");
    }
}

#[test]
fn every_scenario_parses_plans_and_can_be_named() {
    let named: BTreeSet<String> = whitewater_scenarios::catalog()
        .map(|(name, text)| {
            let scenario = Scenario::parse(name, text).unwrap();
            assert_eq!(scenario.name, name);
            for seed in 1..=3 {
                let plan = whitewater_scenarios::plan(&scenario, Seed(seed), &Overrides::default());
                plan.check().unwrap_or_else(|error| panic!("{name}, seed {seed}: {error}"));
            }
            format!("scenarios/catalog/{name}.toml")
        })
        .collect();
    let there: BTreeSet<String> =
        files().into_iter().filter(|path| path.starts_with("scenarios/catalog/")).collect();
    assert_eq!(named, there);
}

#[test]
fn every_regression_is_a_plan() {
    for path in files() {
        if path.starts_with("scenarios/regressions/") && !path.contains("README.md") {
            Plan::from_toml(&path, &read(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
}

#[test]
fn the_conventions_fit_in_one_sitting() {
    let lines = read("CONVENTIONS.md").lines().count();
    assert!(lines <= CONVENTIONS_LINES_MAX, "CONVENTIONS.md has {lines} lines");
}

#[test]
fn the_architecture_names_every_crate() {
    let text = read("ARCHITECTURE.md");
    for path in files() {
        let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue };
        let is_named = text.split_whitespace().any(|word| word.trim_matches('`') == folder);
        assert!(is_named, "ARCHITECTURE.md does not name {folder}");
    }
}

#[test]
fn no_file_is_a_blob() {
    for path in files() {
        let bytes = fs::metadata(root().join(&path)).unwrap().len();
        assert!(bytes <= BYTES_MAX, "{path}: {bytes} bytes, at most {BYTES_MAX}");
    }
}

#[test]
fn only_the_known_crates_are_exempt_from_the_determinism_lints() {
    let is_exempt = |path: &String| path.ends_with("/clippy.toml");
    let exempt: Vec<String> = files().into_iter().filter(is_exempt).collect();
    for path in &exempt {
        assert!(CLIPPY_EXEMPT.contains(&path.as_str()), "{path} exempts a deterministic crate");
    }
    assert!(exempt.contains(&"sim/cli/clippy.toml".to_owned()));
}

#[test]
fn every_mutation_is_compiled_in_somewhere() {
    let sources: Vec<(String, String)> = rust_files()
        .into_iter()
        .filter(|(path, _)| !path.starts_with("core/mutation/") && !is_test(path))
        .collect();
    let unused: Vec<String> = Mutation::ALL
        .iter()
        .map(|mutation| format!("Mutation::{mutation:?}"))
        .filter(|name| {
            let is_use = |text: &str| {
                text.match_indices(name.as_str()).any(|(at, _)| {
                    !text[at + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
                })
            };
            !sources.iter().any(|(_, text)| is_use(text))
        })
        .collect();
    assert_eq!(unused, Vec::<String>::new(), "listed, but switched on nowhere");
}

/// The page says of each promise of etcd which test would fail without it: `path#test`, or the path of a script or plan.
#[test]
fn every_test_that_the_page_on_etcd_names_exists() {
    let (page, mut named) = (read("docs/etcd.md"), 0);
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let quoted = line.split('`').skip(1).step_by(2);
        for word in quoted.filter(|word| word.contains('/')) {
            named += 1;
            let (path, test) = word.split_once('#').unzip();
            let path = path.unwrap_or(word);
            assert!(root().join(path).is_file(), "docs/etcd.md names {path}, which is not there");
            let Some(test) = test else { continue };
            let is_there = read(path).contains(&format!("fn {test}("));
            assert!(is_there, "docs/etcd.md names {word}, and {path} has no such test");
        }
    }
    assert!(named > 20, "docs/etcd.md names {named} tests");
}

#[test]
fn rare_moments_are_noted_where_the_list_says() {
    let sources = rust_files();
    let missing = |list: &[(&'static str, &str)], folder: &str| -> Vec<&'static str> {
        let texts: Vec<&String> = sources
            .iter()
            .filter(|(path, _)| path.starts_with(folder) && !is_test(path))
            .map(|(_, text)| text)
            .collect();
        let is_noted = |name: &str| texts.iter().any(|text| text.contains(&format!("\"{name}\"")));
        list.iter().map(|(name, _)| *name).filter(|name| !is_noted(name)).collect()
    };
    assert_eq!(missing(moment::OF_THE_CORE, "core/"), Vec::<&str>::new());
    assert_eq!(missing(moment::OF_THE_WORLD, "sim/world/"), Vec::<&str>::new());
}
