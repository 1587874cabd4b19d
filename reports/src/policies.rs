//! Seed policies beside each other: how much CPU time each takes to find each deliberate bug.

use crate::{number, table};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use whitewater_record::Seed;

/// The name and version of the machine's form.
pub const FORMAT: &str = "whitewater-search/1";

/// What became of one policy's search for one bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Who chose what to play.
    pub policy: &'static str,
    /// The bug.
    pub mutation: &'static str,
    /// Plans that were played, up to the last find.
    pub plans: u64,
    /// Plans that showed the bug.
    pub finds: u64,
    /// Plans that fail without the bug too. None, or the clean core or a check is wrong.
    pub alarms: u64,
    /// CPU time of the plans, in microseconds.
    pub cpu_us: u64,
}

/// Searches of several policies for the same bugs.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The scenario that plans are drawn from.
    pub scenario: String,
    /// Its first seed.
    pub first_seed: Seed,
    /// A bug is given up after so many plans.
    pub plans_max: u64,
    /// A bug is looked for until it was found so often.
    pub finds_wanted: u64,
    /// One for each policy and bug.
    pub searches: Vec<Search>,
}

/// The sum of one policy.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sum {
    policy: &'static str,
    /// Bugs that were found.
    found: usize,
    /// The median over all bugs of the CPU time of a find, in microseconds; a bug that was not found counts as if the next plan
    /// had shown it.
    median_cpu_us: u64,
    /// CPU time of all searches.
    cpu_us: u64,
}

impl Search {
    /// One that has not begun.
    pub const fn new(policy: &'static str, mutation: &'static str) -> Self {
        Self { policy, mutation, plans: 0, finds: 0, alarms: 0, cpu_us: 0 }
    }

    /// CPU time of a find, in microseconds: at least that, where there was none.
    const fn cost_us(&self) -> u64 {
        let finds = if self.finds == 0 { 1 } else { self.finds };
        self.cpu_us / finds
    }
}

impl Comparison {
    /// Plans that fail without any bug.
    pub fn alarms(&self) -> u64 {
        self.searches.iter().map(|search| search.alarms).sum()
    }

    /// The policies, best first: whoever finds more, then whoever takes less in all.
    fn sums(&self) -> Vec<Sum> {
        let names: BTreeSet<&'static str> =
            self.searches.iter().map(|search| search.policy).collect();
        let sum = |policy: &'static str| {
            let own = || self.searches.iter().filter(move |search| search.policy == policy);
            let mut costs: Vec<u64> = own().map(Search::cost_us).collect();
            costs.sort_unstable();
            Sum {
                policy,
                found: own().filter(|search| search.finds > 0).count(),
                median_cpu_us: costs.get(costs.len() / 2).copied().unwrap_or(0),
                cpu_us: own().map(|search| search.cpu_us).sum(),
            }
        };
        let mut sums: Vec<Sum> = names.into_iter().map(sum).collect();
        sums.sort_by_key(|sum| (std::cmp::Reverse(sum.found), sum.cpu_us));
        sums
    }

    /// For people.
    pub fn text(&self) -> String {
        let seconds = |us: u64| number::ratio(u128::from(us), 1_000_000, 2);
        let sums = self.sums();
        let bugs: BTreeSet<&str> = self.searches.iter().map(|search| search.mutation).collect();
        let mut text = format!(
            "{} for {} in plans of {} from {} on, at most {} and until found {}\n\n",
            number::count(sums.len() as u64, "policy").replace("policys", "policies"),
            number::count(bugs.len() as u64, "bug"),
            self.scenario,
            self.first_seed,
            number::count(self.plans_max, "plan"),
            number::count(self.finds_wanted, "time"),
        );
        let rows: Vec<Vec<String>> = sums
            .iter()
            .map(|sum| {
                let found = format!("{}/{}", sum.found, bugs.len());
                vec![sum.policy.to_owned(), found, seconds(sum.median_cpu_us), seconds(sum.cpu_us)]
            })
            .collect();
        text += &table::render(&["policy", "found", "median CPU-s a find", "CPU-s in all"], &rows);
        let mut costs: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for search in &self.searches {
            let word = seconds(search.cost_us());
            let word = if search.finds == 0 { format!("> {word}") } else { word };
            costs.entry(search.mutation).or_default().insert(search.policy, word);
        }
        let rows: Vec<Vec<String>> = costs
            .into_iter()
            .map(|(mutation, by)| {
                let cell = |sum: &Sum| by.get(sum.policy).cloned().unwrap_or_default();
                std::iter::once(mutation.to_owned()).chain(sums.iter().map(cell)).collect()
            })
            .collect();
        let head: Vec<&str> =
            std::iter::once("CPU-s a find").chain(sums.iter().map(|sum| sum.policy)).collect();
        text.push('\n');
        text += &table::render(&head, &rows);
        if self.alarms() > 0 {
            text += "\nFALSE ALARM or a bug of the core: plans fail without any bug, too.\n";
        }
        text
    }

    /// For machines: a header, a line for each search, a line for each policy.
    pub fn lines(&self) -> Vec<String> {
        #[derive(Serialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        enum Line<'a> {
            Header {
                format: &'static str,
                scenario: &'a str,
                first_seed: Seed,
                plans_max: u64,
                finds_wanted: u64,
            },
            Search(&'a Search),
            Policy(Sum),
        }
        let Self { scenario, first_seed, plans_max, finds_wanted, searches } = self;
        let header = Line::Header {
            format: FORMAT,
            scenario,
            first_seed: *first_seed,
            plans_max: *plans_max,
            finds_wanted: *finds_wanted,
        };
        let lines = std::iter::once(header)
            .chain(searches.iter().map(Line::Search))
            .chain(self.sums().into_iter().map(Line::Policy));
        let json =
            |line| serde_json::to_string(&line).expect("plain data with text keys has a JSON form");
        lines.map(json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(policy: &'static str, mutation: &'static str, finds: u64, cpu_us: u64) -> Search {
        Search { finds, cpu_us, plans: 10, ..Search::new(policy, mutation) }
    }

    fn comparison() -> Comparison {
        Comparison {
            scenario: "swarm".into(),
            first_seed: Seed(1),
            plans_max: 400,
            finds_wanted: 3,
            searches: vec![
                search("swarm", "local-read", 3, 9_000_000),
                search("forks", "local-read", 2, 1_000_000),
                search("swarm", "ghost-tail", 1, 20_000_000),
                search("forks", "ghost-tail", 0, 5_000_000),
            ],
        }
    }

    #[test]
    fn who_finds_more_comes_first_and_what_was_not_found_says_so() {
        let text = comparison().text();
        let place = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
        assert!(place("  swarm ") < place("  forks "), "{text}");
        assert!(text.contains("20.00  > 5.00"), "{text}");
        assert!(text.contains("3.00    0.50"), "{text}");
    }

    #[test]
    fn machines_read_one_object_a_line() {
        let lines = comparison().lines();
        assert_eq!(lines.len(), 1 + 4 + 2);
        let last: serde_json::Value = serde_json::from_str(&lines[6]).unwrap();
        assert_eq!(last["kind"], "policy");
        assert_eq!(last["found"], 1);
    }
}
