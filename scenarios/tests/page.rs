//! `docs/faults.md` and the program agree.

use std::collections::BTreeSet;
use whitewater_record::{Fault, Seed};
use whitewater_scenarios::{Overrides, Scenario, load, plan};

const PAGE: &str = include_str!("../../docs/faults.md");

/// The cells of each row of the table of faults.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| id");
    PAGE.lines()
        .filter(is_row)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// What is written like code in a cell.
fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_kind_of_fault_has_a_row_and_every_row_is_about_a_kind() {
    let mut kinds = BTreeSet::new();
    for row in rows() {
        let [id, fault, in_plans, witness, scenario] = row[..] else { panic!("{row:?}") };
        assert!(!fault.is_empty() && !witness.is_empty(), "{id}: a cell is empty");
        let named: Vec<&str> = words(in_plans).collect();
        assert!(!named.is_empty(), "{id}: no kind is named");
        kinds.extend(named.iter().copied().filter(|name| Fault::NAMES.contains(name)));
        assert_eq!(words(scenario).count(), 1, "{id}: one scenario is named");
    }
    let all: BTreeSet<&str> = Fault::NAMES.into_iter().collect();
    assert_eq!(kinds, all);
}

#[test]
fn the_scenario_of_a_row_plans_its_faults() {
    for row in rows() {
        let [id, _, in_plans, _, scenario] = row[..] else { panic!("{row:?}") };
        let name = words(scenario).next().unwrap_or_default();
        let scenario: Scenario = load(name).unwrap_or_else(|error| panic!("{id}: {error}"));
        let overrides = Overrides { operations: Some(0), ..Overrides::default() };
        let planned: BTreeSet<&str> = (0..100)
            .flat_map(|seed| plan(&scenario, Seed(seed), &overrides).faults)
            .map(|planned| planned.fault.name())
            .collect();
        for kind in words(in_plans).filter(|name| Fault::NAMES.contains(name)) {
            assert!(planned.contains(kind), "{id}: {name} never plans a {kind}");
        }
    }
}
