//! The terminal's form: a verdict line first, then what was tried, what was seen, what was checked.

use crate::{
    CampaignResult, Effort, Ending, Failure, Ruling, ShrunkPlan, Totals,
    number::{count, duration, grouped, mebibytes, ratio},
    table,
};
use std::collections::BTreeMap;
use whitewater_record::{Checked, FaultCount, Outcome, Verdict, Violation};

/// A campaign, for people. Only the last paragraph differs between two runs of the same seeds.
pub fn summary(result: &CampaignResult, color: bool) -> String {
    let totals = &result.totals;
    let mut text = vec![format!("{}\n\n", verdict_line(result, color))];
    text.push(tried(result));
    text.push(seen(&totals.faults, &totals.checks, &totals.sometimes));
    text.push(roles(&totals.victims));
    text.push(reached(totals));
    for failure in &result.failures {
        let seeds = totals.signatures.get(&failure.signature.to_string()).copied().unwrap_or(0);
        text.push(format!("\n{}", failure_block(failure, seeds, color)));
    }
    for (seed, doubt) in &totals.doubts {
        text.push(format!("\nundecided: seed {seed}: {doubt}\n"));
    }
    for gate in result.gates() {
        text.push(format!("\ngate: {gate}\n"));
    }
    for difference in &result.nondeterminism {
        text.push(format!("\nnondeterminism: {difference}\n"));
    }
    text.push(format!("\n{}\n", statistics(totals)));
    text.push(footer(totals, result.effort));
    text.concat()
}

/// One run, for people. Without anything that differs between two runs of the same plan.
pub fn outcome(outcome: &Outcome, color: bool) -> String {
    let (word, paint) = match outcome.verdict {
        Verdict::Passed => ("PASS", GREEN),
        Verdict::Inconclusive => ("INCONCLUSIVE", YELLOW),
        Verdict::Failed => ("FAIL", RED),
    };
    let code = outcome.violations.first().map_or("", |violation| &violation.code);
    let mut text = vec![format!(
        "{} {} seed {}{}{code}\n\n",
        painted(word, paint, color),
        outcome.scenario,
        outcome.seed,
        if code.is_empty() { "" } else { ": " },
    )];
    for violation in &outcome.violations {
        text.push(format!("{}: {}\n", violation.code, promise(violation)));
    }
    for doubt in &outcome.doubts {
        text.push(format!("undecided: {doubt}\n"));
    }
    if outcome.is_idle() {
        text.push("idle: none of the faults was seen to matter\n".to_owned());
    }
    text.push(format!(
        "tried: {} simulated, {}, {}, {}\n",
        duration(outcome.simulated.0),
        operations(outcome.operations),
        count(outcome.messages, "message"),
        count(outcome.events, "event"),
    ));
    text.push(format!("trace: {:016x}\n", outcome.trace_hash));
    text.push(seen(&outcome.faults, &outcome.checks, &outcome.sometimes));
    text.concat()
}

/// One failure: which promise, when, on which event, and the line that plays it again.
pub fn failure_block(failure: &Failure, seeds: u64, color: bool) -> String {
    let mut text = vec![format!(
        "{} {}: {}, first seed {}\n  {}\n",
        painted("FAIL", RED, color),
        failure.violation.code,
        count(seeds, "seed"),
        failure.seed,
        promise(&failure.violation).replace('\n', "\n  "),
    )];
    if let Some(folder) = &failure.folder {
        text.push(format!("  folder: {folder}\n"));
    }
    text.push(format!("  replay: {}\n", failure.repro));
    text.extend(failure.shrunk.iter().map(shrunk_lines));
    text.push(format!("  explain: whitewater explain {}\n", failure.violation.code));
    text.concat()
}

/// How small a failing plan is, how sure that is, and the line that plays it.
pub fn shrunk_lines(shrunk: &ShrunkPlan) -> String {
    let ShrunkPlan { before, after, proof, repro } = shrunk;
    format!("  shrunk: {before} -> {after}\n  proof: {proof}\n  replay: {repro}\n")
}

