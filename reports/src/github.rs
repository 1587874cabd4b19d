//! What GitHub shows of a campaign: the step summary (Markdown) and annotations (workflow commands).

use crate::{CampaignResult, Comparison, Failure, Ruling, number::count, text};
use std::fmt::Write as _;

/// GitHub refuses a summary of more than 1 MiB and hides long ones; this one stays far below.
pub const SUMMARY_BYTES_MAX: usize = 200 * 1_024;
/// Failures in a summary.
pub const FAILURES_MAX: usize = 10;
/// Annotations of one campaign: GitHub shows ten a step, and they crowd the page.
pub const ANNOTATIONS_MAX: usize = 5;
/// Characters of one piece of text. Keys and values may be long.
const TEXT_MAX: usize = 2_000;

/// The step summary, with what has changed since an earlier campaign.
#[must_use]
pub fn summary(result: &CampaignResult, against: Option<&Comparison>) -> String {
    let totals = &result.totals;
    let ruling = result.ruling();
    let headline = inline(&text::headline(result));
    let mut text = format!("## {} {} {headline}\n\n", icon(ruling), ruling.word());
    for gate in result.gates() {
        line(&mut text, &format!("- gate: {}", inline(&gate.to_string())));
    }
    for difference in &result.nondeterminism {
        line(&mut text, &format!("- nondeterminism: {}", inline(difference)));
    }
    for (seed, doubt) in &totals.doubts {
        line(&mut text, &format!("- undecided: seed {seed}: {}", inline(doubt)));
    }
    line(&mut text, &format!("- {}", text::statistics(totals)));
    for sentence in against.map(Comparison::sentences).unwrap_or_default() {
        line(&mut text, &format!("- {}", inline(&sentence)));
    }
    for failure in result.failures.iter().take(FAILURES_MAX) {
        let block = failure_block(failure, totals.signatures.get(&failure.signature.to_string()));
        if text.len() + block.len() > SUMMARY_BYTES_MAX {
            break;
        }
        text.push_str(&block);
    }
    if totals.signatures.len() > result.failures.len().min(FAILURES_MAX) {
        let ways = u64::try_from(totals.signatures.len()).unwrap_or(u64::MAX);
        line(&mut text, &format!("\nIt failed in {}; not all are shown.", count(ways, "way")));
    }
    text
}

/// One annotation for each of the first failures, as workflow commands; what is printed to a step's output becomes a note
/// at the top of its page.
#[must_use]
pub fn annotations(result: &CampaignResult) -> String {
    let mut text = String::new();
    for failure in result.failures.iter().take(ANNOTATIONS_MAX) {
        let title = property(&format!("{}, seed {}", failure.signature.code, failure.seed));
        let message = format!("{}\n{}", failure.violation.sentence, failure.repro);
        line(&mut text, &format!("::error title={title}::{}", data(&cut(&message))));
    }
    if result.failures.is_empty() && result.ruling() != Ruling::Passed {
        let message = format!("{} {}", result.ruling().word(), text::headline(result));
        line(&mut text, &format!("::error title=whitewater::{}", data(&message)));
    }
    text
}

fn failure_block(failure: &Failure, seeds: Option<&u64>) -> String {
    let violation = &failure.violation;
    let mut text = String::new();
    let (seeds, first) = (count(seeds.copied().unwrap_or(1), "seed"), failure.seed);
    let code = inline(&violation.code);
    line(&mut text, &format!("\n### {code}: {seeds}, first seed {first}\n"));
    line(&mut text, &format!("{}\n", inline(&violation.sentence)));
    let shrunk = failure.shrunk.as_ref();
    if let Some(shrunk) = shrunk {
        line(&mut text, &format!("Shrunk: {} -> {}.\n", shrunk.before, shrunk.after));
    }
    let repro = shrunk.map_or(&failure.repro, |shrunk| &shrunk.repro);
    line(&mut text, &fenced(repro));
    text
}

const fn icon(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Passed => ":white_check_mark:",
        Ruling::Inconclusive => ":warning:",
        Ruling::GateFailed | Ruling::Violated | Ruling::NothingRan | Ruling::Nondeterministic => {
            ":x:"
        }
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes everything");
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text that Markdown shows as it is: keys and values are hostile input.
fn inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in cut(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' | '!' | ':' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A block of code whose fence is longer than any run of backticks in it.
fn fenced(code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{code}\n{fence}")
}

/// The message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_summary_leads_with_the_verdict_and_stays_small_whatever_the_values_are() {
        let mut result = sample::failed();
        let hostile = "<script>`|@team](x)\u{202e}".to_owned() + &"v".repeat(1 << 20);
        result.failures[0].violation.sentence = hostile;
        result.failures = vec![result.failures[0].clone(); 200];
        let text = summary(&result, None);
        assert!(text.starts_with("## :x: FAIL swarm\\: 20 seeds"), "{}", &text[..200]);
        assert!(text.len() < SUMMARY_BYTES_MAX, "{}", text.len());
        assert_eq!(text.matches("\n### ").count(), FAILURES_MAX);
        assert!(!text.contains("<script") && !text.contains("@team"), "{text}");
        assert!(text.contains("```sh\nwhitewater replay"), "{text}");
        let notes = annotations(&result);
        assert_eq!(notes.lines().count(), ANNOTATIONS_MAX);
        assert!(notes.starts_with("::error title=election-safety%2C seed 7::"), "{notes}");
    }

    #[test]
    fn a_pass_has_no_annotations() {
        let result = sample::passed();
        assert_eq!(annotations(&result), "");
        assert!(summary(&result, None).contains("no failure in 20 seeds"));
    }

    #[test]
    fn code_cannot_end_its_block() {
        assert_eq!(fenced("a ```` b"), "`````sh\na ```` b\n`````");
    }
}
