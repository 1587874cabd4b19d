//! The machine's form of a campaign: JSON lines, `whitewater-campaign/1`. `docs/campaign.schema.json` describes each line.
//!
//! A header, one object a seed in the order of seeds, the totals, a footer. All but the footer is a function of the
//! seeds. `kind` tells the lines apart: `header`, `seed`, `totals`, `footer`.

use crate::{Campaign, CampaignResult, Effort, Ending, Failure, Gate, Ruling, Totals};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;
use whitewater_record::Outcome;

/// The name and version of the format.
pub const FORMAT: &str = "whitewater-campaign/1";

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Header {
        format: &'static str,
        #[serde(flatten)]
        campaign: &'a Campaign,
    },
    Seed {
        #[serde(flatten)]
        outcome: &'a Outcome,
    },
    Totals {
        ruling: Ruling,
        ending: Ending,
        regressions: u64,
        #[serde(flatten)]
        totals: &'a Totals,
        gates: Vec<Gate>,
        failures: &'a [Failure],
        nondeterminism: &'a [String],
    },
    Footer {
        #[serde(flatten)]
        effort: Effort,
    },
}

/// The same, to be read: of a seed whatever `S` takes of it.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Read<S> {
    Header {
        format: String,
        #[serde(flatten)]
        campaign: Campaign,
    },
    Seed(S),
    Totals(Ended),
    Footer(Effort),
}

/// What stands in the totals. What can be counted again is counted again.
#[derive(Clone, Debug, Deserialize)]
pub struct Ended {
    /// Why the campaign ended.
    pub ending: Ending,
    /// Pinned plans that were replayed before.
    #[serde(default)]
    pub regressions: u64,
    /// The sums.
    #[serde(flatten)]
    pub totals: Box<Totals>,
    /// Failures that were kept.
    pub failures: Vec<Failure>,
    /// Seeds that gave another trace when they were played again.
    pub nondeterminism: Vec<String>,
}

/// A file of results, as far as it was written.
pub(crate) struct File<S> {
    pub(crate) campaign: Campaign,
    pub(crate) seeds: Vec<S>,
    pub(crate) ended: Option<Ended>,
    pub(crate) effort: Effort,
}

/// A seed of which nothing is wanted.
#[derive(Deserialize)]
struct Passed {}

/// A file of results that cannot be read.
#[derive(Debug, Error)]
pub enum LinesError {
    /// A line is none of this format.
    #[error("{name}:{line}: {reason}")]
    Line {
        /// The file.
        name: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// It ends too early.
    #[error("{name}: no totals: the campaign did not come to its end")]
    CutOff {
        /// The file.
        name: String,
    },
}

/// Reads the results of a campaign: everything but the seeds. `name` is for error messages.
pub fn read(name: &str, text: &str) -> Result<CampaignResult, LinesError> {
    let file: Option<File<Passed>> = read_file(name, text)?;
    let cut_off = || LinesError::CutOff { name: name.to_owned() };
    let File { campaign, ended, effort, .. } = file.ok_or_else(cut_off)?;
    let Ended { ending, regressions, totals, failures, nondeterminism } =
        ended.ok_or_else(cut_off)?;
    let totals = *totals;
    Ok(CampaignResult { campaign, regressions, totals, failures, ending, nondeterminism, effort })
}

/// Reads line by line. Nothing comes of a text without lines.
pub(crate) fn read_file<S: DeserializeOwned>(
    name: &str,
    text: &str,
) -> Result<Option<File<S>>, LinesError> {
    let mut file: Option<File<S>> = None;
    for (line, json) in (1..).zip(text.lines()) {
        let fail = |reason: String| LinesError::Line { name: name.to_owned(), line, reason };
        let read = serde_json::from_str(json).map_err(|error| fail(error.to_string()))?;
        match (read, &mut file) {
            (Read::Header { format, campaign }, None) if format == FORMAT => {
                let (seeds, effort) = (Vec::new(), Effort::default());
                file = Some(File { campaign, seeds, ended: None, effort });
            }
            (Read::Header { format, .. }, None) => {
                return Err(fail(format!("the format is `{format}`, expected `{FORMAT}`")));
            }
            (Read::Header { .. }, Some(_)) => return Err(fail("a second header".to_owned())),
            (_, None) => return Err(fail("the header is missing".to_owned())),
            (Read::Seed(seed), Some(file)) => file.seeds.push(seed),
            (Read::Totals(ended), Some(file)) => file.ended = Some(ended),
            (Read::Footer(effort), Some(file)) => file.effort = effort,
        }
    }
    Ok(file)
}

/// The first line.
pub fn header(campaign: &Campaign) -> String {
    write(&Line::Header { format: FORMAT, campaign })
}

/// The line of one seed.
pub fn seed(outcome: &Outcome) -> String {
    write(&Line::Seed { outcome })
}

/// The last line but one.
pub fn totals(result: &CampaignResult) -> String {
    write(&Line::Totals {
        ruling: result.ruling(),
        ending: result.ending,
        regressions: result.regressions,
        totals: &result.totals,
        gates: result.gates(),
        failures: &result.failures,
        nondeterminism: &result.nondeterminism,
    })
}

/// The last line: what differs from run to run.
pub fn footer(effort: Effort) -> String {
    write(&Line::Footer { effort })
}

fn write(line: &Line<'_>) -> String {
    serde_json::to_string(line).expect("plain data with text keys has a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_was_written_is_read_and_what_is_not_whole_is_refused() {
        let result = sample::failed();
        let lines = [header(&result.campaign), totals(&result), footer(result.effort)];
        let again = read("c.jsonl", &lines.join("\n")).unwrap();
        assert_eq!((&again.campaign, &again.failures), (&result.campaign, &result.failures));
        assert_eq!((again.effort, again.ruling()), (result.effort, result.ruling()));
        assert_eq!(totals(&again), lines[1]);
        for (text, part) in [
            (lines[0].clone(), "c.jsonl: no totals"),
            (lines[1].clone(), "c.jsonl:1: the header is missing"),
            (lines[0].replace("campaign/1", "campaign/9"), "c.jsonl:1: the format is"),
            (format!("{}\n{{", lines[0]), "c.jsonl:2: "),
        ] {
            let error = read("c.jsonl", &text).unwrap_err().to_string();
            assert!(error.starts_with(part), "{error}");
        }
    }

    #[test]
    fn every_line_is_one_object_with_its_kind() {
        let result =
            CampaignResult::new(Campaign { scenario: "quiet".into(), ..Campaign::default() });
        let lines = [header(&result.campaign), totals(&result), footer(result.effort)];
        for (line, kind) in lines.iter().zip(["header", "totals", "footer"]) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["kind"], kind);
            assert!(!line.contains('\n'));
        }
        assert!(lines[0].contains(FORMAT));
    }
}
