//! The kill matrix: which deliberate bugs a campaign finds, how soon, and who objects.
//!
//! A bug is looked for in the seeds of one scenario, in their order, until it was found a few times or the seeds are spent.
//! How often it shows is then known with an interval, which is printed: of a bug that was found three times, the rate may be
//! four times as high, or a fifth.

use crate::{Effort, number, table};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _};
use whitewater_record::Seed;

/// The name and version of the machine's form.
pub const FORMAT: &str = "whitewater-zoo/1";

/// A bug is looked for until it was found so often, at most: so far goes the table of quantiles.
pub const FINDS_MAX: u64 = QUANTILES.len() as u64;

/// Quantiles of chi-square at 2.5 and 97.5 % with 2, 4, .. degrees of freedom, in thousandths. Twice the number of seeds
/// until the k-th find, times the rate, is distributed so with 2k degrees (Garwood 1936; exact as the rate goes to 0, and
/// cautious above).
const QUANTILES: [(u64, u64); 5] =
    [(51, 7_378), (484, 11_143), (1_237, 14_449), (2_180, 17_535), (3_247, 20_483)];

/// ln 2 in millionths: half of all searches end within ln 2 over the rate.
const LN_2: u64 = 693_147;

/// A seed that showed the bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Find {
    /// The seed.
    pub seed: Seed,
    /// The code of the check that objected first.
    pub code: String,
}

/// What became of the search for one bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hunt {
    /// The name of the bug.
    pub mutation: &'static str,
    /// What goes wrong, in a sentence.
    pub story: &'static str,
    /// Where it was seen in the wild.
    pub source: &'static str,
    /// The checks that are expected to object first; empty if no plan is kept of the bug.
    pub expected: Vec<String>,
    /// Seeds that were played, up to the last find.
    pub seeds: u64,
    /// The finds, in the order of seeds.
    pub finds: Vec<Find>,
    /// In how many of the finds each check objected, first or later.
    pub objected: BTreeMap<String, u64>,
    /// Seeds that fail without the bug too. None, or the clean core or a check is wrong.
    pub alarms: Vec<Seed>,
    /// What is left of the plan of the first find, if it was shrunk.
    pub shrunk: Option<Remains>,
    /// CPU time of the seeds, in microseconds.
    #[serde(skip)]
    pub cpu_us: u64,
    /// CPU time of shrinking, in microseconds.
    #[serde(skip)]
    pub shrink_cpu_us: u64,
}

/// What is left of the plan of a find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// Faults.
    pub faults: usize,
    /// Operations of all clients.
    pub operations: usize,
    /// Everything, in words.
    pub text: String,
    /// Whether removing any one item ends the failure.
    pub is_minimal: bool,
}

/// Seeds until a bug is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Patience {
    /// Half of all searches end within so many seeds.
    pub median: u64,
    /// The median may be as low as this, with 95 % confidence.
    pub low: u64,
    /// And as high as this.
    pub high: u64,
}

/// All hunts of one scenario.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The scenario.
    pub scenario: String,
    /// Its first seed.
    pub first_seed: Seed,
    /// A bug is given up after so many seeds.
    pub seeds_max: u64,
    /// A bug is looked for until it was found so often.
    pub finds_wanted: u64,
    /// One for each bug.
    pub hunts: Vec<Hunt>,
    /// What it cost.
    pub effort: Effort,
}

impl Hunt {
    /// Whether the bug was found.
    pub fn is_found(&self) -> bool {
        !self.finds.is_empty()
    }

    /// How many seeds it takes to find it; nothing is known if it was never found.
    pub fn patience(&self) -> Option<Patience> {
        let finds = self.finds.len().min(QUANTILES.len());
        let (low, high) = *QUANTILES.get(finds.checked_sub(1)?)?;
        let k = u64::try_from(finds).ok()?;
        // ln 2 / rate, where the rate is k / seeds, and quantile / (2 seeds) at the ends.
        let within = |numerator: u64, denominator: u64| {
            (u128::from(self.seeds) * u128::from(LN_2) * u128::from(numerator))
                .div_ceil(1_000_000 * u128::from(denominator))
                .clamp(1, u128::from(u64::MAX))
        };
        let seeds = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
        Some(Patience {
            median: seeds(within(1, k)),
            low: seeds(within(2_000, high)),
            high: seeds(within(2_000, low)),
        })
    }

    /// CPU time that a find takes on average, in microseconds.
    pub fn cpu_us_per_find(&self) -> Option<u64> {
        self.cpu_us.checked_div(u64::try_from(self.finds.len()).ok()?)
    }

