//! The report of one campaign.

use super::{chart, render};
use crate::{
    CampaignResult, Comparison, Ending, Failure, Ruling,
    number::{count, duration, grouped, mebibytes, ratio},
    text,
};
use serde::Serialize;
use whitewater_record::FaultCount;

#[derive(Serialize)]
struct Page {
    title: String,
    class: &'static str,
    word: &'static str,
    headline: String,
    statistics: String,
    notes: Vec<Note>,
    against: Vec<String>,
    failures: Vec<Card>,
    not_shown: u64,
    figures: Vec<[String; 2]>,
    faults: Vec<Fault>,
    checks: Vec<Check>,
    states: Vec<[String; 3]>,
    novelty: String,
    effort: Vec<[String; 2]>,
}

/// Something that a reader must know before the tables.
#[derive(Serialize)]
struct Note {
    what: &'static str,
    text: String,
}

/// A way in which seeds failed.
#[derive(Serialize)]
struct Card {
    signature: String,
    class: String,
    is_new: bool,
    seeds: String,
    first: String,
    sentence: String,
    place: String,
    shrunk: Option<String>,
    proof: Option<String>,
    repro: String,
    folder: Option<String>,
    report: Option<String>,
    code: String,
}

#[derive(Serialize)]
struct Fault {
    kind: String,
    requested: String,
    applied: String,
    witnessed: String,
    bar: String,
}

#[derive(Serialize)]
struct Check {
    name: String,
    evaluations: String,
    discriminating: String,
    failed: String,
    is_idle: bool,
    is_broken: bool,
}

/// The page, with what has changed since an earlier campaign. `home` is the way from the page to the folder of results,
/// such as `../`.
#[must_use]
pub fn page(result: &CampaignResult, against: Option<&Comparison>, home: &str) -> String {
    let totals = &result.totals;
    let ruling = result.ruling();
    let headline = text::headline(result);
    let page = Page {
        title: format!("{} {}", ruling.word(), result.campaign.scenario),
        class: class(ruling),
        word: ruling.word(),
        headline,
        statistics: text::statistics(totals),
        notes: notes(result),
        against: against.map(Comparison::sentences).unwrap_or_default(),
        failures: result.failures.iter().map(|it| card(result, it, against, home)).collect(),
        not_shown: u64::try_from(totals.signatures.len().saturating_sub(result.failures.len()))
            .unwrap_or(u64::MAX),
        figures: figures(result),
        faults: faults(result),
        checks: checks(result),
        states: states(result),
        novelty: novelty(result),
        effort: effort(result),
    };
    render(include_str!("../../templates/campaign.html"), &page)
}

/// The class of the style sheet: inconclusive is never red.
pub(super) const fn class(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Passed => "pass",
        Ruling::Inconclusive => "doubt",
        Ruling::GateFailed | Ruling::Violated | Ruling::NothingRan | Ruling::Nondeterministic => {
            "fail"
        }
    }
}

fn notes(result: &CampaignResult) -> Vec<Note> {
    let gates =
        result.gates().into_iter().map(|gate| Note { what: "gate", text: gate.to_string() });
    let unequal = result.nondeterminism.iter();
    let unequal = unequal.map(|it| Note { what: "nondeterminism", text: it.clone() });
    let doubts = result.totals.doubts.iter();
    let doubts = doubts
        .map(|(seed, doubt)| Note { what: "undecided", text: format!("seed {seed}: {doubt}") });
    let ending = match result.ending {
        Ending::Complete => None,
        Ending::FailFast => {
            Some("at the first failure; how many seeds were run depends on the machine")
        }
        Ending::Time => {
            Some("when the time was up; how many seeds were run depends on the machine")
        }
        Ending::Interrupted => Some("by hand; these are the seeds that were done"),
        Ending::Regression => Some("before the first seed: a bug that was fixed is back"),
        Ending::Missing => Some("parts are lost, and with them some of its seeds"),
    };
    let ending = ending.map(|text| Note { what: "ended", text: text.to_owned() });
    gates.chain(unequal).chain(doubts).chain(ending).collect()
}

fn card(
    result: &CampaignResult,
    failure: &Failure,
    against: Option<&Comparison>,
    home: &str,
) -> Card {
    let signature = failure.signature.to_string();
    let violation = &failure.violation;
    let seeds = result.totals.signatures.get(&signature).copied().unwrap_or(1);
    let event = violation.event.map_or_else(String::new, |event| format!(", event {event}"));
    let node = violation.node.map_or_else(String::new, |node| format!(", on {node}"));
    // Links lead to what lies beside the page; the text says the path as the command line would.
    let folder = failure.folder.as_deref().and_then(|folder| folder.rsplit('/').next());
    let folder = folder.map(|name| format!("{home}{name}"));
    let shrunk = failure.shrunk.as_ref();
    Card {
        is_new: against.is_some_and(|against| against.new.contains(&signature)),
        class: failure.signature.class.name().to_owned(),
        signature,
        seeds: count(seeds, "seed"),
        first: failure.seed.to_string(),
        sentence: violation.sentence.clone(),
        place: format!("at {}{event}{node}", violation.at),
        shrunk: shrunk.map(|it| format!("{} -> {}", it.before, it.after)),
        proof: shrunk.map(|it| it.proof.clone()),
        repro: shrunk.map_or_else(|| failure.repro.clone(), |it| it.repro.clone()),
        report: folder.as_ref().map(|folder| format!("{folder}/report.html")),
        folder,
        code: violation.code.clone(),
    }
}