/// The sentence of a violation, then when and where.
fn promise(violation: &Violation) -> String {
    let event = violation.event.map_or_else(String::new, |event| format!(", event {event}"));
    let node = violation.node.map_or_else(String::new, |node| format!(", on {node}"));
    format!("{}\n  at {}{event}{node}", violation.sentence, violation.at)
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

fn painted(word: &str, paint: &str, color: bool) -> String {
    if color { format!("\u{1b}[1;{paint}m{word}\u{1b}[0m") } else { word.to_owned() }
}

fn verdict_line(result: &CampaignResult, color: bool) -> String {
    let ruling = result.ruling();
    let paint = match ruling {
        Ruling::Passed => GREEN,
        Ruling::Inconclusive => YELLOW,
        Ruling::GateFailed | Ruling::Violated | Ruling::NothingRan | Ruling::Nondeterministic => {
            RED
        }
    };
    format!("{} {}", painted(ruling.word(), paint, color), headline(result))
}

/// What was run and what came of it, in a line: what stands behind the word of the verdict.
#[must_use]
pub fn headline(result: &CampaignResult) -> String {
    let totals = &result.totals;
    let mutations = match &result.campaign.mutations[..] {
        [] => String::new(),
        names => format!(" with {}", names.join(", ")),
    };
    format!(
        "{}{mutations}: {} · {} simulated · {} · {} failed in {} · {} undecided",
        result.campaign.scenario,
        count(totals.seeds, "seed"),
        duration(totals.simulated_ns),
        count(totals.operations.iter().sum(), "operation"),
        grouped(totals.failed),
        count(u64::try_from(totals.signatures.len()).unwrap_or(u64::MAX), "way"),
        grouped(totals.inconclusive),
    )
}

fn tried(result: &CampaignResult) -> String {
    let (campaign, totals) = (&result.campaign, &result.totals);
    let last = campaign.first_seed.0.wrapping_add(totals.seeds).wrapping_sub(1);
    let range = match totals.seeds {
        0 => "none".to_owned(),
        1 => campaign.first_seed.to_string(),
        _ => format!("{} to {last}", campaign.first_seed),
    };
    let mut text = vec![format!(
        "tried: scenario {}, seeds {range}, {} simulated, {}, {}, {}\n",
        campaign.scenario,
        duration(totals.simulated_ns),
        operations(totals.operations),
        count(totals.messages, "message"),
        count(totals.events, "event"),
    )];
    if result.regressions > 0 && result.ending != Ending::Regression {
        let plans = count(result.regressions, "pinned plan");
        text.push(format!("first: {plans} of fixed bugs, replayed, all passed\n"));
    }
    if !campaign.overrides.is_empty() {
        let changes: Vec<String> =
            campaign.overrides.iter().map(|(name, value)| format!("{name} {value}")).collect();
        text.push(format!("changed: {}\n", changes.join(", ")));
    }
    let ending = match result.ending {
        Ending::Complete => "",
        Ending::FailFast => {
            "ended: at the first failure; how many seeds were run depends on the machine\n"
        }
        Ending::Time => {
            "ended: when the time was up; how many seeds were run depends on the machine\n"
        }
        Ending::Interrupted => {
            "ended: interrupted; these are the seeds that were done, and `--resume` goes on\n"
        }
        Ending::Regression => "ended: before the first seed, since a bug that was fixed is back\n",
        Ending::Missing => "ended: parts are lost, and with them some of its seeds\n",
    };
    text.push(ending.to_owned());
    if totals.seeds > 0 {
        text.push(format!("traces: {}\n", totals.digest));
    }
    text.concat()
}

fn operations(operations: [u64; 3]) -> String {
    let [ok, fail, info] = operations;
    format!(
        "{} ({} ok, {} fail, {} info)",
        count(ok + fail + info, "operation"),
        grouped(ok),
        grouped(fail),
        grouped(info)
    )
}

fn seen(
    faults: &BTreeMap<String, FaultCount>,
    checks: &BTreeMap<String, Checked>,
    sometimes: &BTreeMap<String, u64>,
) -> String {
    let mut text = Vec::new();
    let rows: Vec<Vec<String>> = faults
        .iter()
        .map(|(kind, n)| {
            let FaultCount { requested, applied, witnessed } = *n;
            vec![kind.clone(), grouped(requested), grouped(applied), grouped(witnessed)]
        })
        .collect();
    if !rows.is_empty() {
        let table = table::render(&["fault", "requested", "applied", "witnessed"], &rows);
        text.push(format!("\n{table}"));
    }
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|(check, n)| vec![check.clone(), grouped(n.evaluations), grouped(n.discriminating)])
        .collect();
    if !rows.is_empty() {
        let table = table::render(&["check", "evaluations", "discriminating"], &rows);
        text.push(format!("\n{table}"));
    }
    let rows: Vec<Vec<String>> =
        sometimes.iter().map(|(state, n)| vec![state.clone(), grouped(*n)]).collect();
    if !rows.is_empty() {
        text.push(format!("\n{}", table::render(&["sometimes", "reached"], &rows)));
    }
    text.concat()
}