    /// Whether somebody objected first of whom it is not expected.
    fn is_expected(&self, code: &str) -> bool {
        self.expected.is_empty() || self.expected.iter().any(|expected| expected == code)
    }

    /// Who objected first, and how often: `promise-ledger 2, liveness 1?`. A question mark is for who is not expected to.
    fn first_objectors(&self) -> String {
        let mut firsts = BTreeMap::<&str, u64>::new();
        for find in &self.finds {
            *firsts.entry(&find.code).or_default() += 1;
        }
        let word = |(code, n): (&str, u64)| {
            format!("{code} {n}{}", if self.is_expected(code) { "" } else { "?" })
        };
        firsts.into_iter().map(word).collect::<Vec<String>>().join(", ")
    }
}

impl Matrix {
    /// Bugs that were found.
    pub fn found(&self) -> u64 {
        self.hunts.iter().map(|hunt| u64::from(hunt.is_found())).sum()
    }

    /// Found bugs of a hundred, rounded down.
    pub fn percent(&self) -> u64 {
        let all = u64::try_from(self.hunts.len()).unwrap_or(u64::MAX);
        (self.found() * 100).checked_div(all).unwrap_or(0)
    }

    /// Seeds that fail without any bug.
    pub fn alarms(&self) -> impl Iterator<Item = Seed> {
        self.hunts.iter().flat_map(|hunt| hunt.alarms.iter().copied())
    }

    /// The median over the found bugs of the CPU time of a find, in microseconds.
    pub fn median_cpu_us(&self) -> Option<u64> {
        let mut times: Vec<u64> = self.hunts.iter().filter_map(Hunt::cpu_us_per_find).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes all");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let seconds = |us: u64| number::ratio(u128::from(us), 1_000_000, 2);
        write!(
            text,
            "FOUND {} of {} bugs within {} of {} from {} on ({} %)",
            self.found(),
            self.hunts.len(),
            number::count(self.seeds_max, "seed"),
            self.scenario,
            self.first_seed,
            self.percent(),
        )?;
        let median = self.median_cpu_us();
        writeln!(
            text,
            "{}",
            median.map_or_else(String::new, |us| format!(" · median {} CPU-s a find", seconds(us)))
        )?;
        let mut hunts: Vec<&Hunt> = self.hunts.iter().filter(|hunt| hunt.is_found()).collect();
        hunts.sort_by_key(|hunt| (hunt.patience().map(|patience| patience.median), hunt.mutation));
        let rows: Vec<Vec<String>> = hunts.iter().map(|hunt| self.row(hunt)).collect();
        let head = ["bug", "found", "seeds to find (95 %)", "CPU-s", "shrunk to", "objected first"];
        writeln!(text, "\n{}", table::render(&head, &rows).trim_end())?;
        let survivors: Vec<&Hunt> = self.hunts.iter().filter(|hunt| !hunt.is_found()).collect();
        if !survivors.is_empty() {
            writeln!(text, "\nNot found:")?;
        }
        for hunt in survivors {
            let Hunt { mutation, story, seeds, .. } = hunt;
            let seeds = number::grouped(*seeds);
            writeln!(
                text,
                "  {mutation}: {story}\n    Shows in fewer than 3 of {seeds} seeds, with 95 % confidence."
            )?;
        }
        for hunt in self.hunts.iter().filter(|hunt| !hunt.alarms.is_empty()) {
            for seed in &hunt.alarms {
                writeln!(
                    text,
                    "\nFALSE ALARM or a bug of the core: seed {seed} fails without `{}`, too.",
                    hunt.mutation
                )?;
            }
        }
        Ok(())
    }

    fn row(&self, hunt: &Hunt) -> Vec<String> {
        let patience =
            hunt.patience().map_or_else(String::new, |Patience { median, low, high }| {
                let [median, low, high] = [median, low, high].map(number::grouped);
                format!("{median} ({low}..{high})")
            });
        let cpu = hunt.cpu_us_per_find().unwrap_or(0);
        let shrunk = hunt.shrunk.as_ref().map_or_else(String::new, |remains| {
            format!("{}{}", remains.text, if remains.is_minimal { "" } else { ", maybe less" })
        });
        vec![
            hunt.mutation.to_owned(),
            format!("{}/{}", hunt.finds.len(), self.finds_wanted),
            patience,
            number::ratio(u128::from(cpu), 1_000_000, 2),
            shrunk,
            hunt.first_objectors(),
        ]
    }