fn figures(result: &CampaignResult) -> Vec<[String; 2]> {
    let (campaign, totals) = (&result.campaign, &result.totals);
    let [ok, fail, info] = totals.operations;
    let mut figures = vec![
        row("scenario", campaign.scenario.clone()),
        row("seeds", format!("{} from {}", grouped(totals.seeds), campaign.first_seed)),
        row("simulated", duration(totals.simulated_ns)),
        row(
            "operations judged",
            format!(
                "{} ({} ok, {} fail, {} unknown)",
                grouped(ok + fail + info),
                grouped(ok),
                grouped(fail),
                grouped(info)
            ),
        ),
        row("messages", grouped(totals.messages)),
        row("events", grouped(totals.events)),
        row("traces", totals.digest.clone()),
    ];
    if !campaign.mutations.is_empty() {
        figures.insert(1, row("deliberate bugs", campaign.mutations.join(", ")));
    }
    if !campaign.overrides.is_empty() {
        let changes = campaign.overrides.iter().map(|(name, value)| format!("{name} {value}"));
        figures.insert(1, row("changed", changes.collect::<Vec<_>>().join(", ")));
    }
    figures
}

fn row(name: &str, value: String) -> [String; 2] {
    [name.to_owned(), value]
}

fn faults(result: &CampaignResult) -> Vec<Fault> {
    let faults = &result.totals.faults;
    let max = faults.values().map(|count| count.requested).max().unwrap_or(0);
    faults
        .iter()
        .map(|(kind, FaultCount { requested, applied, witnessed })| Fault {
            kind: kind.clone(),
            requested: grouped(*requested),
            applied: grouped(*applied),
            witnessed: grouped(*witnessed),
            bar: chart::layers([*requested, *applied, *witnessed], max),
        })
        .collect()
}

fn checks(result: &CampaignResult) -> Vec<Check> {
    let totals = &result.totals;
    totals
        .checks
        .iter()
        .map(|(name, checked)| {
            let failed = totals.codes.get(name).copied().unwrap_or(0);
            Check {
                name: name.clone(),
                evaluations: grouped(checked.evaluations),
                discriminating: grouped(checked.discriminating),
                failed: grouped(failed),
                is_idle: checked.evaluations == 0,
                is_broken: failed > 0,
            }
        })
        .collect()
}

fn states(result: &CampaignResult) -> Vec<[String; 3]> {
    let totals = &result.totals;
    let seeds = |state: &String| totals.reached.get(state).copied().unwrap_or(0);
    let row = |(state, n): (&String, &u64)| [state.clone(), grouped(*n), grouped(seeds(state))];
    totals.sometimes.iter().map(row).collect()
}

/// Good and Turing: of the states, those that one seed alone reached, over the seeds (Good 1953; for fuzzing, Böhme, STADS,
/// TOSEM 2018).
fn novelty(result: &CampaignResult) -> String {
    let totals = &result.totals;
    let once = totals.reached.values().filter(|seeds| **seeds == 1).count();
    let (states, seeds) = (totals.reached.len(), u128::from(totals.seeds));
    let once = u128::try_from(once).unwrap_or(u128::MAX);
    format!(
        "{} reached, {once} of them by one seed alone: the chance that the next seed reaches a new one is about {} %",
        count(u64::try_from(states).unwrap_or(u64::MAX), "rare state"),
        ratio(once * 100, seeds, 2),
    )
}

fn effort(result: &CampaignResult) -> Vec<[String; 2]> {
    let (totals, effort) = (&result.totals, result.effort);
    let cpu = u128::from(effort.cpu_us);
    vec![
        row("CPU time", format!("{} s", ratio(cpu, 1_000_000, 1))),
        row("time on the wall", format!("{} s", ratio(u128::from(effort.wall_us), 1_000_000, 1))),
        row("seeds a CPU-second", ratio(u128::from(totals.seeds) * 1_000_000, cpu, 1)),
        row(
            "simulated seconds a CPU-second",
            ratio(u128::from(totals.simulated_ns / 1_000), cpu, 0),
        ),
        row("events a CPU-second", ratio(u128::from(totals.events) * 1_000_000, cpu, 0)),
        row("workers", effort.workers.to_string()),
        row("workers restarted", grouped(effort.restarts)),
        row("largest worker", mebibytes(effort.peak_bytes)),
        row("whitewater", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_page_says_its_verdict_first_and_needs_nothing_from_outside() {
        let mut result = sample::failed();
        result.failures[0].violation.sentence = "</script><script>alert(1)</script>\u{202e}".into();
        let against = Comparison::new(&sample::passed(), &result);
        let html = page(&result, Some(&against), "");
        assert!(html.contains("<title>FAIL swarm</title>"), "{html}");
        assert!(!html.contains("<script"), "no script at all, and none from a value");
        for outside in ["http://", "https://", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("1 new, 0 known, 0 gone"), "{html}");
        assert!(html.contains("href=\"swarm-7&#x2f;report.html\""), "{html}");
        assert!(html.len() < 60_000, "{} bytes", html.len());
        assert_eq!(html, page(&result, Some(&against), ""));
    }

    #[test]
    fn the_chance_of_something_new_is_that_of_good_and_turing() {
        let mut result = sample::passed();
        result.totals.reached.insert("once".into(), 1);
        assert!(
            novelty(&result).ends_with(
                "2 rare states reached, 1 of them by one seed alone: the chance that the \
            next seed reaches a new one is about 5.00 %"
            ),
            "{}",
            novelty(&result)
        );
    }
}