/// The faults again, by what their victims were.
fn roles(victims: &BTreeMap<String, BTreeMap<String, FaultCount>>) -> String {
    let mut sums: BTreeMap<&str, FaultCount> = BTreeMap::new();
    for (role, count) in victims.values().flatten() {
        sums.entry(role).or_default().add(*count);
    }
    if sums.is_empty() {
        return String::new();
    }
    let row = |(role, n): (&str, FaultCount)| {
        let FaultCount { requested, applied, witnessed } = n;
        vec![role.to_owned(), grouped(requested), grouped(applied), grouped(witnessed)]
    };
    let rows: Vec<Vec<String>> = sums.into_iter().map(row).collect();
    format!("\n{}", table::render(&["victim", "requested", "applied", "witnessed"], &rows))
}

/// Which rare moments and how many abstract states were reached.
fn reached(totals: &Totals) -> String {
    let coverage = &totals.coverage;
    if coverage.seen == 0 {
        return String::new();
    }
    let missing: Vec<&str> = crate::gate::unreached(totals).collect();
    let all = whitewater_record::moment::names().count();
    let never =
        if missing.is_empty() { String::new() } else { format!("; never: {}", missing.join(", ")) };
    let growth: Vec<String> =
        coverage.growth.iter().map(|(n, seen)| format!("{n}: {}", grouped(*seen))).collect();
    format!(
        "\nrare moments: {} of {all} reached{never}\nabstract states: about {} (after seeds {}); the next seed would add \
         about {}\n",
        all - missing.len(),
        grouped(coverage.seen),
        growth.join(", "),
        ratio(u128::from(coverage.next_hundredths()), 100, 2),
    )
}

/// The rule of three, or the observed rate.
#[must_use]
pub fn statistics(totals: &Totals) -> String {
    let seeds = u128::from(totals.seeds);
    match (totals.seeds, totals.failed) {
        (0, _) => "statistics: nothing ran, so nothing is known".to_owned(),
        (n, 0) if n < 4 => {
            format!("statistics: no failure in {}: too few to say anything", count(n, "seed"))
        }
        (n, 0) => format!(
            "statistics: no failure in {}: a rate below {} % with 95 % confidence (3/n)",
            count(n, "seed"),
            ratio(300, seeds, 3),
        ),
        (n, failed) => format!(
            "statistics: {} of {} failed: a rate of {} %",
            grouped(failed),
            count(n, "seed"),
            ratio(u128::from(failed) * 100, seeds, 2),
        ),
    }
}

fn footer(totals: &Totals, effort: Effort) -> String {
    let cpu = u128::from(effort.cpu_us);
    format!(
        "speed: {} seeds and {} simulated seconds a CPU-second, {} operations a CPU-second; {} s of CPU in {} s by \
         {}, {} at most{}\n",
        ratio(u128::from(totals.seeds) * 1_000_000, cpu, 1),
        ratio(u128::from(totals.simulated_ns / 1_000), cpu, 0),
        ratio(u128::from(totals.operations.iter().sum::<u64>()) * 1_000_000, cpu, 0),
        ratio(cpu, 1_000_000, 1),
        ratio(u128::from(effort.wall_us), 1_000_000, 1),
        count(u64::try_from(effort.workers).unwrap_or(u64::MAX), "worker"),
        mebibytes(effort.peak_bytes),
        match effort.restarts {
            0 => String::new(),
            n => format!("; {} restarted", count(n, "worker")),
        },
    )
}

#[cfg(test)]
mod tests;
