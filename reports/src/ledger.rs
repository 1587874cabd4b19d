//! The campaigns of a folder of results, one line each: what trends and comparisons with the last run are made of.

use crate::CampaignResult;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One campaign.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// What came of it.
    pub result: CampaignResult,
}

/// A line that is not a campaign of this version.
#[derive(Debug, Error)]
#[error("{name}:{line}: not a campaign of this version, and left out: {reason}")]
pub struct LedgerError {
    name: String,
    line: usize,
    reason: serde_json::Error,
}

/// The campaigns of a ledger, and the lines that are none. `name` is for error messages.
#[must_use]
pub fn read(name: &str, text: &str) -> (Vec<Entry>, Vec<LedgerError>) {
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    for (line, json) in (1..).zip(text.lines()) {
        match serde_json::from_str(json) {
            Ok(entry) => entries.push(entry),
            Err(reason) => errors.push(LedgerError { name: name.to_owned(), line, reason }),
        }
    }
    (entries, errors)
}

/// The line of one campaign.
#[must_use]
pub fn line(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("plain data with text keys has a JSON form")
}

/// The last campaign before this one that asked for the same, if there is one.
#[must_use]
pub fn before<'e>(entries: &'e [Entry], result: &CampaignResult) -> Option<&'e Entry> {
    let asked = |it: &CampaignResult| {
        let campaign = it.campaign.clone();
        (campaign.scenario, campaign.mutations, campaign.overrides)
    };
    entries.iter().rev().find(|entry| asked(&entry.result) == asked(result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_ledger_survives_a_line_that_is_damaged() {
        let entry = Entry { number: 3, result: sample::failed() };
        let text = format!("{}\n{{\"number\":4}}\n{}\n", line(&entry), line(&entry));
        let (entries, errors) = read("campaigns.jsonl", &text);
        assert_eq!(entries.len(), 2);
        assert_eq!(line(&entries[0]), line(&entry));
        assert!(errors[0].to_string().starts_with("campaigns.jsonl:2: "), "{}", errors[0]);
        assert_eq!(before(&entries, &sample::passed()).unwrap().number, 3);
        let mut other = sample::passed();
        other.campaign.mutations.push("stale-read".into());
        assert!(before(&entries, &other).is_none());
    }
}