    /// For machines: a header, a line for each bug, a footer with what differs from run to run.
    pub fn lines(&self) -> Vec<String> {
        #[derive(Serialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        enum Line<'a> {
            Header {
                format: &'static str,
                scenario: &'a str,
                first_seed: Seed,
                seeds_max: u64,
                finds_wanted: u64,
            },
            Bug {
                #[serde(flatten)]
                hunt: &'a Hunt,
                patience: Option<Patience>,
            },
            Totals {
                bugs: usize,
                found: u64,
                percent: u64,
            },
            Footer {
                cpu_us: BTreeMap<&'a str, u64>,
                shrink_cpu_us: BTreeMap<&'a str, u64>,
                #[serde(flatten)]
                effort: Effort,
            },
        }
        let Self { scenario, first_seed, seeds_max, finds_wanted, hunts, effort } = self;
        let header = Line::Header {
            format: FORMAT,
            scenario,
            first_seed: *first_seed,
            seeds_max: *seeds_max,
            finds_wanted: *finds_wanted,
        };
        let bugs = hunts.iter().map(|hunt| Line::Bug { hunt, patience: hunt.patience() });
        let totals =
            Line::Totals { bugs: hunts.len(), found: self.found(), percent: self.percent() };
        let footer = Line::Footer {
            cpu_us: hunts.iter().map(|hunt| (hunt.mutation, hunt.cpu_us)).collect(),
            shrink_cpu_us: hunts.iter().map(|hunt| (hunt.mutation, hunt.shrink_cpu_us)).collect(),
            effort: *effort,
        };
        let lines = std::iter::once(header).chain(bugs).chain([totals, footer]);
        let json =
            |line| serde_json::to_string(&line).expect("plain data with text keys has a JSON form");
        lines.map(json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunt(seeds: u64, finds: usize) -> Hunt {
        let find = |n| Find { seed: Seed(n), code: "promise".into() };
        Hunt {
            mutation: "local-read",
            story: "A leader answers from its own state.",
            source: "Jepsen 2014",
            expected: vec!["linearizable".into()],
            seeds,
            finds: (0..u64::try_from(finds).unwrap()).map(find).collect(),
            objected: BTreeMap::from([("promise".to_owned(), 1)]),
            alarms: Vec::new(),
            shrunk: None,
            cpu_us: 3_000_000,
            shrink_cpu_us: 0,
        }
    }

    fn matrix(hunts: Vec<Hunt>) -> Matrix {
        Matrix {
            scenario: "swarm".into(),
            first_seed: Seed(1),
            seeds_max: 2_000,
            finds_wanted: 3,
            hunts,
            effort: Effort::default(),
        }
    }

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_every_find() {
        let patience = |finds| hunt(300 * u64::try_from(finds).unwrap(), finds).patience().unwrap();
        assert_eq!(patience(1), Patience { median: 208, low: 57, high: 8_155 });
        assert_eq!(patience(3), Patience { median: 208, low: 87, high: 1_009 });
        let spans: Vec<u64> =
            (1..=5).map(|finds| patience(finds).high - patience(finds).low).collect();
        assert!(spans.is_sorted_by(|a, b| a > b), "{spans:?}");
        assert_eq!(hunt(2_000, 0).patience(), None);
        assert_eq!(hunt(3, 3).patience().unwrap().low, 1);
    }

    #[test]
    fn the_text_names_survivors_and_who_was_not_expected() {
        let survivor = Hunt { mutation: "ghost-tail", ..hunt(2_000, 0) };
        let text = matrix(vec![hunt(30, 3), survivor]).text();
        assert!(
            text.starts_with("FOUND 1 of 2 bugs within 2,000 seeds of swarm from 1 on (50 %)"),
            "{text}"
        );
        assert!(text.contains("promise 3?"), "{text}");
        assert!(text.contains("Not found:\n  ghost-tail"), "{text}");
        assert!(!text.contains("FALSE ALARM"), "{text}");
        let alarm = Hunt { alarms: vec![Seed(7)], ..hunt(30, 3) };
        assert!(matrix(vec![alarm]).text().contains("seed 7 fails without"));
    }

    #[test]
    fn machines_read_one_object_a_line() {
        let lines = matrix(vec![hunt(30, 3)]).lines();
        let kinds: Vec<String> = lines
            .iter()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].to_string()
            })
            .collect();
        assert_eq!(kinds, ["\"header\"", "\"bug\"", "\"totals\"", "\"footer\""]);
        assert!(lines[1].contains("\"median\":7"), "{}", lines[1]);
    }
}
