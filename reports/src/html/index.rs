//! The front page of a folder of results: the last campaign, and how things went over the last ones.

use super::{
    campaign::class,
    chart::{self, Point},
    render,
};
use crate::{
    Entry,
    comparison::failure_percent,
    number::{count, duration, grouped, ratio},
    text,
};
use serde::Serialize;

/// Campaigns on the page.
pub const CAMPAIGNS_MAX: usize = 60;

#[derive(Serialize)]
struct Page {
    class: &'static str,
    word: &'static str,
    headline: String,
    latest: String,
    charts: Vec<Chart>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Chart {
    name: String,
    highest: String,
    svg: String,
}

#[derive(Serialize)]
struct Row {
    number: u64,
    href: String,
    class: &'static str,
    word: &'static str,
    scenario: String,
    mutations: String,
    seeds: String,
    failed: String,
    percent: String,
    ways: usize,
    simulated: String,
    speed: String,
}

/// The page of these campaigns, the oldest first. There must be one.
#[must_use]
pub fn page(entries: &[Entry]) -> String {
    let shown = &entries[entries.len().saturating_sub(CAMPAIGNS_MAX)..];
    let latest = shown.last().expect("a campaign has just ended");
    let page = Page {
        class: class(latest.result.ruling()),
        word: latest.result.ruling().word(),
        headline: text::headline(&latest.result),
        latest: file(latest.number),
        charts: charts(shown, &latest.result.campaign.scenario),
        rows: shown.iter().rev().map(row).collect(),
    };
    render(include_str!("../../templates/index.html"), &page)
}

/// The page of one campaign, from the front page.
#[must_use]
pub fn file(number: u64) -> String {
    format!("campaigns/{number:04}.html")
}

fn row(entry: &Entry) -> Row {
    let result = &entry.result;
    let totals = &result.totals;
    Row {
        number: entry.number,
        href: file(entry.number),
        class: class(result.ruling()),
        word: result.ruling().word(),
        scenario: result.campaign.scenario.clone(),
        mutations: result.campaign.mutations.join(", "),
        seeds: grouped(totals.seeds),
        failed: grouped(totals.failed),
        percent: failure_percent(result),
        ways: totals.signatures.len(),
        simulated: duration(totals.simulated_ns),
        speed: ratio(u128::from(totals.simulated_ns / 1_000), u128::from(result.effort.cpu_us), 0),
    }
}

/// Trends of the campaigns that played the scenario of the last one without deliberate bugs: others cannot be compared.
fn charts(entries: &[Entry], scenario: &str) -> Vec<Chart> {
    let comparable: Vec<&Entry> = entries
        .iter()
        .filter(|it| {
            it.result.campaign.scenario == scenario && it.result.campaign.mutations.is_empty()
        })
        .collect();
    if comparable.len() < 2 {
        return Vec::new();
    }
    let per_cpu = |n: u64, cpu_us: u64| n.checked_div(cpu_us).unwrap_or(0);
    let chart = |name: &str, unit: &str, value: &dyn Fn(&Entry) -> u64| {
        let point = |entry: &&Entry| Point {
            value: value(entry),
            label: format!("campaign {}: {} {unit}", entry.number, grouped(value(entry))),
            is_bad: entry.result.totals.failed > 0,
        };
        let points: Vec<Point> = comparable.iter().map(point).collect();
        let highest = points.iter().map(|point| point.value).max().unwrap_or(0);
        Chart {
            name: format!("{name}, {} of {scenario}", count_of(comparable.len())),
            highest: format!("highest: {} {unit}", grouped(highest)),
            svg: chart::trend(name, &points),
        }
    };
    vec![
        chart("failed seeds", "seeds", &|entry| entry.result.totals.failed),
        chart("simulated seconds a CPU-second", "s", &|entry| {
            per_cpu(entry.result.totals.simulated_ns / 1_000, entry.result.effort.cpu_us)
        }),
        chart("operations judged", "operations", &|entry| {
            entry.result.totals.operations.iter().sum()
        }),
        chart("rare states reached", "states", &|entry| {
            u64::try_from(entry.result.totals.reached.len()).unwrap_or(u64::MAX)
        }),
    ]
}

fn count_of(campaigns: usize) -> String {
    count(u64::try_from(campaigns).unwrap_or(u64::MAX), "campaign")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_page_shows_the_last_campaigns_with_trends() {
        let result = |number| if number % 7 == 0 { sample::failed() } else { sample::passed() };
        let entries: Vec<Entry> =
            (1..=80).map(|number| Entry { number, result: result(number) }).collect();
        let html = page(&entries).replace("&#x2f;", "/");
        assert_eq!(html.matches("<svg class=\"trend\"").count(), 4);
        assert!(html.contains("campaigns/0080.html") && html.contains("campaigns/0021.html"));
        assert!(!html.contains("campaigns/0020.html"), "60 at most");
        assert!(
            !html.contains("<script") && !html.contains("http:") && !html.contains("https:"),
            "{html}"
        );
        let one = page(&entries[..1]);
        assert_eq!(one.matches("<svg").count(), 0, "one campaign is no trend");
    }
}
