//! The machine's form of a campaign: JSON lines, `whitewater-campaign/1`.
//!
//! A header, one object a seed in the order of seeds, the totals, a footer. All but the footer is a function of the
//! seeds. `kind` tells the lines apart: `header`, `seed`, `totals`, `footer`.

use crate::{Campaign, CampaignResult, Effort, Ending, Failure, Gate, Ruling, Totals};
use serde::Serialize;
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
