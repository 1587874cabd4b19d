//! A campaign for Prometheus, in the text format that the textfile collector of its node exporter picks up
//! (prometheus.io, exposition formats). The file must be replaced at once: write another one and rename it.

use crate::{CampaignResult, Ruling};
use std::{
    fmt::{Display, Write as _},
    time::Duration,
};

/// The whole file. `finished` is when the campaign ended, since the Unix epoch: the only form of a result with a date in
/// it, because an alert asks how long ago something last passed.
#[must_use]
pub fn metrics(result: &CampaignResult, finished: Duration) -> String {
    let totals = &result.totals;
    let mut page = Page { text: String::new(), scenario: label(&result.campaign.scenario) };
    page.head("whitewater_seeds", "Seeds of the last campaign, by verdict.");
    for (verdict, n) in [
        ("passed", totals.passed),
        ("inconclusive", totals.inconclusive),
        ("failed", totals.failed),
    ] {
        page.value("whitewater_seeds", &[("verdict", verdict)], n);
    }
    page.head("whitewater_operations", "Client operations that were judged, by outcome.");
    for (outcome, n) in ["ok", "fail", "info"].into_iter().zip(totals.operations) {
        page.value("whitewater_operations", &[("outcome", outcome)], n);
    }
    page.head("whitewater_failing_seeds", "Failed seeds, by the promise that was broken.");
    for (code, n) in &totals.codes {
        page.value("whitewater_failing_seeds", &[("code", code)], *n);
    }
    page.head("whitewater_signatures", "Ways in which seeds failed.");
    let signatures = u64::try_from(totals.signatures.len()).unwrap_or(u64::MAX);
    page.value("whitewater_signatures", &[], signatures);
    page.head("whitewater_check_evaluations", "How often each check was evaluated.");
    for (check, checked) in &totals.checks {
        page.value("whitewater_check_evaluations", &[("check", check)], checked.evaluations);
    }
    page.head("whitewater_faults", "Faults, by kind and by what became of them.");
    for (kind, count) in &totals.faults {
        let stages = [
            ("requested", count.requested),
            ("applied", count.applied),
            ("witnessed", count.witnessed),
        ];
        for (stage, n) in stages {
            page.value("whitewater_faults", &[("kind", kind), ("stage", stage)], n);
        }
    }
    page.head("whitewater_events", "Events of all traces.");
    page.value("whitewater_events", &[], totals.events);
    page.head("whitewater_simulated_seconds", "Simulated time.");
    page.value("whitewater_simulated_seconds", &[], totals.simulated_ns / 1_000_000_000);
    page.head("whitewater_cpu_seconds", "CPU time of all workers.");
    let cpu_us = result.effort.cpu_us;
    let seconds = format!("{}.{:06}", cpu_us / 1_000_000, cpu_us % 1_000_000);
    page.value("whitewater_cpu_seconds", &[], seconds);
    page.head("whitewater_finished_timestamp_seconds", "When the campaign ended.");
    page.value("whitewater_finished_timestamp_seconds", &[], finished.as_secs());
    page.head("whitewater_success", "1 if the last campaign passed, else 0.");
    page.value("whitewater_success", &[], u64::from(result.ruling() == Ruling::Passed));
    page.text
}

struct Page {
    text: String,
    scenario: String,
}

impl Page {
    /// All are gauges: the next campaign begins anew.
    fn head(&mut self, name: &str, help: &str) {
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge")
            .expect("a string takes everything");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let scenario = &self.scenario;
        write!(self.text, "{name}{{scenario=\"{scenario}\"").expect("a string takes everything");
        for (label_name, word) in labels {
            write!(self.text, ",{label_name}=\"{}\"", label(word))
                .expect("a string takes everything");
        }
        writeln!(self.text, "}} {value}").expect("a string takes everything");
    }
}

/// The value of a label, escaped as the format asks.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_is_described_once_and_every_line_has_a_value() {
        let mut result = sample::failed();
        result.campaign.scenario = "a \"b\"\nc\\".into();
        let text = metrics(&result, Duration::from_secs(5));
        let mut described = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(described.insert(rest.split(' ').next().unwrap()), "twice: {rest}");
            } else if !line.starts_with("# HELP ") {
                let (name, rest) = line.split_once('{').unwrap();
                assert!(described.contains(name), "{line}");
                let (labels, value) = rest.rsplit_once("} ").unwrap();
                assert!(labels.starts_with("scenario=\"a \\\"b\\\"\\nc\\\\\""), "{line}");
                assert!(value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{line}");
            }
        }
        assert!(text.contains("whitewater_failing_seeds{scenario=\"a \\\"b\\\"\\nc\\\\\",code=\"election-safety\"} 2\n"));
        assert!(text.contains("whitewater_success{scenario=\"a \\\"b\\\"\\nc\\\\\"} 0\n"));
    }
}
