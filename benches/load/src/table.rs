//! The table, written row by row as rows are done.

use std::fmt::Display;
use whitewater_server::client::Load;

/// Writes the head.
#[expect(clippy::print_stdout, reason = "the table is the result")]
pub(crate) fn head<'a>(members: usize, systems: impl Iterator<Item = &'a str>) {
    let columns: Vec<String> =
        systems.map(|name| format!("{name}: /s [turns], p50 / p99 ms")).collect();
    println!("| {members} members | {} | ratio |", columns.join(" | "));
    println!("|---|{}---|", "---|".repeat(columns.len()));
}

/// A row of turns, by system.
#[expect(clippy::print_stdout, reason = "the table is the result")]
pub(crate) fn row(name: &str, turns: &[Vec<Load>]) {
    let cells: Vec<String> = turns.iter().map(|turns| cell(turns)).collect();
    let rates: Vec<f64> = turns.iter().map(|turns| median(turns.iter().map(rate))).collect();
    println!("| {name} | {} | {} |", cells.join(" | "), ratio(&rates));
}

/// A row of one value a system.
#[expect(clippy::print_stdout, reason = "the table is the result")]
pub(crate) fn values(name: &str, values: &[impl Display]) {
    let cells: Vec<String> = values.iter().map(ToString::to_string).collect();
    println!("| {name} | {} | |", cells.join(" | "));
}

fn cell(turns: &[Load]) -> String {
    let rates: Vec<String> = turns.iter().map(|turn| format!("{:.0}", rate(turn))).collect();
    let refused: u64 = turns.iter().map(|turn| turn.refused).sum();
    let refused = if refused == 0 { String::new() } else { format!(", {refused} refused") };
    format!(
        "{:.0} [{}], {:.2} / {:.2}{refused}",
        median(turns.iter().map(rate)),
        rates.join(" "),
        median(turns.iter().map(|turn| percentile(turn, 50))),
        median(turns.iter().map(|turn| percentile(turn, 99))),
    )
}

/// Answers a second.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(load: &Load) -> f64 {
    load.latencies.len() as f64 / load.took.as_secs_f64()
}

/// In milliseconds.
fn percentile(load: &Load, percent: usize) -> f64 {
    let place = load.latencies.len() * percent / 100;
    load.latencies.get(place).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ratio(rates: &[f64]) -> String {
    match rates {
        [ours, other] => format!("{:.2}", ours / other),
        _ => String::new(),
    }
}
